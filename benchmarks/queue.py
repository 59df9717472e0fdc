"""Our job table beside procrastinate and pgqueuer: jobs a second that are claimed and finished, doing nothing between.

One Postgres, a database for each, every commit synchronous. Each runner takes a batch, then finishes it, by the calls
that the library's own worker makes; the three take turns, and of the rounds the median counts. Ours signs a token for
each job and finishes each in a transaction of its own under that token, with a row in the books and one in the audit
log. The second table takes these away one after the other, to say what each costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import astuple, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import psycopg

from agent_service._jwt import unverified_claims
from agent_service.devstack.postgres import PostgresServer
from benchmarks._cpu import processor_seconds
from benchmarks._databases import add_person, make_database
from benchmarks._report import Report, Target

NOOP = (Path(__file__).parent / "_noop.sql").read_bytes()
USERS = 20


class Queue(Protocol):
    """One queue library in a database of its own. `runner` opens what one worker needs, on the exit stack."""

    name: str

    async def fill(self, count: int) -> None:
        """Queue so many jobs; what was there before is gone."""

    async def runner(self, stack: AsyncExitStack) -> Callable[[int], Awaitable[int]]:
        """Return what takes a batch of at most n, finishes it, and returns how many it were."""


class Ours:
    """claim_jobs as agent_worker on one session, complete_noop_job as the job's user on another, taking turns."""

    def __init__(
        self, server: PostgresServer, name: str = "ours", *changes: str, finish: bool = True, at_once: bool = False
    ) -> None:
        self.name = name
        self._finish = finish
        self._at_once = at_once
        self._dsn = make_database(server, name, migrated=True)
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(NOOP)
            for change in changes:
                connection.execute(change.encode())
            self._users = [add_person(connection, f"user{number}") for number in range(USERS)]
            key = connection.execute("select agent.mint_worker_key('benchmark', 1)").fetchone()
        self._jti = unverified_claims(key[0] if key else "")["jti"]

    async def fill(self, count: int) -> None:
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            await connection.execute("truncate agent.jobs, agent.audit_log, public.ai_interactions")
            await connection.execute(
                "insert into agent.jobs (kind, user_id, turn) "
                "select 'noop', (%s::uuid[])[1 + n %% %s], n from generate_series(1, %s) as n",
                [self._users, USERS, count],
            )
        _maintain(self._dsn, "vacuum analyze agent.jobs")

    async def runner(self, stack: AsyncExitStack) -> Callable[[int], Awaitable[int]]:
        worker, agent = [await self._session(stack, role) for role in ("agent_worker", "authenticated")]

        async def run(batch: int) -> int:
            cursor = await worker.execute(
                "select token from public.claim_jobs(array['noop'], %s, 60)", [batch], prepare=True
            )
            tokens = [token for (token,) in await cursor.fetchall()]
            if self._finish and self._at_once:
                async with agent.transaction():
                    await complete(tokens)
            elif self._finish:
                await complete(tokens)
            return len(tokens)

        async def complete(tokens: list[str]) -> None:
            for token in tokens:
                await agent.execute(
                    "select set_config('request.jwt.claims', %s, false), public.complete_noop_job()",
                    [json.dumps(unverified_claims(token))],
                    prepare=True,
                )

        return run

    async def _session(self, stack: AsyncExitStack, role: str) -> psycopg.AsyncConnection[Any]:
        connection = await stack.enter_async_context(await psycopg.AsyncConnection.connect(self._dsn, autocommit=True))
        await connection.execute("select set_config('request.jwt.claims', %s, false)",
                                 [json.dumps({"role": role, "jti": self._jti})])  # fmt: skip
        await connection.execute(f"set role {role}".encode())
        return connection


class Procrastinate:
    """fetch_job and finish_job of its job manager, which take one job at a time."""

    name = "procrastinate"

    def __init__(self, server: PostgresServer) -> None:
        self._dsn = _plain_database(server, "procrastinate")
        self._installed = False

    async def fill(self, count: int) -> None:
        async with AsyncExitStack() as stack:
            app = await self._app(stack)
            app.task(name="noop")(_nothing)
            if not self._installed:
                await app.schema_manager.apply_schema_async()
                self._installed = True
            _maintain(self._dsn, "truncate procrastinate_jobs cascade")
            for start in range(0, count, 1000):
                size = min(1000, count - start)
                await app.tasks["noop"].batch_defer_async(*({} for _ in range(size)))
        _maintain(self._dsn, "vacuum analyze procrastinate_jobs")

    async def _app(self, stack: AsyncExitStack) -> Any:  # noqa: ANN401 - a library that is not installed with us
        import procrastinate  # noqa: PLC0415 - only here, and only where `make bench` has installed it

        app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=self._dsn, min_size=1, max_size=1))
        return await stack.enter_async_context(app.open_async())

    async def runner(self, stack: AsyncExitStack) -> Callable[[int], Awaitable[int]]:
        from procrastinate.jobs import Status  # noqa: PLC0415

        manager = (await self._app(stack)).job_manager
        worker_id = await manager.register_worker()

        async def run(batch: int) -> int:
            for done in range(batch):
                job = await manager.fetch_job(None, worker_id)
                if job is None:
                    return done
                await manager.finish_job(job, Status.SUCCEEDED, delete_job=False)
            return batch

        return run


class PgQueuer:
    """dequeue and log_jobs of its queries, which take and finish a batch in one statement each."""

    name = "pgqueuer"

    def __init__(self, server: PostgresServer) -> None:
        self._dsn = _plain_database(server, "pgqueuer")
        self._installed = False

    async def _queries(self, stack: AsyncExitStack) -> Any:  # noqa: ANN401 - a library that is not installed with us
        from pgqueuer.db import PsycopgDriver  # noqa: PLC0415
        from pgqueuer.queries import Queries  # noqa: PLC0415

        connection = await stack.enter_async_context(await psycopg.AsyncConnection.connect(self._dsn, autocommit=True))
        return Queries(PsycopgDriver(connection))

    async def fill(self, count: int) -> None:
        async with AsyncExitStack() as stack:
            queries = await self._queries(stack)
            if not self._installed:
                await queries.install()
                self._installed = True
            await queries.clear_queue()
            for start in range(0, count, 1000):
                size = min(1000, count - start)
                await queries.enqueue(["noop"] * size, [None] * size, [0] * size)
        _maintain(self._dsn, "vacuum analyze pgqueuer")

    async def runner(self, stack: AsyncExitStack) -> Callable[[int], Awaitable[int]]:
        from pgqueuer.ports.repository import EntrypointExecutionParameter  # noqa: PLC0415

        queries = await self._queries(stack)
        manager_id = uuid.uuid4()
        entrypoints = {"noop": EntrypointExecutionParameter(0)}

        async def run(batch: int) -> int:
            jobs = await queries.dequeue(batch, entrypoints, manager_id, None, timedelta(seconds=60))
            await queries.log_jobs([(job, "successful", None) for job in jobs])
            return len(jobs)

        return run


async def _nothing() -> None: ...


def _maintain(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def _plain_database(server: PostgresServer, name: str) -> str:
    with psycopg.connect(server.dsn("supabase_admin"), autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
    return server.dsn("supabase_admin", name)


UNSIGNED = """
create or replace function agent.jwt_signature(p_signed text, p_kid text) returns text
language sql stable strict set search_path = pg_catalog, pg_temp as $$ select 'unsigned' $$
"""
UNAUDITED = """
create or replace function agent.append_audit(
  p_action text, p_entity text, p_entity_id uuid, p_client_id uuid, p_job_id uuid default null,
  p_details jsonb default '{}'
) returns void language sql volatile set search_path = pg_catalog, pg_temp as $$ $$
"""
UNBOOKED = """
create or replace function agent.book_attempt(
  p_job agent.jobs, p_provider text, p_model text, p_outcome text, p_usage jsonb
) returns void language sql volatile set search_path = pg_catalog, pg_temp as $$ $$
"""


@dataclass(frozen=True)
class Speed:
    """Jobs a second, and milliseconds of processor time a job of this process and of Postgres."""

    rate: float
    client: float
    postgres: float

    @classmethod
    def median(cls, rounds: Sequence[Speed]) -> Speed:
        """Of each figure the median."""
        return cls(*(statistics.median(figures) for figures in zip(*map(astuple, rounds), strict=True)))


async def measure(queue: Queue, *, runners: int, batch: int, count: int) -> Speed:
    """Let `runners` runners take and finish `count` queued jobs; a tenth of them before warms up."""
    await queue.fill(count + count // 10)
    async with AsyncExitStack() as stack:
        runs = [await queue.runner(stack) for _ in range(runners)]
        await _drain(runs, batch, count // 10)
        before, started = processor_seconds(), time.perf_counter()
        done = await _drain(runs, batch, count)
        seconds = time.perf_counter() - started
        client, postgres = (
            (after - earlier) / done * 1000 for after, earlier in zip(processor_seconds(), before, strict=True)
        )
    return Speed(done / seconds, client, postgres)


async def _drain(runs: list[Callable[[int], Awaitable[int]]], batch: int, count: int) -> int:
    left = count

    async def work(run: Callable[[int], Awaitable[int]]) -> int:
        nonlocal left
        done = 0
        while (size := min(batch, left)) > 0:
            left -= size
            if (taken := await run(size)) == 0:
                break
            done += taken
        return done

    return sum(await asyncio.gather(*(work(run) for run in runs)))


async def run(*, quick: bool) -> list[Report]:
    """Measure; at most 30 s if `quick`."""
    with PostgresServer(None, durable=True) as server:
        logging.getLogger("procrastinate").setLevel(logging.ERROR)  # it warns of tasks that are made in a main module
        return [await compare(server, quick=quick), await take_apart(server, quick=quick)]


async def compare(server: PostgresServer, *, quick: bool) -> Report:
    """The three beside each other."""
    report = Report("Queue: jobs a second claimed and finished; milliseconds of processor time a job")
    peers = [Ours(server), Procrastinate(server), PgQueuer(server)]
    for batch, runners in ((1, 1), (1, 4), (50, 1), (50, 4)):
        speeds = await in_turns(peers, runners=runners, batch=batch, quick=quick)
        for name, speed in speeds.items():
            report.rows.append(
                {
                    "queue": name,
                    "batch": batch,
                    "connections": runners,
                    "jobs/s": speed.rate,
                    "client CPU": speed.client,
                    "Postgres CPU": speed.postgres,
                }
            )
        if batch == 1:
            better = max(speed.rate for name, speed in speeds.items() if name != "ours")
            ratio = speeds["ours"].rate / better
            report.targets.append(Target(f"batch 1, connections {runners}: ours / better peer", ratio, at_least=1.0))
    return report


async def take_apart(server: PostgresServer, *, quick: bool) -> Report:
    """Ours with less and less of what it does, on one connection."""
    parts = [
        Ours(server, "all of it"),
        Ours(server, "claimed only", finish=False),
        Ours(server, "claimed only, tokens not signed", UNSIGNED, finish=False),
        Ours(server, "tokens not signed", UNSIGNED),
        Ours(server, "… and closing not audited", UNSIGNED, UNAUDITED),
        Ours(server, "… and not booked", UNSIGNED, UNAUDITED, UNBOOKED),
        Ours(server, "… and a batch closed at once", UNSIGNED, UNAUDITED, UNBOOKED, at_once=True),
    ]
    report = Report("Where ours goes: milliseconds a job on one connection, of it processor time of Postgres")
    one, fifty = [await in_turns(parts, runners=1, batch=batch, quick=quick) for batch in (1, 50)]
    for part in parts:
        row: dict[str, Any] = {"what": part.name}
        for batch, speed in (("1", one[part.name]), ("50", fifty[part.name])):
            row |= {f"batch {batch}": 1000 / speed.rate, f"batch {batch}, CPU": speed.postgres}
        report.rows.append(row)
    return report


async def in_turns(queues: Sequence[Queue], *, runners: int, batch: int, quick: bool) -> dict[str, Speed]:
    """The speed of each, over rounds in which each has its turn."""
    count = (100 if quick else 300) * (1 if batch == 1 else 5)
    speeds: dict[str, list[Speed]] = {queue.name: [] for queue in queues}
    for _ in range(1 if quick else 7):
        for queue in queues:
            speeds[queue.name].append(await measure(queue, runners=runners, batch=batch, count=count))
    return {name: Speed.median(rounds) for name, rounds in speeds.items()}


def main() -> None:
    """Print the reports."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer jobs, under 30 s")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    for report in asyncio.run(run(quick=options.quick)):
        report.show(as_json=options.json)


if __name__ == "__main__":
    main()
