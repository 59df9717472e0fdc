"""/rest/v1: one request in, one transaction, one answer, by PostgREST's rules for a single table or function."""

from __future__ import annotations

import logging
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent_service.devstack.gateway.answers import Asked, Plan, check_of, respond
from agent_service.devstack.gateway.catalog import Catalog, Column, Function, Table
from agent_service.devstack.gateway.database import ANON, Caller, Database
from agent_service.devstack.gateway.errors import RestError, error_response, not_implemented
from agent_service.devstack.gateway.grammar import Field, Query, SelectItem, parse_query, split_query
from agent_service.devstack.gateway.requests import (
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
            asked.caller, plan.statement, read_only=plan.read_only, check=check_of(asked, plan)
        )
        return respond(asked, plan, result, names_schema=len(self._database.schemas) > 1)

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
