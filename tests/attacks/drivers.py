"""The two ways of sending an attack: as PostgREST sends it to Postgres, and over HTTP to the development gateway."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar, Protocol, Self
from urllib.parse import urlencode

import psycopg
from psycopg import sql

from agent_service.devstack._ports import HOST
from agent_service.devstack.gateway.app import create_gateway
from agent_service.devstack.keys import StackKeys
from agent_service.devstack.stack import _Gateway
from tests.attacks.model import Call, Held, Http, Reply, Request, Rows, Statement, Who
from tests.attacks.scene import Scene
from tests.conftest import Database
from tests.world import SECRET, Caller

KID = "test-kid"


class Driver(Protocol):
    """Sends a request as somebody and says what came back."""

    name: str

    def session(self) -> AbstractContextManager[None]:
        """What one case sends is sent in one of these."""

    def send(self, who: Who, request: Request, held: Held | None = None) -> Reply: ...


class SqlDriver:
    """As PostgREST does: logged in as authenticator, one transaction with role, claims and request, the hook first."""

    name = "sql"

    def __init__(self, database: Database, scene: Scene, *, hook: bool) -> None:
        self._database, self._scene, self._hook = database, scene, hook
        self._connection: psycopg.Connection[Any]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @contextmanager
    def session(self) -> Iterator[None]:
        """A connection of its own: what a case leaves behind in its session must not meet the next one."""
        with self._database.connect("authenticator") as self._connection:
            yield

    def send(self, who: Who, request: Request, held: Held | None = None) -> Reply:
        if held:
            return self._send_beside(held, who, request)
        return self._send(self._connection, who, request)

    def _send(self, connection: psycopg.Connection[Any], who: Who, request: Request) -> Reply:
        try:
            with self._open(connection, who, request) as cursor:
                return Reply(_run(cursor, request))
        except psycopg.Error as error:
            return _reply(error)

    @contextmanager
    def _open(self, connection: psycopg.Connection[Any], who: Who, request: Request) -> Iterator[psycopg.Cursor[Any]]:
        claims = who.claims(self._scene)
        caller = Caller(connection, claims["role"], claims, self._hook)
        headers = dict(getattr(request, "headers", {}))
        with caller.transaction(_path(request), headers) as cursor:
            yield cursor

    def _send_beside(self, held: Held, who: Who, request: Request) -> Reply:
        """Send it while another transaction is open, which commits as soon as this one waits for a lock of its."""
        with contextlib.ExitStack() as stack:
            other = stack.enter_context(self._database.connect("authenticator"))
            owner = stack.enter_context(self._database.connect())
            transaction = stack.enter_context(contextlib.ExitStack())
            _run(transaction.enter_context(self._open(other, held.who, held.request)), held.request)
            if held.commits:
                pid = self._connection.info.backend_pid
                stack.enter_context(_released_when_waiting(owner, pid, transaction.pop_all()))
            else:
                self._connection.execute("set lock_timeout = '200ms'")
            return self._send(self._connection, who, request)


@contextmanager
def _released_when_waiting(owner: psycopg.Connection[Any], pid: int, held: contextlib.ExitStack) -> Iterator[None]:
    done = threading.Event()

    def watch() -> None:
        waits = "select cardinality(pg_blocking_pids(%s)) > 0"
        while not done.is_set() and not owner.execute(waits, [pid]).fetchone()[0]:  # type: ignore[index]
            time.sleep(0.005)
        held.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _path(request: Request) -> str:
    match request:
        case Call():
            return request.path or f"/rpc/{request.function}"
        case Rows():
            return f"/{request.table}"
    return "/"


def _run(cursor: psycopg.Cursor[Any], request: Request) -> Any:
    match request:
        case Call():
            return _call(cursor, request)
        case Rows():
            cursor.execute(_statement(request))
            return cursor.fetchall() if request.method == "GET" else cursor.rowcount
        case Statement():
            if request.data is not None:
                with cursor.copy(request.text) as copy:  # type: ignore[arg-type]
                    copy.write(request.data)
                return None
            cursor.execute(request.text)  # type: ignore[arg-type]
            while cursor.nextset():  # the last statement's result is the one that is asked for
                pass
            return cursor.fetchall() if cursor.description else None
    raise TypeError(f"{request} is for the gateway")


def _call(cursor: psycopg.Cursor[Any], call: Call) -> Any:
    """Call it with arguments out of one JSON text, as PostgREST does."""
    types = _argument_types(cursor, call.function)
    names = [sql.Identifier(name) for name in call.arguments]
    query = sql.SQL("select f.* from json_to_record({body}::json) as a ({columns}), lateral {function}({named}) as f")
    if not names:
        query = sql.SQL("select f.* from {function}() as f")
    given = sql.SQL(", ").join(
        sql.SQL("{} {}").format(name, sql.SQL(types.get(raw, "text")))
        for name, raw in zip(names, call.arguments, strict=True)
    )
    cursor.execute(
        query.format(
            body=sql.Literal(json.dumps(call.arguments, default=str)),
            columns=given,
            function=sql.Identifier("public", call.function),
            named=sql.SQL(", ").join(sql.SQL("{0} => a.{0}").format(name) for name in names),
        )
    )
    rows = cursor.fetchall()
    if len(rows) == 1 and list(rows[0]) in (["f"], [call.function]):
        return next(iter(rows[0].values()))
    return rows


def _argument_types(cursor: psycopg.Cursor[Any], function: str) -> dict[str, str]:
    cursor.execute(
        "select a.name, format_type(a.type, null) as type from pg_catalog.pg_proc as p, "
        "unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[])) as a (name, type) "
        "where p.pronamespace = 'public'::regnamespace and p.proname = %s",
        [function],
    )
    return {row["name"]: row["type"] for row in cursor.fetchall()}


def _statement(request: Rows) -> sql.Composed:
    table = sql.Identifier("public", request.table)
    conditions = [sql.SQL("{} = {}").format(sql.Identifier(k), sql.Literal(v)) for k, v in request.filters.items()]
    where = sql.SQL(" where ") + sql.SQL(" and ").join(conditions) if conditions else sql.SQL("")
    columns = [sql.Identifier(name) for name in request.body or {}]
    values = [sql.Literal(json.dumps(v) if isinstance(v, dict) else v) for v in (request.body or {}).values()]
    match request.method:
        case "GET":
            return sql.SQL("select * from {}").format(table) + where
        case "POST":
            listed, given = sql.SQL(", ").join(columns), sql.SQL(", ").join(values)
            return sql.SQL("insert into {} ({}) values ({})").format(table, listed, given)
        case "PATCH":
            pairs = [sql.SQL("{} = {}").format(*pair) for pair in zip(columns, values, strict=True)]
            return sql.SQL("update {} set {}").format(table, sql.SQL(", ").join(pairs)) + where
    return sql.SQL("delete from {}").format(table) + where


def _reply(error: psycopg.Error) -> Reply:
    message = error.diag.message_primary or str(error)
    return Reply(error=(error.sqlstate or "22021", error.diag.message_detail or "", message))


class HttpDriver:
    """Over a socket, with signed tokens: the gateway of the development stack on a database of the attack's own."""

    name = "http"
    stopping: ClassVar[list[threading.Thread]] = []

    def __init__(self, database: Database, scene: Scene, *, hook: bool) -> None:
        self._scene = scene
        self._keys = _keys()
        if not hook:
            with database.connect() as owner:
                owner.execute(
                    sql.SQL("alter role authenticator in database {} set pgrst.db_pre_request = ''").format(
                        sql.Identifier(database.name)
                    )
                )
        listener = socket.create_server((HOST, 0))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        app = create_gateway(
            dsn=database.dsn("authenticator"),
            auth_dsn=database.dsn("supabase_auth_admin"),
            keys=self._keys,
            url=f"http://{HOST}:{listener.getsockname()[1]}",
        )
        self._gateway = _Gateway(app, listener)
        self._connection: http.client.HTTPConnection

    def __enter__(self) -> Self:
        self._gateway.start()
        return self

    def __exit__(self, *_: object) -> None:
        # It takes 150 ms to notice. Nobody needs to wait for it but the end of all tests.
        stopping = threading.Thread(target=self._gateway.stop)
        stopping.start()
        self.stopping.append(stopping)

    @contextmanager
    def session(self) -> Iterator[None]:
        """A socket of its own; the connections to Postgres are the pool's, as PostgREST's are."""
        self._connection = http.client.HTTPConnection(HOST, self._gateway.port, timeout=20)
        with contextlib.closing(self._connection):
            yield

    def send(self, who: Who, request: Request, held: Held | None = None) -> Reply:
        assert held is None, "an open transaction of somebody else's is for the SQL driver"
        match request:
            case Call():
                path = "/rest/v1" + (request.path or f"/rpc/{request.function}")
                return self._ask("POST", path, request.arguments, self._headers(who, request.headers))
            case Rows():
                query = urlencode({key: f"eq.{value}" for key, value in request.filters.items()})
                headers = self._headers(who, {"prefer": "count=exact", **request.headers})
                return self._ask(request.method, f"/rest/v1/{request.table}?{query}", request.body, headers)
            case Http():
                method, _, path = request.line.partition(" ")
                return self._ask(method, path, request.body, self._headers(who, {}))
        raise TypeError(f"{request} is for Postgres itself")

    def _headers(self, who: Who, headers: Any) -> dict[str, str]:
        whole = {"apikey": self._keys.publishable_key, "content-type": "application/json", **headers}
        if who.name != "anon":
            whole["authorization"] = f"Bearer {self._token(who)}"
        return whole

    def _token(self, who: Who) -> str:
        """The token that was handed out, or one that says what is changed and is signed all the same."""
        if who.name in self._scene.tokens and not who.changed:
            return self._scene.tokens[who.name]
        now = int(time.time())
        return self._keys.sign_user_token({"iat": now, "exp": now + 600, **who.claims(self._scene)})

    def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
        text = json.dumps(body, default=str) if body is not None else None
        self._connection.request(method, path, text, headers)
        answer = self._connection.getresponse()
        given = answer.read().decode()
        if answer.status >= 400:
            said = json.loads(given)
            code = str(said.get("code") if "details" in said else said.get("error_code") or said.get("code"))
            message = str(said.get("message") or said.get("msg") or "")
            return Reply(error=(code, said.get("details") or "", message), status=answer.status)
        return Reply(_value(method, given, answer.headers.get("content-range")), status=answer.status)


def _value(method: str, text: str, content_range: str | None) -> Any:
    if method in ("PATCH", "DELETE") and not text:
        total = (content_range or "*/*").rpartition("/")[2]
        return int(total) if total.isdecimal() else None
    value = json.loads(text) if text else None
    return [value] if isinstance(value, dict) else value


@cache
def _keys() -> StackKeys:
    return replace(StackKeys.generate(), shared_secrets={KID: SECRET})
