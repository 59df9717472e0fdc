"""Mails sent by workers that are killed at random: what is lost, what is sent twice, what nobody is told about?"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.context import ForkServerProcess

import psycopg
from pydantic import SecretStr

from agent_service.devstack.stack import Devstack
from agent_service.jobs import Jobs
from agent_service.logging import configure_logging
from agent_service.mail import send_handler, server_of
from agent_service.supabase import Supabase
from tests.drills.figures import count
from tests.mail_server import MailServerDouble
from tests.mails import end_hold, queue, set_up_mail
from tests.world import make_world
from workers.runner import Runner, RunnerOptions

LEASE_SECONDS = 10
AT_ONCE = 4
# The control: an attempt that is not on record before the server is asked, so that a claim after a death begins anew.
FORGETFUL = """
create function agent.tg_forget() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update public.ai_sends set state = 'queued' where job_id = new.id and state = 'begun';
  return null;
end
$$;
create trigger forget after update on agent.jobs for each row
when (old.fence is distinct from new.fence) execute function agent.tg_forget();
"""


@dataclass(frozen=True)
class Size:
    """mails to send, workers to kill meanwhile. server_seconds: how long the mail server takes to answer.

    on_record: False forgets that an attempt had begun.
    """

    mails: int
    kills: int
    workers: int = 3
    server_seconds: float = 0.4
    on_record: bool = True


@dataclass
class Report:
    """sent, unknown and refused are what people are told; accepted what the server took.

    lost: told as sent and not taken, or told nothing at all. doubled: taken more than once. hidden: taken, and told as
    neither sent nor unknown. unknown_taken: of the unknown ones, those that had left.
    """

    mails: int = 0
    kills: int = 0
    sent: int = 0
    unknown: int = 0
    refused: int = 0
    accepted: int = 0
    unknown_taken: int = 0
    lost: int = 0
    doubled: int = 0
    hidden: int = 0
    stuck: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    @property
    def found(self) -> bool:
        """Whether it found what it must not."""
        return self.lost + self.doubled + self.hidden + self.stuck + self.refused > 0


def run(size: Size, *, seed: int = 1) -> Report:
    """Run one drill on a throw-away stack and a mail server on loopback."""
    random.seed(seed)
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # connections that break are what this is about
    server = MailServerDouble(seconds=size.server_seconds)
    with Devstack(None) as stack, psycopg.connect(stack.database_url, autocommit=True) as database, server:
        if not size.on_record:
            database.execute(FORGETFUL)
        return _drill(size, stack, database, server)


def _drill(
    size: Size, stack: Devstack, database: psycopg.Connection[tuple[object, ...]], server: MailServerDouble
) -> Report:
    started = time.monotonic()
    _queue_mails(database, size.mails)
    report = Report(mails=size.mails)
    arguments = (stack.url, stack.publishable_key, stack.worker_key(), server.url())
    crew = _Crew(size.workers, arguments)
    try:
        _wait(lambda: bool(server.accepted), 30)  # or the first would be killed while they are still starting
        while report.kills < size.kills:
            time.sleep(random.uniform(0.05, 0.4))
            crew.kill_one()
            report.kills += 1
        _wait(lambda: not _open(database), 3 * LEASE_SECONDS + size.mails * size.server_seconds)
        report.stuck = _open(database)
    finally:
        crew.end()
    _look(database, server, report)
    report.seconds = round(time.monotonic() - started, 1)
    return report


def _queue_mails(database: psycopg.Connection[tuple[object, ...]], mails: int) -> None:
    world = make_world(database)
    set_up_mail(world)
    database.execute(
        "update public.ai_settings set open_jobs_per_user = 1000, daily_jobs_per_user = 10000, "
        "drafts_per_minute = 1000, daily_sends_per_user = 10000"
    )
    for number in range(mails):
        deal = world.value(
            "insert into public.deals (client_id, title) values (%s, %s) returning id", world.clients["Acme"], number
        )
        queue(world, p_deal_id=deal)
        database.execute("update agent.jobs set due_at = now() + interval '1 hour' where state = 'queued'")
    # Kills are at random: a job may meet more of them than a real one's five attempts allow for.
    database.execute("update agent.jobs set max_attempts = 1000 where kind = 'send'")
    end_hold(world)


def _wait(until: Callable[[], bool], seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    while not until() and time.monotonic() < ends_at:
        time.sleep(0.05)


def _open(database: psycopg.Connection[tuple[object, ...]]) -> int:
    return count(database, "select count(*) from public.ai_sends where state in ('queued', 'begun')")


def _look(database: psycopg.Connection[tuple[object, ...]], server: MailServerDouble, report: Report) -> None:
    taken = Counter(str(message["Message-ID"]).strip(" <").partition(".")[0] for message in server.accepted)
    rows = database.execute("select draft_id::text, state from public.ai_sends").fetchall()
    told = Counter(str(state) for _, state in rows)
    report.sent, report.unknown, report.refused = told["sent"], told["unknown"], told["refused"]
    report.accepted = len(server.accepted)
    report.unknown_taken = sum(state == "unknown" and taken[str(draft)] > 0 for draft, state in rows)
    report.lost = sum(state == "sent" and not taken[str(draft)] for draft, state in rows) + report.mails - len(rows)
    report.doubled = sum(times > 1 for times in taken.values())
    report.hidden = sum(state not in {"sent", "unknown"} and taken[str(draft)] > 0 for draft, state in rows)


class _Crew:
    """Workers that are kept complete: whoever is killed is replaced."""

    def __init__(self, workers: int, arguments: tuple[str, ...]) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.drills.sending"])
        self._arguments = arguments
        self._crew = [self._hire() for _ in range(workers)]

    def kill_one(self) -> None:
        place = random.randrange(len(self._crew))
        self._crew[place].kill()
        self._crew[place].join()
        self._crew[place] = self._hire()

    def end(self) -> None:
        for process in self._crew:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.join()

    def _hire(self) -> ForkServerProcess:
        process = self._context.Process(target=work, args=self._arguments, daemon=True)
        process.start()
        return process


def work(url: str, publishable_key: str, worker_key: str, smtp_url: str) -> None:
    """One worker, until it is killed."""
    configure_logging(level=logging.CRITICAL)

    async def main() -> None:
        async with Supabase(url, SecretStr(publishable_key)) as supabase:
            jobs = Jobs(supabase, SecretStr(worker_key))
            handler = send_handler(jobs, server_of(SecretStr(smtp_url)))
            options = RunnerOptions(concurrency=AT_ONCE, lease_seconds=LEASE_SECONDS, poll_max=0.5)
            await Runner(jobs, {"send": handler}, options).run()

    asyncio.run(main())
