"""Workers killed at random, and workers that come back after their lease: what is lost, doubled, stuck?"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import random
import time
from dataclasses import asdict, dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psycopg
from pydantic import SecretStr

from agent_service.devstack.stack import Devstack
from agent_service.errors import AgentError
from agent_service.jobs import DraftPayload, Job, Jobs
from agent_service.llm.offline import OfflineWriter
from agent_service.llm.protocol import DraftBrief
from agent_service.supabase import Supabase
from tests.double import Double, Pace
from tests.drills import slow_worker
from tests.drills.figures import count, doubled

PASSWORD = "only-for-drills"
TYPES = ("email", "note", "task", "memo")
SUBJECTS = list(itertools.product(TYPES, ("follow_up", "check_in", "deal_update", "custom")))
UNFENCED = (Path(__file__).parent / "unfenced.sql").read_text()


APART = """
select count(*)
from agent.ledger as l
cross join lateral (
  select
    coalesce(sum(i.cost_usd) filter (where i.settled_at is not null), 0) as spent,
    coalesce(sum(i.reserved_usd) filter (where i.settled_at is null), 0) as reserved
  from public.ai_interactions as i
  where (l.scope = 'organisation' or i.user_id = l.user_id)
    and date_trunc(l.period, i.spent_on)::date = l.starts_on
) as a
where (l.spent_usd, l.reserved_usd) is distinct from (a.spent, a.reserved)
"""


@dataclass(frozen=True)
class Size:
    """How large a drill is. zombies: jobs claimed by workers that return only after their lease has ended.

    write_seconds: the offline writer's at most, a model's always. model: a server that speaks the Messages API writes,
    and every attempt is paid for; False: the offline writer does.
    """

    jobs: int
    kills: int
    zombies: int
    workers: int = 3
    lease_seconds: int = 10
    write_seconds: float = 1.5
    fenced: bool = True
    model: bool = True


@dataclass
class Report:
    """What a drill found. lost, doubled, stuck should be 0; seconds is how long it took.

    attempts: of a model. unsettled: of those, with money still set aside. apart: looks at the books during and after
    the drill at which a ledger's row was not the sum of its attempts to the last digit.
    """

    jobs: int = 0
    kills: int = 0
    done: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    reclaimed: int = 0
    zombie_answers: dict[str, int] = field(default_factory=dict)
    attempts: int = 0
    unsettled: int = 0
    looks: int = 0
    apart: int = 0
    spent_usd: str = "0"
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    @property
    def found(self) -> bool:
        """Whether it found what it must not."""
        return self.lost + self.doubled + self.stuck + self.unsettled + self.apart > 0


def run(size: Size, *, seed: int = 1) -> Report:
    """Run one crash drill on a throw-away stack."""
    random.seed(seed)
    with Devstack(None) as stack, psycopg.connect(stack.database_url, autocommit=True) as database:
        if not size.fenced:
            database.execute(UNFENCED)
        if not size.model:
            return asyncio.run(_drill(size, stack, database, None))
        with Double() as double:
            double.pace = Pace.lasting(size.write_seconds)
            return asyncio.run(_drill(size, stack, database, double.url))


async def _drill(
    size: Size, stack: Devstack, database: psycopg.Connection[tuple[object, ...]], model_url: str | None
) -> Report:
    started = time.monotonic()
    report = Report(jobs=size.jobs)
    env = stack.env()
    database.execute(
        "update public.ai_settings set open_jobs_per_user = 1000, daily_jobs_per_user = 10000, drafts_per_minute = 1000"
    )
    database.execute("delete from public.ai_budgets")  # what is spent is counted all the same
    async with Supabase(stack.url, SecretStr(stack.publishable_key)) as supabase:
        jobs = Jobs(supabase, SecretStr(env["AGENT_WORKER_KEY"]))
        await asyncio.to_thread(_ask, stack, database, size.jobs)
        # Kills are at random: a job may meet more of them than a real one's five attempts allow for.
        database.execute("update agent.jobs set max_attempts = 1000")
        claimed = await jobs.claim(["draft"], limit=size.zombies, lease_seconds=size.lease_seconds)
        zombies = [asyncio.create_task(_come_back_late(jobs, job, size, report)) for job in claimed]
        with _Workers(size, stack.url, stack.publishable_key, env["AGENT_WORKER_KEY"], model_url) as workers:
            while report.kills < size.kills:
                await asyncio.sleep(random.uniform(0.05, 0.6))
                workers.kill_one()
                report.kills += 1
                _look_at_books(database, report)
            await asyncio.gather(*zombies)
            # Nothing is killed any more: all must end within a lease, a poll and twice the time to write what is left.
            left = count(database, "select count(*) from agent.jobs where state in ('queued', 'running')")
            writing = left * size.write_seconds / (size.workers * slow_worker.AT_ONCE)
            patience = size.lease_seconds + slow_worker.POLL_SECONDS + 2 * writing + 5
            ends_at = time.monotonic() + patience
            while time.monotonic() < ends_at:
                report.stuck = count(database, "select count(*) from agent.jobs where state in ('queued', 'running')")
                if not report.stuck:
                    break
                await asyncio.sleep(0.2)
                _look_at_books(database, report)
    _look(database, report)
    report.seconds = round(time.monotonic() - started, 1)
    return report


def _ask(stack: Devstack, database: psycopg.Connection[tuple[object, ...]], count: int) -> None:
    """Ask for `count` drafts as people do: signed in, over HTTP."""
    import supabase as official  # noqa: PLC0415 - slow, and only here

    per_user = 4 * len(SUBJECTS)
    made = 0
    for number in range(-(-count // per_user)):
        email = f"drill{number}@example.com"
        owner = stack.create_user(email, PASSWORD, full_name=f"Drill {number}")
        made_clients = database.execute(
            "insert into public.clients (name, owner_id) select 'Client ' || n, %s from generate_series(1, 4) as n "
            "returning id",
            (owner,),
        )
        client_ids = [row[0] for row in made_clients]
        user = official.create_client(stack.url, stack.publishable_key)
        user.auth.sign_in_with_password({"email": email, "password": PASSWORD})
        for client_id, (draft_type, purpose) in itertools.product(client_ids, SUBJECTS):
            if made == count:
                return
            user.rpc(
                "request_draft", {"p_client_id": str(client_id), "p_draft_type": draft_type, "p_purpose": purpose}
            ).execute()
            made += 1


async def _come_back_late(jobs: Jobs, job: Job, size: Size, report: Report) -> None:
    """A worker that was stopped in the middle: it has read and written, its lease has gone, and now it hands in."""
    assert job.client_id is not None
    context, snapshot = await jobs.context(job.token, job.client_id, days=30)
    payload = DraftPayload.model_validate(job.payload)
    brief = DraftBrief(draft_type=payload.draft_type, purpose=payload.purpose, language="en", context=context)
    text = await OfflineWriter().write(brief)
    if size.model and job.model:
        await jobs.reserve(job.token, provider="anthropic", model=job.model, input_tokens=3000, output_tokens=1024)
    # Until another worker has the job; within the 30 s that PostgREST grants past exp, so that only the fence is left.
    await asyncio.sleep(size.lease_seconds + 8)
    try:
        await jobs.complete_draft(job.token, text, snapshot=snapshot, usage={})
    except AgentError as error:
        answer = error.detail_code or error.code or type(error).__name__
    else:
        answer = "written"
    report.zombie_answers[answer] = report.zombie_answers.get(answer, 0) + 1


class _Workers:
    """A crew that is kept complete: whoever is killed is replaced."""

    def __init__(self, size: Size, url: str, publishable_key: str, worker_key: str, model_url: str | None) -> None:
        # A fork server: a fresh interpreter with everything imported, from which a worker starts in milliseconds.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.drills.slow_worker"])
        self._arguments = (url, publishable_key, worker_key)
        self._options = {
            "lease_seconds": size.lease_seconds,
            "write_seconds": size.write_seconds,
            "model_url": model_url,
        }
        self._count = size.workers
        self._crew: list[ForkServerProcess] = []

    def __enter__(self) -> _Workers:
        self._crew = [self._hire() for _ in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._crew:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.join()

    def kill_one(self) -> None:
        place = random.randrange(len(self._crew))
        self._crew[place].kill()
        self._crew[place].join()
        self._crew[place] = self._hire()

    def _hire(self) -> ForkServerProcess:
        process = self._context.Process(target=slow_worker.run, args=self._arguments, kwargs=self._options, daemon=True)
        process.start()
        return process


def _look(database: psycopg.Connection[tuple[object, ...]], report: Report) -> None:
    report.done = count(database, "select count(*) from public.ai_draft_requests where state = 'done'")
    report.lost = report.jobs - count(database, "select count(distinct request_id) from public.ai_drafts")
    report.doubled = doubled(database)
    _look_at_books(database, report)
    paid = "from public.ai_interactions where provider not in ('offline', 'none')"
    report.attempts = count(database, f"select count(*) {paid}")
    report.unsettled = count(database, f"select count(*) {paid} and settled_at is null")
    row = database.execute("select sum(spent_usd) from agent.ledger where scope = 'user' and period = 'day'").fetchone()
    report.spent_usd = str(row[0]) if row else "0"
    report.reclaimed = count(database, "select coalesce(sum(attempts - 1), 0) from agent.jobs")


def _look_at_books(database: psycopg.Connection[tuple[object, ...]], report: Report) -> None:
    """One statement, so one moment: workers are in the middle of everything."""
    report.looks += 1
    report.apart += count(database, APART)
