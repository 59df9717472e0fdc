"""Turns the one row of a statement into status, headers and body, or into the error that its numbers mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from starlette.responses import Response

from agent_service.devstack.gateway.catalog import Function
from agent_service.devstack.gateway.database import Caller, Result
from agent_service.devstack.gateway.errors import RestError
from agent_service.devstack.gateway.grammar import Query, split_query
from agent_service.devstack.gateway.requests import MediaType, Preferences
from agent_service.devstack.gateway.statements import Statement

__all__ = ["Asked", "Plan", "check_of", "respond"]

GUC_HEADERS = "response.headers guc must be a JSON array composed of objects with a single key and a string value"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read but not yet compared with the catalog."""

    caller: Caller
    name: str
    is_call: bool
    query: Query
    query_text: str
    preferences: Preferences
    accept: str | None
    text: str

    @property
    def reads(self) -> bool:
        """Whether it is a GET or HEAD."""
        return self.caller.method in ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run for a request, and what its answer needs to know."""

    statement: Statement
    media_type: MediaType
    applied: tuple[str, ...]
    read_only: bool
    function: Function | None = None


def respond(asked: Asked, plan: Plan, result: Result, *, names_schema: bool) -> Response:
    """Return the answer; raises RestError for an offset past the end and for bad response settings of SQL."""
    status, headers, has_body = _outcome(asked, plan, result)
    if names_schema:
        headers["Content-Profile"] = asked.caller.schema
    if applied := asked.preferences.applied(plan.applied):
        headers["Preference-Applied"] = applied
    response = Response(result.body if has_body else b"", status, headers)
    if has_body:
        response.headers["Content-Type"] = plan.media_type.content_type
    _override(response, result)
    return response


def check_of(asked: Asked, plan: Plan) -> Callable[[Result], None] | None:
    """Return what must hold for the transaction to be kept, if anything."""
    limit = asked.preferences.max_affected if "max-affected" in plan.applied else None
    if limit is None and not plan.media_type.is_object:
        return None

    def check(result: Result) -> None:
        if limit is not None and result.rows > limit:
            details = f"The query affects {result.rows} rows"
            raise RestError("PGRST124", "Query result exceeds max-affected preference constraint", details=details)
        if plan.media_type.is_object and result.rows != 1:
            details = f"The result contains {result.rows} rows"
            raise RestError("PGRST116", "Cannot coerce the result to a single JSON object", details=details)

    return check


def _outcome(asked: Asked, plan: Plan, result: Result) -> tuple[int, dict[str, str], bool]:
    """Return status, headers and whether there is a body."""
    counted = "count" in asked.preferences
    if asked.reads or asked.is_call:
        status, content_range = _page_status(asked.query, result)
        headers = {"Content-Range": content_range}
        if asked.reads:
            query = urlencode(sorted(split_query(asked.query_text)), quote_via=quote)
            headers["Content-Location"] = asked.caller.path + (f"?{query}" if query else "")
        if plan.function is not None and plan.function.is_void:
            return 204, headers, False
        return status, headers, True
    has_body = asked.preferences.get("return") == "representation"
    total = str(result.rows) if counted else "*"
    if asked.caller.method == "PATCH" and result.rows:
        return 200 if has_body else 204, {"Content-Range": f"0-{result.rows - 1}/{total}"}, has_body
    headers = {"Content-Range": f"*/{total}"}
    if asked.caller.method != "POST":
        return 200 if has_body else 204, headers, has_body
    if asked.preferences.get("return") == "headers-only" and (location := _location(asked.name, result)):
        headers["Location"] = location
    updated = asked.preferences.get("resolution") == "merge-duplicates" and result.inserted is not None
    return 200 if updated and result.inserted == 0 else 201, headers, has_body


def _page_status(query: Query, result: Result) -> tuple[int, str]:
    first, total = query.offset, result.total
    if total is not None and first > total:
        raise RestError(
            "PGRST103",
            "Requested range not satisfiable",
            details=f"An offset of {first} was requested, but there are only {total} rows.",
        )
    content_range = f"{first}-{first + result.rows - 1}" if result.rows else "*"
    status = 206 if total is not None and result.rows < total else 200
    return status, f"{content_range}/{'*' if total is None else total}"


def _location(name: str, result: Result) -> str | None:
    rows = json.loads(result.body)
    if len(rows) != 1 or not rows[0]:
        return None
    key = {column: f"eq.{value if isinstance(value, str) else json.dumps(value)}" for column, value in rows[0].items()}
    return f"/{quote(name)}?{urlencode(key, quote_via=quote)}"


def _override(response: Response, result: Result) -> None:
    """Apply what SQL put into response.headers and response.status."""
    if result.status is not None:
        if not result.status.isdecimal() or not 100 <= int(result.status) <= 999:
            raise RestError("PGRST112", "response.status guc must be a valid status code")
        response.status_code = int(result.status)
    if result.headers is None:
        return
    try:
        pairs = [(name, value) for header in json.loads(result.headers) for name, value in _single(header)]
    except (ValueError, TypeError, AttributeError) as exc:
        raise RestError("PGRST111", GUC_HEADERS) from exc
    for name in {name for name, _ in pairs}:
        del response.headers[name]
    for name, value in pairs:
        response.headers.append(name, value)


def _single(header: dict[str, str]) -> list[tuple[str, str]]:
    [(name, value)] = header.items()
    if not isinstance(value, str):
        raise TypeError(name)
    return [(name, value)]
