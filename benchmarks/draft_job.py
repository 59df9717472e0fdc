"""The whole draft job through the gateway: jobs a second, and where the time of one goes.

The real worker in a process of its own, with the offline writer: claim, context, write, complete over HTTP. Postgres
commits synchronously. What a call takes is seen by the worker; how much of it our functions took is what Postgres
counted for them (track_functions); the rest is the gateway, the way there and the commit. The local gateway is in
Python; PostgREST, in its place on Supabase, is not. CPU is by process: worker, gateway, Postgres.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import multiprocessing
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from agent_service.context import ClientContext
from agent_service.crm_data.generating import Size, generate
from agent_service.devstack.stack import Devstack
from agent_service.drafts import draft_handler
from agent_service.jobs import Job, Jobs
from agent_service.llm.offline import OfflineProvider, OfflineWriter
from agent_service.llm.protocol import DraftBrief, DraftText
from agent_service.logging import configure_logging
from agent_service.supabase import Supabase
from agent_service.writing import Providers
from benchmarks._cpu import processor_seconds
from benchmarks._databases import act_as
from benchmarks._report import Latency, Report
from workers.runner import Runner, RunnerOptions

PASSWORD = "only-for-benchmarks"  # noqa: S105 - of a stack that is thrown away
KINDS = list(itertools.product(("email", "note", "task", "memo"), ("follow_up", "check_in", "deal_update", "custom")))
# What each step calls; writing calls nothing.
FUNCTIONS = {"claim": "claim_jobs", "context": "get_client_context", "complete": "complete_draft_job"}


@dataclass
class Work:
    """What a worker did. seconds: how long each call of a step took; cpu: the processor time of its process."""

    seconds: float = 0.0
    cpu: float = 0.0
    steps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def timed(self, step: str, doing: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever it answers
        """Wait for it and note how long it took."""
        started = time.perf_counter()
        try:
            return await doing
        finally:
            self.steps[step].append(time.perf_counter() - started)


class TimedJobs(Jobs):
    """The worker's calls, each timed."""

    def __init__(self, supabase: Supabase, worker_key: SecretStr, work: Work) -> None:
        super().__init__(supabase, worker_key)
        self._work = work

    async def claim(self, kinds: Sequence[str], *, limit: int, lease_seconds: int) -> list[Job]:
        asked: list[Job] = await self._work.timed(
            "claim", super().claim(kinds, limit=limit, lease_seconds=lease_seconds)
        )
        return asked

    async def context(
        self, token: SecretStr, client_id: uuid.UUID, *, days: int
    ) -> tuple[ClientContext, dict[str, Any]]:
        read: tuple[ClientContext, dict[str, Any]] = await self._work.timed(
            "context", super().context(token, client_id, days=days)
        )
        return read

    async def complete_draft(
        self, token: SecretStr, text: DraftText, *, snapshot: Mapping[str, Any], usage: Mapping[str, Any]
    ) -> uuid.UUID:
        draft: uuid.UUID = await self._work.timed(
            "complete", super().complete_draft(token, text, snapshot=snapshot, usage=usage)
        )
        return draft


class TimedWriter:
    """The offline writer, timed."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._writer = OfflineWriter()

    async def write(self, brief: DraftBrief, /) -> DraftText:
        text: DraftText = await self._work.timed("write", self._writer.write(brief))
        return text


def work_until_empty(env: Mapping[str, str], concurrency: int) -> Work:
    """Be one worker until nothing is due. The entry point of a process of its own."""
    configure_logging(level=logging.ERROR)
    return asyncio.run(_work_until_empty(env, concurrency))


async def _work_until_empty(env: Mapping[str, str], concurrency: int) -> Work:
    work = Work()
    async with Supabase(env["SUPABASE_URL"], SecretStr(env["SUPABASE_PUBLISHABLE_KEY"])) as supabase:
        jobs = TimedJobs(supabase, SecretStr(env["AGENT_WORKER_KEY"]), work)
        runner = Runner(
            jobs,
            {"draft": draft_handler(jobs, Providers(OfflineProvider(TimedWriter(work))))},
            RunnerOptions(concurrency=concurrency, once=True),
        )
        started, cpu = time.perf_counter(), time.process_time()
        summary = await runner.run()
        work.seconds, work.cpu = time.perf_counter() - started, time.process_time() - cpu
    assert set(summary.ended) == {"done"}, summary
    work.steps = dict(work.steps)
    return work


def run(*, quick: bool) -> list[Report]:
    """Measure; at most 30 s if `quick`."""
    count = 96 if quick else 800
    through = Report("Draft job through the gateway: jobs a second, milliseconds a job")
    steps = Report("Where the time of a draft job goes: milliseconds a call, one job at a time and four")
    with tempfile.TemporaryDirectory() as folder, Devstack(Path(folder)) as stack, _other_process() as worker:
        owner = _prepare(stack, clients=3 * count // len(KINDS) + 3)
        env = stack.env()
        with psycopg.connect(stack.database_superuser_url, autocommit=True) as database:
            _ask(stack, owner, count // 4)
            worker.submit(work_until_empty, env, 4).result()  # warms everybody up
            for concurrency in (1, 4):
                _ask(stack, owner, count)
                database.execute("select pg_stat_reset()")
                before = processor_seconds()
                work = worker.submit(work_until_empty, env, concurrency).result()
                gateway, postgres = (
                    after - earlier for after, earlier in zip(processor_seconds(), before, strict=True)
                )
                through.rows.append({
                    "at a time": concurrency, "jobs": count, "jobs/s": count / work.seconds,
                    "ms a job": work.seconds / count * 1000, "worker CPU": work.cpu / count * 1000,
                    "gateway CPU": gateway / count * 1000, "Postgres CPU": postgres / count * 1000,
                })  # fmt: skip
                steps.rows += _steps(concurrency, work, database)
    return [through, steps]


def _other_process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _prepare(stack: Devstack, *, clients: int) -> uuid.UUID:
    """A CRM, no caps on requests, counting of functions; returns who owns most of its clients."""
    generate(stack.database_url, Size(clients=clients, owners=1, activities_per_client=20), password=PASSWORD)
    with psycopg.connect(stack.database_superuser_url, autocommit=True) as database:
        database.execute("alter system set track_functions = 'all'")
        database.execute("select pg_reload_conf()")
        database.execute(
            "update public.ai_settings "
            "set open_jobs_per_user = 1000, daily_jobs_per_user = 100000, drafts_per_minute = 1000"
        )
        database.execute("vacuum analyze")
        row = database.execute(
            "select owner_id from public.clients where owner_id is not null group by 1 order by count(*) desc limit 1"
        ).fetchone()
    assert row is not None
    owner: uuid.UUID = row[0]
    return owner


def _ask(stack: Devstack, owner: uuid.UUID, count: int) -> None:
    """Ask for `count` drafts that nobody has asked for yet, as their owner."""
    with psycopg.connect(stack.database_superuser_url, autocommit=True) as database:
        # A thousand may be asked for in a minute.
        database.execute("update public.ai_draft_requests set created_at = created_at - interval '2 minutes'")
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        clients = [
            row[0]
            for row in database.execute(
                "select id from public.clients as c where owner_id = %s and not exists "
                "(select from public.ai_draft_requests as r where r.client_id = c.id) order by id",
                [owner],
            )
        ]
        act_as(database, "authenticated", sub=owner)
        wanted = list(itertools.islice(itertools.product(clients, KINDS), count))
        assert len(wanted) == count
        for client, (draft_type, purpose) in wanted:
            database.execute("select public.request_draft(%s, %s, %s)", [client, draft_type, purpose])


def _steps(concurrency: int, work: Work, database: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    counted = dict(
        database.execute(
            "select funcname, total_time / calls from pg_stat_user_functions "
            "where calls > 0 and (schemaname = 'public' or funcname = 'check_request')"
        ).fetchall()
    )
    rows = []
    for step in ("claim", "context", "write", "complete"):
        seen = Latency.of(work.steps[step])
        mean = sum(work.steps[step]) / seen.count * 1000
        function = FUNCTIONS.get(step)
        in_sql = counted[function] if function else 0.0
        hook = counted["check_request"] if function else 0.0
        rows.append({
            "step": step, "at a time": concurrency, "calls": seen.count, "p50": seen.p50, "p99": seen.p99, "mean": mean,
            "function": in_sql, "request hook": hook, "gateway, way, commit": mean - in_sql - hook if function else "",
        })  # fmt: skip
    return rows


def main() -> None:
    """Print the reports."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer jobs, under 30 s")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    for report in run(quick=options.quick):
        report.show(as_json=options.json)


if __name__ == "__main__":
    main()
