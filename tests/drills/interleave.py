"""Many users' requests over few connections, with trouble in between: does anybody get an answer of another's?"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from agent_service.devstack.gateway import app
from agent_service.devstack.gateway.database import Caller, Database, Result
from agent_service.devstack.gateway.statements import Statement
from agent_service.devstack.stack import Devstack

PASSWORD = "only-for-drills"
MARK = re.compile(r"mark-(\d+)-")
# Each user owns clients whose every text names the user.
SCENE = """
insert into public.clients (name, company, owner_id)
select format('mark-%%s- client', %(user)s::int), 'x', %(id)s from generate_series(1, 3);
insert into public.contacts (client_id, name)
select id, format('mark-%%s- contact', %(user)s::int) from public.clients where owner_id = %(id)s;
insert into public.activities (client_id, type, content, created_by)
select id, 'note', format('mark-%%s- note', %(user)s::int), %(id)s
from public.clients cross join generate_series(1, 5) where owner_id = %(id)s;
"""
# Functions that are slow, that fail, and that leave settings behind.
TROUBLE = """
create function public.drill_slow() returns void language sql volatile set search_path = pg_catalog, pg_temp
as $$ select pg_sleep(0.05) $$;
create function public.drill_fail() returns void language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$ begin raise exception 'on purpose'; end $$;
create function public.drill_spoil() returns void language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$ begin
  perform set_config('request.jwt.claims', current_setting('request.jwt.claims'), false),
    set_config('statement_timeout', '10s', false), set_config('search_path', 'pg_temp', false);
end $$;
grant execute on function public.drill_slow(), public.drill_fail(), public.drill_spoil() to authenticated;
notify pgrst, 'reload schema';
"""


@dataclass(frozen=True)
class Size:
    """How large a drill is. isolated: False replaces the gateway's transactions by what leaks."""

    requests: int
    users: int = 50
    pool: int = 5
    isolated: bool = True


@dataclass
class Report:
    """What a drill found. foreign: answers with another's data, which should be 0; empty: answers of a user's own rows
    that held none; answers: by kind of request and status.
    """

    requests: int = 0
    foreign: int = 0
    empty: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return vars(self) | {"answers": dict(sorted(self.answers.items()))}

    @property
    def found(self) -> bool:
        """Whether it found what it must not."""
        return self.foreign + self.empty > 0


def run(size: Size, *, seed: int = 1) -> Report:
    """Run one drill on a throw-away stack."""
    stack = Devstack(None)
    stack.pool_size = size.pool
    with _gateway(isolated=size.isolated), stack:
        users = _scene(stack, size.users)
        return asyncio.run(_drill(size, stack, users, seed))


def _scene(stack: Devstack, count: int) -> list[_User]:
    users = []
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        database.execute(TROUBLE)
        for number in range(count):
            email = f"drill{number}@example.com"
            key = stack.create_user(email, PASSWORD, full_name=f"mark-{number}- name")
            psycopg.ClientCursor(database).execute(SCENE, {"user": number, "id": key})
            rows = database.execute("select id from public.clients where owner_id = %s", [key]).fetchall()
            users.append(_User(number, email, [row[0] for row in rows]))
    return users


@dataclass
class _User:
    number: int
    email: str
    clients: list[uuid.UUID]
    headers: dict[str, str] = field(default_factory=dict)


async def _drill(size: Size, stack: Devstack, users: list[_User], seed: int) -> Report:
    report = Report()
    limits = httpx.Limits(max_connections=size.users)
    async with httpx.AsyncClient(
        base_url=stack.url, headers={"apikey": stack.publishable_key}, limits=limits, timeout=30
    ) as http:
        for user in users:
            answer = await http.post(
                "/auth/v1/token?grant_type=password", json={"email": user.email, "password": PASSWORD}
            )
            user.headers = {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}
        started = time.monotonic()
        each = size.requests // size.users
        crowd = _Crowd(http, users, report)
        await asyncio.gather(*(crowd.act(user, each, random.Random(seed + user.number)) for user in users))
        report.seconds = round(time.monotonic() - started, 1)
    return report


@dataclass(frozen=True)
class _Crowd:
    http: httpx.AsyncClient
    users: list[_User]
    report: Report

    async def act(self, user: _User, count: int, chance: random.Random) -> None:
        """Send so many requests of random kinds, one after the other, and look at every answer."""
        for _ in range(count):
            other = chance.choice([someone for someone in self.users if someone is not user])
            kind, ask, own = chance.choice(_KINDS)
            self.report.requests += 1
            try:
                answer = await ask(self.http, user, other)
            except httpx.TimeoutException:
                self.report.answers[f"{kind}: given up"] += 1
                continue
            self.report.answers[f"{kind}: {answer.status_code}"] += 1
            marks = {int(mark) for mark in MARK.findall(answer.text)}
            self.report.foreign += bool(marks - {user.number})
            self.report.empty += own and user.number not in marks


async def _list(http: httpx.AsyncClient, user: _User, _: _User) -> httpx.Response:
    return await http.get("/rest/v1/clients?select=id,name", headers=user.headers)


async def _notes(http: httpx.AsyncClient, user: _User, _: _User) -> httpx.Response:
    return await http.get("/rest/v1/activities?order=occurred_at.desc&limit=5", headers=user.headers)


async def _context(http: httpx.AsyncClient, user: _User, _: _User) -> httpx.Response:
    asked = {"p_client_id": str(user.clients[0])}
    return await http.post("/rest/v1/rpc/get_client_context", json=asked, headers=user.headers)


async def _foreign_context(http: httpx.AsyncClient, user: _User, other: _User) -> httpx.Response:
    asked = {"p_client_id": str(other.clients[0])}
    return await http.post("/rest/v1/rpc/get_client_context", json=asked, headers=user.headers)


async def _foreign_row(http: httpx.AsyncClient, user: _User, other: _User) -> httpx.Response:
    return await http.get(f"/rest/v1/clients?id=eq.{other.clients[0]}", headers=user.headers)


async def _nobody(http: httpx.AsyncClient, _: _User, __: _User) -> httpx.Response:
    return await http.get("/rest/v1/clients")


async def _wrong(http: httpx.AsyncClient, user: _User, _: _User) -> httpx.Response:
    return await http.get("/rest/v1/clients?id=eq.not-a-uuid", headers=user.headers)


async def _failing(http: httpx.AsyncClient, user: _User, _: _User) -> httpx.Response:
    return await http.post("/rest/v1/rpc/drill_fail", json={}, headers=user.headers)


async def _spoiling(http: httpx.AsyncClient, user: _User, _: _User) -> httpx.Response:
    return await http.post("/rest/v1/rpc/drill_spoil", json={}, headers=user.headers)


async def _leaving(http: httpx.AsyncClient, user: _User, _: _User) -> httpx.Response:
    return await http.post("/rest/v1/rpc/drill_slow", json={}, headers=user.headers, timeout=0.02)


Ask = Callable[[httpx.AsyncClient, _User, _User], Awaitable[httpx.Response]]
# The kind of request, and whether its answer must hold the user's own rows.
_KINDS: list[tuple[str, Ask, bool]] = [
    *[("clients", _list, True), ("activities", _notes, True), ("context", _context, True)] * 3,
    ("another's context", _foreign_context, False),
    ("another's client", _foreign_row, False),
    ("nobody", _nobody, False),
    ("wrong filter", _wrong, False),
    ("failing function", _failing, False),
    ("spoiling function", _spoiling, False),
    ("leaving early", _leaving, False),
]


class _SessionSettings(Database):
    """The control: settings made for the session on one connection, the statement sent on whichever is free next.

    It is what `set` behind a pooler in transaction mode does.
    """

    async def run(
        self, caller: Caller, statement: Statement, *, read_only: bool, check: Callable[[Result], None] | None
    ) -> Result:
        catalog = await self.catalog()
        async with self._connection() as conn:
            await conn.execute("reset role")
            names = {"role": caller.role, "request.jwt.claims": json.dumps(caller.claims)}
            for name, value in names.items():
                await conn.execute("select set_config($1, $2, false)", [name, value])
            await conn.execute("select set_config('search_path', $1, false)", [f"{caller.schema}, public, extensions"])
        async with self._connection(authenticated=True) as conn, conn.cursor() as cursor:
            if catalog.pre_request:
                await conn.execute("select agent.check_request()")
            await cursor.execute(statement.query, statement.parameters)
            row = await cursor.fetchone()
            return Result(*row) if row else Result(None, 0, "[]", None, None, None)


@contextmanager
def _gateway(*, isolated: bool) -> Iterator[None]:
    kept: Any = app.Database
    app.Database = kept if isolated else _SessionSettings  # type: ignore[misc]
    try:
        yield
    finally:
        app.Database = kept  # type: ignore[misc]
