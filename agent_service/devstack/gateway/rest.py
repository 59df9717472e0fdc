"""/rest/v1: one request in, one transaction, one answer, by PostgREST's rules for a single table or function."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent_service.devstack.gateway.catalog import Catalog, Column, Function, Table
from agent_service.devstack.gateway.database import ANON, Caller, Database, Result
from agent_service.devstack.gateway.errors import RestError, error_response, not_implemented
from agent_service.devstack.gateway.grammar import Field, Query, SelectItem, parse_query, split_query
from agent_service.devstack.gateway.requests import (
    MediaType,
    Preferences,
    choose_media_type,
    parse_body,
    parse_range,
    require_json,
)
from agent_service.devstack.gateway.statements import Arguments, Body, Shape, Statement, array_literal
from agent_service.devstack.gateway.tokens import verify
from agent_service.devstack.keys import StackKeys

__all__ = ["Rest"]

logger = logging.getLogger(__name__)

STALE = ("PGRST202", "PGRST204", "PGRST205")
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


class Rest:
    """The ASGI application behind /rest/v1."""

    def __init__(self, database: Database, keys: StackKeys, *, max_rows: int | None) -> None:
        self._database = database
        self._keys = keys
        self._max_rows = max_rows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens, with a body that clients can read."""
        try:
            response = await self._answer(Request(scope, receive))
        except RestError as error:
            response = error_response(error)
        except Exception:
            logger.exception("A request to the gateway failed")
            response = error_response(RestError("PGRSTX00", "The devstack failed to answer; its log says why."))
        if scope["method"] == "HEAD":
            response.body = b""
            del response.headers["content-length"]
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        asked = await self._read(request)
        catalog = await self._database.catalog()
        try:
            plan = self._plan(asked, catalog)
        except RestError as error:
            if error.code not in STALE:
                raise
            plan = self._plan(asked, await self._database.reload(catalog))
        result = await self._database.run(
            asked.caller, plan.statement, read_only=plan.read_only, check=_check(asked, plan)
        )
        return self._respond(asked, plan, result)

    async def _read(self, request: Request) -> Asked:
        claims = self._claims(request.headers.get("authorization", ""))
        path = request.scope["raw_path"].decode("latin-1").removeprefix(request.scope["root_path"])
        name, is_call = _target(path)
        method = request.method
        schema = self._schema(request.headers.get("accept-profile" if method in ("GET", "HEAD") else "content-profile"))
        _check_method(method, is_call=is_call)
        reads = method in ("GET", "HEAD")
        query = parse_query(split_query(request.url.query), takes_arguments=is_call and reads)
        header = request.headers.get("range") if reads else None
        query.limit, query.offset = parse_range(header, query.limit, query.offset)
        preferences = Preferences.parse(request.headers.getlist("prefer"))
        text = ""
        if method in ("POST", "PATCH"):
            require_json(request.headers.get("content-type"))
            text = _decoded(await request.body())
        headers = {key: value for key, value in request.headers.items() if key != "cookie"}
        caller = Caller(claims, schema, method, path, headers, request.cookies)
        return Asked(caller, name, is_call, query, request.url.query, preferences, request.headers.get("accept"), text)

    def _claims(self, authorization: str) -> dict[str, object]:
        scheme, _, token = authorization.partition(" ")
        claims = verify(token.strip(), self._keys) if scheme.lower() == "bearer" else {}
        return {**claims, "role": claims.get("role", ANON)}

    def _schema(self, profile: str | None) -> str:
        schemas = self._database.schemas
        if profile is not None and profile not in schemas:
            hint = f"Only the following schemas are exposed: {', '.join(schemas)}"
            raise RestError("PGRST106", f"Invalid schema: {profile}", hint=hint)
        return profile or schemas[0]

    def _plan(self, asked: Asked, catalog: Catalog) -> Plan:
        if asked.is_call:
            return self._plan_call(asked, catalog)
        body = _body(asked) if asked.caller.method in ("POST", "PATCH") else ("", [])
        table = catalog.table(asked.caller.schema, asked.name)
        if asked.reads:
            return self._plan_read(asked, table)
        return _plan_write(asked, table, *body)

    def _plan_read(self, asked: Asked, table: Table) -> Plan:
        media_type = choose_media_type(asked.accept)
        shape = Shape(media_type.is_object, strips_nulls=media_type.strips_nulls)
        self._cap(asked.query)
        statement = Statement.on(table).read(asked.query, shape, counts="count" in asked.preferences)
        return Plan(statement, media_type, ("count", "handling"), read_only=True)

    def _plan_call(self, asked: Asked, catalog: Catalog) -> Plan:
        function, arguments = (_choose_by_query if asked.reads else _choose_by_body)(asked, catalog)
        if asked.preferences.max_affected is not None and not function.is_set:
            raise RestError(
                "PGRST128",
                "Function must return SETOF or TABLE when max-affected preference is used with handling=strict",
            )
        media_type = choose_media_type(asked.accept)
        rows = catalog.tables[function.table].columns if function.table in catalog.tables else {}
        shape = Shape(media_type.is_object or not function.is_set, not function.is_row, media_type.strips_nulls)
        self._cap(asked.query)
        counts = "count" in asked.preferences
        statement = Statement.calling(rows).call(function, arguments, asked.query, shape, counts=counts)
        read_only = asked.reads or not function.is_volatile
        applied = ("count", "handling", *(["max-affected"] if asked.preferences.max_affected is not None else []))
        return Plan(statement, media_type, applied, read_only=read_only, function=function)

    def _cap(self, query: Query) -> None:
        if self._max_rows is not None:
            query.limit = self._max_rows if query.limit is None else min(query.limit, self._max_rows)

    def _respond(self, asked: Asked, plan: Plan, result: Result) -> Response:
        status, headers, has_body = _outcome(asked, plan, result)
        if len(self._database.schemas) > 1:
            headers["Content-Profile"] = asked.caller.schema
        if applied := asked.preferences.applied(plan.applied):
            headers["Preference-Applied"] = applied
        response = Response(result.body if has_body else b"", status, headers)
        if has_body:
            response.headers["Content-Type"] = plan.media_type.content_type
        _override(response, result)
        return response


def _target(path: str) -> tuple[str, bool]:
    match [unquote(part) for part in path.split("/")[1:]]:
        case [] | [""]:
            raise RestError("PGRST126", "Root endpoint metadata is disabled")
        case ["rpc", name] if name:
            return name, True
        case [name]:
            return name, False
    raise RestError("PGRST125", "Invalid path specified in request URL")


def _check_method(method: str, *, is_call: bool) -> None:
    if is_call and method not in ("GET", "HEAD", "POST"):
        raise RestError("PGRST101", f"Cannot use the {method} method on RPC")
    if method == "PUT":
        raise not_implemented("PUT")
    if method not in ("GET", "HEAD", "POST", "PATCH", "DELETE"):
        raise RestError("PGRST117", f"Unsupported HTTP method: {method}")


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise RestError("PGRST102", "Empty or invalid json") from exc


def _body(asked: Asked) -> tuple[str, list[str]]:
    if asked.query.columns is not None:  # Postgres itself reads the body then, and takes from it what is listed
        return asked.text, list(asked.query.columns)
    return parse_body(asked.text)


def _plan_write(asked: Asked, table: Table, text: str, keys: list[str]) -> Plan:
    query, preferences, method = asked.query, asked.preferences, asked.caller.method
    body = Body(text, [table.require(key) for key in keys], preferences.get("missing") == "default")
    media_type = choose_media_type(asked.accept)
    shape = Shape(media_type.is_object, strips_nulls=media_type.strips_nulls)
    returned = _returned(asked, table)
    applied = ["return", "count", "handling"]
    statement = Statement.on(table)
    if method == "POST":
        resolves = "resolution" in preferences
        conflict = (query.on_conflict or table.primary_key) if resolves else ()
        merges = preferences.get("resolution") == "merge-duplicates"
        statement.insert(body, query, returned, shape, conflict=conflict, merges=merges)
        applied += ["missing", *(["resolution"] if conflict else [])]
    elif method == "PATCH":
        statement.update(body, query, returned, shape)
        applied.append("missing")
    else:
        statement.delete(query, returned, shape)
    if method != "POST" and preferences.max_affected is not None:
        applied.append("max-affected")
    return Plan(statement, media_type, tuple(applied), read_only=False)


def _returned(asked: Asked, table: Table) -> list[str] | None:
    wanted = asked.preferences.get("return")
    if wanted == "headers-only" and asked.caller.method == "POST":
        asked.query.select = tuple(SelectItem(Field(name)) for name in table.primary_key)
        return list(table.primary_key)
    if wanted != "representation":
        return None
    selected = [item.field.name if item.field else "*" for item in asked.query.select]
    return ["*"] if "*" in selected else list(dict.fromkeys(selected + [item.field.name for item in asked.query.order]))


def _choose_by_query(asked: Asked, catalog: Catalog) -> tuple[Function, Arguments]:
    given: dict[str, list[str]] = {}
    for name, value in asked.query.arguments:
        given.setdefault(name, []).append(value)
    function = catalog.function(asked.caller.schema, asked.name, list(given), with_body=False)
    variadic = {parameter.name for parameter in function.parameters if parameter.is_variadic}
    return function, [
        (name, array_literal(values) if name in variadic else values[-1]) for name, values in given.items()
    ]


def _choose_by_body(asked: Asked, catalog: Catalog) -> tuple[Function, Arguments]:
    text = asked.text or "{}"
    keys = list(asked.query.columns) if asked.query.columns is not None else parse_body(text)[1]
    function = catalog.function(asked.caller.schema, asked.name, keys, with_body=True)
    given = [Column(p.name, p.type) for p in function.parameters if p.name in keys]
    return function, Body(text, given)


def _check(asked: Asked, plan: Plan) -> Callable[[Result], None] | None:
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
