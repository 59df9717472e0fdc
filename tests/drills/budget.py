"""Many workers reserve money at once from a budget that admits a few: how many get it, and is it ever exceeded?"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from agent_service.devstack.stack import Devstack
from tests.world import World, make_world

UNGUARDED = (Path(__file__).parent / "unguarded_budget.sql").read_text()
EACH = Decimal("0.015")  # 2,000 tokens written to the cache and 1,000 of output, of claude-sonnet-5-5
HELD = """
select max(l.spent_usd + l.reserved_usd), (
  select coalesce(sum(case when settled_at is null then reserved_usd else cost_usd end), 0) from public.ai_interactions
)
from agent.ledger as l where l.scope = 'user' and l.period = 'day'
"""


@dataclass(frozen=True)
class Size:
    """How large a drill is. admits: so many reservations fit. guarded: False looks first and writes after."""

    reservations: int
    connections: int = 50
    admits: int = 10
    guarded: bool = True


@dataclass
class Report:
    """What a drill found. most_held: of all looks at the ledger, the most that was spent or set aside; limit: the
    budget; apart: whether the ledger and the attempts' own sums ever differed at the end.
    """

    reservations: int = 0
    admitted: int = 0
    admits: int = 0
    looks: int = 0
    most_held: Decimal = Decimal(0)
    limit: Decimal = Decimal(0)
    apart: bool = False
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(self).items()}

    @property
    def found(self) -> bool:
        """Whether it found what it must not."""
        return self.admitted != self.admits or self.most_held > self.limit or self.apart


def run(size: Size) -> Report:
    """Run one drill on a throw-away stack."""
    report = Report(reservations=size.reservations, admits=size.admits, limit=EACH * size.admits)
    with Devstack(None) as stack, psycopg.connect(stack.database_url, autocommit=True) as owner:
        world = make_world(owner)
        if not size.guarded:
            owner.execute(UNGUARDED.encode())
        owner.execute(
            "update public.ai_settings "
            "set open_jobs_per_user = 1000, daily_jobs_per_user = 10000, drafts_per_minute = 1000"
        )
        owner.execute("delete from public.ai_budgets")
        owner.execute(
            "insert into public.ai_budgets (scope, period, limit_usd) values ('user', 'day', %s)", [report.limit]
        )
        world.ask("ada", "Acme", size.reservations)
        jobs = [job for _ in range(-(-size.reservations // 50)) for job in world.claim(limit=50, lease=300)]
        _reserve_all(stack.database_url, world, jobs, size, report)
        row = owner.execute(HELD).fetchone()
        report.apart = row is None or row[0] != row[1]
    return report


def _reserve_all(url: str, world: World, jobs: list[dict[str, Any]], size: Size, report: Report) -> None:
    started, ended = time.monotonic(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(url, ended, report))
    watcher.start()
    gate = threading.Barrier(size.connections, timeout=60)

    def work(number: int) -> int:
        with psycopg.connect(url, autocommit=True) as connection:
            own = replace(world, conn=connection)
            gate.wait()
            return sum(_reserve(own, job) for job in jobs[number :: size.connections])

    with ThreadPoolExecutor(size.connections) as pool:
        report.admitted = sum(pool.map(work, range(size.connections)))
    ended.set()
    watcher.join()
    report.seconds = round(time.monotonic() - started, 1)


def _reserve(world: World, job: dict[str, Any]) -> int:
    try:
        world.worker.rpc(
            "reserve_budget", p_job_token=job["token"], p_provider="anthropic", p_model="claude-sonnet-5-5",
            p_input_tokens=2000, p_output_tokens=1000,
        )  # fmt: skip
    except psycopg.Error as error:
        if not (error.diag.message_detail or "").startswith("budget_exhausted"):
            raise
        return 0
    return 1


def _watch(url: str, ended: threading.Event, report: Report) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        while not ended.is_set():
            row = connection.execute(HELD).fetchone()
            report.looks += 1
            report.most_held = max(report.most_held, (row and row[0]) or Decimal(0))
