"""What the REST half answers when it cannot: PostgREST's codes, bodies and statuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from starlette.responses import Response

__all__ = ["RestError", "error_response", "from_postgres", "not_implemented", "nul_refused"]

# PostgREST's own codes. Those not listed are 400.
STATUS = {
    "PGRST001": 503,
    "PGRST003": 504,
    "PGRST101": 405,
    "PGRST103": 416,
    "PGRST106": 406,
    "PGRST107": 406,
    "PGRST111": 500,
    "PGRST112": 500,
    "PGRST116": 406,
    "PGRST117": 405,
    "PGRST121": 500,
    "PGRST125": 404,
    "PGRST126": 404,
    "PGRST202": 404,
    "PGRST203": 300,
    "PGRST205": 404,
    "PGRST301": 401,
    "PGRST302": 401,
    "PGRST303": 401,
    "PGRSTX00": 500,
}
# SQLSTATEs, then classes of them. Those not listed are 400; 42501, 22023, 21000 and PTxyz depend on more than the code.
SQLSTATE_STATUS = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
}
CLASS_STATUS = {
    **dict.fromkeys(("08", "53"), 503),
    **dict.fromkeys(("0L", "0P", "28"), 403),
    **dict.fromkeys(("09", "25", "2D", "38", "39", "3B", "40", "54", "55", "57", "58", "F0", "HV", "P0", "XX"), 500),
}


class RestError(Exception):
    """An answer that is not the one asked for, as PostgREST words it."""

    def __init__(  # noqa: PLR0913 - the parts of the body, the status and the headers
        self,
        code: str,
        message: str | None,
        *,
        details: str | None = None,
        hint: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint
        self.status = status or STATUS.get(code, 400)
        self.headers = dict(headers or {})


def not_implemented(sentence: str) -> RestError:
    """Say that PostgREST can do this and the devstack cannot, rather than answer wrongly."""
    return RestError("PGRST127", "Feature not implemented", details=f"{sentence} (not implemented on the devstack)")


def nul_refused() -> RestError:
    """Refuse a NUL with Postgres' own words, which would reach it too late: in a name it ends the statement."""
    return RestError("22021", 'invalid byte sequence for encoding "UTF8": 0x00')


def error_response(error: RestError) -> Response:
    """Render the body every client of PostgREST reads; Proxy-Status is all they see of the code on HEAD."""
    body = {"code": error.code, "details": error.details, "hint": error.hint, "message": error.message}
    headers = {"Proxy-Status": f"PostgREST; error={error.code}", **error.headers}
    # In ASCII: a message may quote half a surrogate pair, which has no UTF-8.
    return Response(json.dumps(body), error.status, headers, "application/json; charset=utf-8")


def from_postgres(error: psycopg.Error, *, authenticated: bool) -> RestError:
    """Map an error of the server, or of the way to it, to the answer PostgREST gives."""
    state = error.sqlstate
    if state is None:
        if isinstance(error, psycopg.DataError):  # psycopg refuses a NUL itself
            return nul_refused()
        return RestError("PGRST001", "Database client error. Retrying the connection.", details=str(error))
    message, detail = error.diag.message_primary, error.diag.message_detail
    if state == "PGRST":
        return _raised(message or "", detail)
    status = _status(state, message or "", authenticated=authenticated)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return RestError(state, message, details=detail, hint=error.diag.message_hint, status=status, headers=headers)


def _status(state: str, message: str, *, authenticated: bool) -> int:
    match state:
        case "42501":
            return 403 if authenticated else 401
        case "22023":
            return 401 if message.startswith("role") and message.endswith("does not exist") else 400
        case "21000":
            return 400 if message.endswith("requires a WHERE clause") else 500
    if state.startswith("PT"):
        return int(state[2:]) if state[2:].isdecimal() and int(state[2:]) >= 200 else 500
    return SQLSTATE_STATUS.get(state) or CLASS_STATUS.get(state[:2], 400)


def _raised(message: str, detail: str | None) -> RestError:
    """Read `raise sqlstate 'PGRST'`, with which a function controls the whole answer."""
    body = _object(message, required=("code", "message"))
    if body is None:
        return _unreadable(
            f"Invalid JSON value for MESSAGE: '{message}'",
            "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' "
            "and optional keys: 'details', 'hint'.",
        )
    answer = None if detail is None else _object(detail, required=("status", "headers"))
    if answer is None or not isinstance(answer["status"], int) or not isinstance(answer["headers"], dict):
        return _unreadable(
            "DETAIL is missing in the RAISE statement"
            if detail is None
            else f"Invalid JSON value for DETAIL: '{detail}'",
            "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.",
        )
    return RestError(
        str(body["code"]),
        str(body["message"]),
        details=body.get("details"),
        hint=body.get("hint"),
        status=answer["status"],
        headers={str(name): str(value) for name, value in answer["headers"].items()},
    )


def _object(text: str, *, required: Sequence[str]) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and all(key in value for key in required) else None


def _unreadable(details: str, hint: str) -> RestError:
    return RestError(
        "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error", details=details, hint=hint
    )
