"""Errors as problem details (RFC 9457): a stable code for programs, a sentence and a hint for people.

Our SQL raises `PTxyz` with a message, a detail that begins with a code, and a hint; these three come through. What
Postgres or PostgREST say of themselves does not: it names columns, not things to do.
"""

from __future__ import annotations

import datetime as dt
import http
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException

from agent_service.errors import (
    AgentError,
    KeyRefusedError,
    RateLimitedError,
    RetryableError,
    TokenExpiredError,
    UnexpectedAnswerError,
)
from agent_service.logging import get_logger

__all__ = ["Problem", "ProblemError", "add_handlers", "documented", "problem_of", "problem_response"]

MEDIA_TYPE = "application/problem+json"
# Where a 429 does not say for how long: a cap on what is open or was asked today has no time of its own.
USUAL_RETRY_SECONDS = 60
SERVER_RETRY_SECONDS = 5
TOO_MANY, UNAVAILABLE = 429, 503


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    field: str
    message: str


class Problem(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        json_schema_extra={
            "example": {
                "type": "urn:account-agent:problem:draft_changed",
                "title": "Conflict",
                "status": 409,
                "detail": "The text has changed since it was shown to you.",
                "code": "draft_changed",
                "hint": "Read it as it is now, then approve with its content_hash.",
            }
        },
    )

    type: str
    title: str
    status: int
    detail: str = Field(description="One sentence for people.")
    code: str = Field(description="Stable, for programs.")
    hint: str | None = Field(default=None, description="What to do.")
    reference: str | None = Field(default=None, description="What the code is about, e.g. the id of the open draft.")
    retry_after: int | None = Field(default=None, description="Seconds, as in the header.")
    errors: list[Fault] | None = Field(default=None, description="Every fault of a request that cannot be read.")


class ProblemError(Exception):
    """A refusal of the API's own."""

    def __init__(  # noqa: PLR0913 - one for each member that there is
        self,
        status: int,
        code: str,
        detail: str,
        *,
        hint: str | None = None,
        reference: str | None = None,
        retry_after: float | None = None,
        errors: list[Fault] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = Problem(
            type=f"urn:account-agent:problem:{code}",
            title=_phrase(status),
            status=status,
            detail=detail,
            code=code,
            hint=hint,
            reference=reference,
            retry_after=None if retry_after is None else max(1, round(retry_after)),
            errors=errors,
        )


def problem_of(error: AgentError) -> ProblemError:
    """Return what to tell the caller of an answer of Supabase."""
    if isinstance(error, KeyRefusedError):
        sentence = (
            "Your sign-in has run out." if isinstance(error, TokenExpiredError) else "This token is not accepted."
        )
        return ProblemError(401, error.detail_code or "not_signed_in", sentence, hint="Sign in again.")
    if (error.code or "").startswith("PT") and error.status is not None:
        return _of_sql(error, error.status)
    if (error.code or "").startswith("PGRST2"):
        return ProblemError(501, "not_built", "This installation does not have this yet.", hint="Apply the migrations.")
    if isinstance(error, RetryableError):
        wait = error.retry_after or SERVER_RETRY_SECONDS
        if isinstance(error, RateLimitedError):
            return ProblemError(TOO_MANY, "rate_limited", "There are too many requests.", retry_after=wait)
        return ProblemError(
            UNAVAILABLE, "database_unavailable", "The database cannot answer now.", hint="Try again.", retry_after=wait
        )
    return _of_postgres(error)


def _of_sql(error: AgentError, status: int) -> ProblemError:
    wait = error.retry_after if isinstance(error, RetryableError) else None
    if error.detail_code == "budget_exhausted":
        wait = _seconds_until(error.detail_value)
    elif wait is None and status in (TOO_MANY, UNAVAILABLE):
        wait = USUAL_RETRY_SECONDS
    return ProblemError(
        status,
        error.detail_code or "refused",
        error.message,
        hint=error.hint,
        reference=error.detail_value,
        retry_after=wait,
    )


def _seconds_until(moment: str | None) -> float:
    try:
        resumes_at = dt.datetime.fromisoformat(moment or "")
        return (resumes_at - dt.datetime.now(dt.UTC)).total_seconds()
    except (ValueError, TypeError):
        return USUAL_RETRY_SECONDS


def _of_postgres(error: AgentError) -> ProblemError:
    code, status = error.code or "", error.status or 0
    if code == "23505":
        return ProblemError(409, "conflict", "There is one like this already.", hint="Reload, then try again.")
    if code[:2] in ("22", "23"):
        return ProblemError(400, "invalid_argument", "A value is not one that this takes.", hint="Correct it.")
    if status == http.HTTPStatus.FORBIDDEN:
        return ProblemError(403, "access_denied", "You may not do this.")
    if status == http.HTTPStatus.NOT_FOUND:
        return ProblemError(404, "not_found", "There is no such thing among what you may see.")
    if isinstance(error, UnexpectedAnswerError) or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProblemError(502, "unexpected_answer", "The database gave an answer that is not understood.")
    return ProblemError(400, "refused", "The database refused this request.")


def problem_response(error: ProblemError) -> JSONResponse:
    """Return the response for it."""
    headers = {}
    if error.problem.retry_after is not None:
        headers["Retry-After"] = str(error.problem.retry_after)
    if error.status == http.HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(
        error.problem.model_dump(by_alias=True, exclude_none=True), error.status, headers, media_type=MEDIA_TYPE
    )


def add_handlers(app: FastAPI) -> None:
    """Have every error of the application answered as a problem."""

    async def on_problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ProblemError)  # noqa: S101 - what it is registered for, as below
        return problem_response(error)

    async def on_agent_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, AgentError)  # noqa: S101
        answer = problem_of(error)
        if answer.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            get_logger().warning("api.failed", error=error, status=error.status, code=error.code)
        return problem_response(answer)

    async def on_http_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101
        answer = problem_response(ProblemError(error.status_code, _code(error.status_code), _sentence(error)))
        answer.headers.update(error.headers or {})
        return answer

    async def on_invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        # Without pydantic's `input`: it would hand back what was sent, hints and mails with it.
        faults = [Fault(field=".".join(map(str, item["loc"][1:])), message=item["msg"]) for item in error.errors()]
        return problem_response(
            ProblemError(422, "invalid_request", "This request cannot be read.", hint="See errors.", errors=faults)
        )

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(AgentError, on_agent_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's account of the problems that an operation may answer with, and those any may."""
    return {
        status: {
            "description": _phrase(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **_headers(status),
        }
        for status in sorted({400, 413, 422, 501, 502, 503, *statuses})
    }


def _headers(status: int) -> Mapping[str, Any]:
    if status not in (TOO_MANY, UNAVAILABLE):
        return {}
    return {"headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}}


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _code(status: int) -> str:
    return _phrase(status).lower().replace(" ", "_").replace("-", "_")


def _sentence(error: HTTPException) -> str:
    return {
        404: "There is no such address here.",
        405: "This address does not take that method.",
        413: "The request is too large.",
    }.get(error.status_code, "The request cannot be read.")
