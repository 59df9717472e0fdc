"""The one door to Supabase: PostgREST through its official client, over one pool of connections.

No other module imports `postgrest`. Its exceptions and httpx's become ours by one table.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, TypeAlias

import httpx
import postgrest
from pydantic import SecretStr

from agent_service.errors import (
    AccessDeniedError,
    AgentError,
    BudgetExhaustedError,
    ConflictError,
    KeyRefusedError,
    LeaseLimitError,
    NotFoundError,
    ProviderUnavailableError,
    RateLimitedError,
    RequestRefusedError,
    RetryableError,
    ServerFailedError,
    ServerUnreachableError,
    StaleFenceError,
    TokenExpiredError,
    UnexpectedAnswerError,
)

__all__ = ["DEFAULT_TIMEOUT", "Supabase"]

Json: TypeAlias = Any
DEFAULT_TIMEOUT = httpx.Timeout(connect=5.0, read=30.0, write=30.0, pool=30.0)

# Which of our exceptions an answer becomes: first by our own detail code, then by the server's code, then by status.
_BY_DETAIL_CODE: dict[str, type[AgentError]] = {
    "budget_exhausted": BudgetExhaustedError,
    "lease_limit": LeaseLimitError,
    "provider_unavailable": ProviderUnavailableError,
    "stale_fence": StaleFenceError,
}
_BY_CODE: dict[str, type[AgentError]] = {
    "40001": ServerFailedError,  # serialization failure
    "40P01": ServerFailedError,  # deadlock
    "55P03": ServerFailedError,  # lock timeout; PostgREST answers it with 400
    "57014": ServerFailedError,  # statement timeout; likewise
}
_BY_STATUS: dict[int, type[AgentError]] = {
    401: KeyRefusedError,
    403: AccessDeniedError,
    404: NotFoundError,
    408: ServerFailedError,
    409: ConflictError,
    429: RateLimitedError,
}
_DETAIL_CODE = re.compile(r"([a-z][a-z0-9_]*)(?=:|$)")
_DETAIL_SECONDS = re.compile(r"(?:provider_unavailable|rate_limited): (\d{1,6})")


@dataclass(slots=True)
class _Answer:
    """What postgrest's exception leaves out of the response it was made from."""

    status: int | None = None
    retry_after: float | None = None


_answer: ContextVar[_Answer | None] = ContextVar("agent_service_supabase_answer", default=None)


class Supabase:
    """An async client of one Supabase project. Close it, or use it as a context manager.

    publishable_key: goes into `apikey` with every request. A call's `token` goes into `Authorization`.
    """

    def __init__(
        self,
        url: str,
        publishable_key: SecretStr,
        *,
        timeout: httpx.Timeout = DEFAULT_TIMEOUT,
        max_connections: int = 100,
    ) -> None:
        self._rest_url = f"{url.rstrip('/')}/rest/v1"
        self._key = publishable_key
        # HTTP/1.1, one connection per running call: over HTTP/2 one GOAWAY of a proxy fails every call at once.
        # No redirects: a token must not follow one to another host.
        self._http = httpx.AsyncClient(
            timeout=timeout,
            limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
            follow_redirects=False,
            event_hooks={"response": [_remember]},
        )

    def __repr__(self) -> str:
        return f"Supabase({self._rest_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def rpc(self, name: str, params: Mapping[str, Any], *, token: SecretStr | None = None) -> Json:
        """Call a SQL function and return its JSON: a value, an object, or a list of rows; None for void.

        Raises RetryableError if trying again may help, PermanentError otherwise.
        """
        with _translated():
            response = await self._client(token).rpc(name, dict(params)).execute()
        return response.data

    async def select(
        self, table: str, *columns: str, token: SecretStr | None = None, **equal: str | int | bool
    ) -> list[dict[str, Any]]:
        """Return the rows of a table or view whose columns equal the given values. Errors as in `rpc`."""
        query = self._client(token).from_(table).select(*(columns or ("*",)))
        for column, value in equal.items():
            query = query.eq(column, value)
        with _translated():
            response = await query.execute()
        if not isinstance(response.data, list):
            raise UnexpectedAnswerError
        return [row for row in response.data if isinstance(row, dict)]

    def _client(self, token: SecretStr | None) -> postgrest.AsyncPostgrestClient:
        key = self._key.get_secret_value()
        bearer = token.get_secret_value() if token is not None else key
        return postgrest.AsyncPostgrestClient(
            self._rest_url,
            headers={"Accept": "application/json", "apikey": key, "Authorization": f"Bearer {bearer}"},
            http_client=self._http,
            retry_enabled=False,  # callers retry, knowing how long their lease lasts
        )


async def _remember(response: httpx.Response) -> None:
    answer = _answer.get()
    if answer is not None:
        answer.status = response.status_code
        answer.retry_after = _retry_after(response.headers)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    answer = _Answer()
    reset = _answer.set(answer)
    try:
        yield
    except postgrest.APIError as error:
        raise _error_of(error, answer) from error
    except httpx.TransportError as error:
        raise ServerUnreachableError(
            f"The Supabase project could not be reached ({type(error).__name__}).",
            hint="Is SUPABASE_URL right, and is the project up?",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnexpectedAnswerError(f"The exchange with the server failed ({type(error).__name__}).") from error
    finally:
        _answer.reset(reset)


def _error_of(error: postgrest.APIError, answer: _Answer) -> AgentError:
    details = error.details if isinstance(error.details, str) else ""
    match = _DETAIL_CODE.match(details)
    detail_code = match[1] if match else None
    # PGRST303 covers every claim that does not hold; only an expired one is mended by a fresh token.
    expired = error.code == "PGRST303" and (error.message or "").startswith("JWT expired")
    kind = (
        (TokenExpiredError if expired else None)
        or _BY_DETAIL_CODE.get(detail_code or "")
        or _BY_CODE.get(error.code or "")
        or _BY_STATUS.get(answer.status or 0)
        or (ServerFailedError if (answer.status or 500) >= 500 else RequestRefusedError)
    )
    result = kind(
        error.message or None,
        status=answer.status,
        code=error.code,
        detail_code=detail_code,
        detail_value=details[match.end() + 1 :].strip() or None if match else None,
        hint=error.hint or None,
    )
    if isinstance(result, RetryableError):
        result.retry_after = answer.retry_after if answer.retry_after is not None else _seconds_in(error.details)
    return result


def _seconds_in(details: object) -> float | None:
    """Seconds that our SQL puts behind the code, as in `provider_unavailable: 15`."""
    found = _DETAIL_SECONDS.fullmatch(details) if isinstance(details, str) else None
    return float(found[1]) if found else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        sent = parsedate_to_datetime(headers.get("Date", ""))
        return max(0.0, (moment - sent).total_seconds())
    except (TypeError, ValueError):
        return None
