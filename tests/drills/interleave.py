"""Many users' requests over few connections, with trouble in between: does anybody get an answer of another's?"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

import httpx
import psycopg
from psycopg_pool import AsyncConnectionPool

from agent_service.devstack.gateway import app, database
from agent_service.devstack.stack import Devstack
from tests.drills.figures import count
from tests.drills.kinds import KINDS, UNDONE, User
from tests.drills.leaking import LeakingDatabase

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
insert into public.ai_drafts
(client_id, draft_type, content, generated_content, created_by, purpose, language, provider, expires_at)
select id, 'memo', t.text, t.text, %(id)s, 'custom', 'en', 'offline', now() + interval '1 day'
from public.clients cross join format('mark-%%s- draft', %(user)s::int) as t (text) where owner_id = %(id)s;
"""
# Functions that are slow, that fail, that leave settings behind; a hook of the host's that gives a request a timeout.
TROUBLE = """
create view public.drill_clients with (security_invoker = true) as select id, name from public.clients;
grant select on public.drill_clients to authenticated;
create function public.drill_slow() returns void language sql volatile set search_path = pg_catalog, pg_temp
as $$ select pg_sleep(0.05) $$;
create function public.drill_fail() returns void language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$ begin raise exception 'on purpose'; end $$;
create function public.drill_spoil() returns void language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$ begin
  perform set_config('request.jwt.claims', current_setting('request.jwt.claims'), false),
    set_config('statement_timeout', '10s', false), set_config('search_path', 'pg_temp', false),
    set_config('drill.spoilt', 'yes', false);
end $$;
create function public.drill_hook() returns void language sql volatile set search_path = pg_catalog, pg_temp
as $$
  select set_config('statement_timeout', '20ms', true)
  where nullif(current_setting('request.headers', true), '')::jsonb ? 'x-drill-impatient'
$$;
grant execute on function public.drill_slow(), public.drill_fail(), public.drill_spoil() to authenticated;
grant execute on function public.drill_hook() to anon, authenticated;
insert into agent.host_settings (name, value) values ('pgrst.db_pre_request', 'public.drill_hook');
notify pgrst, 'reload schema';
"""
DISTURB = """
select pid, {}(pid) from pg_stat_activity
where usename = 'authenticator' and state = 'active' and query not ilike 'listen%%' order by random() limit 1
"""
LEFT_BEHIND = """
select current_setting('request.jwt.claims', true), current_user::text, current_setting('role'),
  current_setting('drill.spoilt', true)
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
    """What a drill found. These should be 0: foreign, answers with another's data; empty, answers of a user's own rows
    that held none; unexpected, answers of another status than that kind of request has; kept, writes that should have
    been undone; carried, connections that came back with somebody's claims or role.

    looked: connections that came back and were looked at. spoilt: those a function had set for the session, on purpose.
    cancelled: statements and connections that we ended at random; disturbed: requests that failed of it.
    """

    requests: int = 0
    foreign: int = 0
    empty: int = 0
    unexpected: int = 0
    kept: int = 0
    carried: int = 0
    looked: int = 0
    spoilt: int = 0
    cancelled: int = 0
    disturbed: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return vars(self) | {"answers": dict(sorted(self.answers.items()))}

    @property
    def found(self) -> bool:
        """Whether it found what it must not."""
        wrong = self.foreign + self.empty + self.unexpected + self.kept + self.carried
        return wrong > 0 or self.disturbed > self.cancelled


def run(size: Size, *, seed: int = 1) -> Report:
    """Run one drill on a throw-away stack."""
    report = Report()
    stack = Devstack(None)
    stack.pool_size = size.pool
    with _gateway(report, isolated=size.isolated), stack, psycopg.connect(stack.database_url, autocommit=True) as owner:
        users = _scene(stack, owner, size.users)
        asyncio.run(_Crowd(size, stack, users, report).run(seed))
        report.kept = count(owner, f"select count(*) from public.clients where company like '%{UNDONE}'")
    return report


@contextmanager
def _gateway(report: Report, *, isolated: bool) -> Iterator[None]:
    """Look at every connection that comes back to the gateway's pool, before anybody else has it."""

    async def look(connection: psycopg.AsyncConnection[Any]) -> None:
        claims, user, role, spoilt = await (await connection.execute(LEFT_BEHIND)).fetchone() or ()
        if spoilt == "yes":  # the next requests must not mind; after some of them it is made good, to look again
            report.spoilt += 1
            if random.random() < 0.2:
                await connection.execute("reset all")
            return
        report.looked += 1
        report.carried += bool(claims) or (user, role) != ("authenticator", "none")

    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it tells of each connection that we end
    pool = mock.patch.object(database, "AsyncConnectionPool", partial(AsyncConnectionPool, reset=look))
    kind = app.Database if isolated else LeakingDatabase
    with pool, mock.patch.object(app, "Database", kind):
        yield


def _scene(stack: Devstack, owner: psycopg.Connection[Any], size: int) -> list[User]:
    users = []
    owner.execute(TROUBLE)
    for number in range(size):
        email = f"drill{number}@example.com"
        key = stack.create_user(email, PASSWORD, full_name=f"mark-{number}- name")
        psycopg.ClientCursor(owner).execute(SCENE, {"user": number, "id": key})
        rows = owner.execute("select id from public.clients where owner_id = %s", [key]).fetchall()
        users.append(User(number, email, [row[0] for row in rows]))
    return users


@dataclass(frozen=True)
class _Crowd:
    size: Size
    stack: Devstack
    users: list[User]
    report: Report

    async def run(self, seed: int) -> None:
        """Let everybody ask at once, each one thing after the other, while statements are cancelled at random."""
        limits = httpx.Limits(max_connections=self.size.users)
        headers = {"apikey": self.stack.publishable_key}
        async with httpx.AsyncClient(base_url=self.stack.url, headers=headers, limits=limits, timeout=30) as http:
            for user in self.users:
                await _sign_in(http, user)
            started = time.monotonic()
            disturbing = asyncio.create_task(self._disturb())
            each = self.size.requests // self.size.users
            await asyncio.gather(
                *(self._act(http, user, each, random.Random(seed + user.number)) for user in self.users)
            )
            self.report.seconds = round(time.monotonic() - started, 1)
            disturbing.cancel()
            await asyncio.gather(disturbing, return_exceptions=True)

    async def _act(self, http: httpx.AsyncClient, user: User, times: int, chance: random.Random) -> None:
        """Send so many requests of random kinds and look at every answer."""
        report = self.report
        for _ in range(times):
            other = chance.choice([someone for someone in self.users if someone is not user])
            kind = chance.choice(KINDS)
            report.requests += 1
            try:
                answer = await kind.ask(http, user, other)
            except httpx.TimeoutException:
                report.answers[f"{kind.name}: given up"] += 1
                continue
            report.answers[f"{kind.name}: {answer.status_code}"] += 1
            marks = {int(mark) for mark in MARK.findall(answer.text)}
            report.foreign += bool(marks - {user.number})
            if answer.status_code in kind.statuses:
                report.empty += kind.own and user.number not in marks
            elif answer.status_code in (500, 503) and answer.json()["code"] in ("57014", "57P01", "PGRST001"):
                report.disturbed += 1
            else:
                report.unexpected += 1

    async def _disturb(self) -> None:
        """Cancel what a connection of the gateway is doing; at every tenth time end the connection."""
        url = self.stack.database_superuser_url
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
            while True:
                for turn in range(10):
                    query = DISTURB.format("pg_terminate_backend" if turn == 9 else "pg_cancel_backend")
                    self.report.cancelled += len(await (await admin.execute(query)).fetchall())
                    await asyncio.sleep(0.1)


async def _sign_in(http: httpx.AsyncClient, user: User) -> None:
    answer = await http.post("/auth/v1/token?grant_type=password", json={"email": user.email, "password": PASSWORD})
    user.headers = {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}
