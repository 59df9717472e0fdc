"""What row-level security costs: the same reads under it, and as the tables' owner with the condition written out.

The pairs are read in turn, prepared, over a direct connection. "ours": with our restrictive policies beside the CRM's
own; "bare": the same CRM without us. Both under the same user, so that their difference is what our guards cost.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from contextlib import ExitStack
from typing import Any

import psycopg
from rich.console import Console
from rich.progress import Progress

from agent_service.crm_data.generating import TABLES, Size, generate
from agent_service.devstack.postgres import PostgresServer
from benchmarks._databases import act_as, make_database
from benchmarks._report import Report, Target

# What a CRM's pages read. {} is what the policies come to for somebody who is no admin.
OWNED = "owner_id = %(user)s"
OF_OWNED = "exists (select from public.clients as c where c.id = x.client_id and c.owner_id = %(user)s)"
READS = {
    "page of clients": (
        "select id, name, owner_id from public.clients as x where {} order by name limit 50", OWNED,
    ),
    "one client": ("select * from public.clients as x where id = %(client)s and {}", OWNED),
    "its activities": (
        "select * from public.activities as x where client_id = %(client)s and {} order by occurred_at desc limit 50",
        OF_OWNED,
    ),
    "its open deals": (
        "select * from public.deals as x where client_id = %(client)s and stage not in ('won', 'lost') and {}",
        f"(owner_id = %(user)s or {OF_OWNED})",
    ),
    "its tasks": ("select * from public.tasks as x where client_id = %(client)s and status = 'open' and {}", OF_OWNED),
    "get_client_context": ("select public.get_client_context(%(client)s) where {}", "true"),
    "pipeline by stage": (
        "select stage, count(*), sum(amount) from public.deals as x where {} group by stage",
        f"(owner_id = %(user)s or {OF_OWNED})",
    ),
    "own overdue tasks": (
        "select * from public.tasks as x where assigned_to = %(user)s and status = 'open' and due_at < now() and {}",
        OF_OWNED,
    ),
}  # fmt: skip


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="1,000 clients, under 30 s")
    parser.add_argument("--explain", action="store_true", help="print the plans of what misses its target")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    run(quick=options.quick, explain=options.explain).show(as_json=options.json)


def run(*, quick: bool, explain: bool = False) -> Report:
    """Measure all reads."""
    clients, rounds = (1_000, 100) if quick else (20_000, 500)
    report = Report(f"Row-level security at {clients:,} clients: milliseconds at p50")
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(None))
        sessions = _prepare(server, stack, clients)
        for name, (statement, condition) in READS.items():
            row = _compare(name, (statement, condition), sessions, rounds)
            report.rows.append(row)
            report.targets.append(Target(f"{name}, under RLS / as the owner", row["ratio"], at_most=1.2))
            if explain and not report.targets[-1].met:
                report.notes += _plans(statement, condition, sessions)
    return report


class Sessions:
    """One user's sessions on the CRM with us and without, and the owner's; and that user's clients."""

    def __init__(self, stack: ExitStack, ours: str, bare: str) -> None:
        self.owner, self.user, self.bare = (
            stack.enter_context(psycopg.connect(dsn, autocommit=True)) for dsn in (ours, ours, bare)
        )
        row = self.owner.execute(
            "select owner_id, array_agg(id) from public.clients where owner_id is not null group by owner_id "
            "order by count(*), owner_id offset (select count(distinct owner_id) / 2 from public.clients) limit 1"
        ).fetchone()
        assert row is not None
        self.user_id, self.clients = row
        for connection, role in ((self.user, "authenticated"), (self.bare, "authenticated"), (self.owner, "postgres")):
            act_as(connection, role, sub=self.user_id)


def _prepare(server: PostgresServer, stack: ExitStack, clients: int) -> Sessions:
    dsns = [make_database(server, name, migrated=name == "ours") for name in ("ours", "bare")]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(f"making {clients:,} clients, twice", total=2 * clients * len(TABLES))
        for dsn in dsns:
            size = Size(clients=clients, activities_per_client=20, activity_days=30)
            generate(dsn, size, on_progress=lambda _, made: progress.advance(bar, made))
    return Sessions(stack, *dsns)


def _compare(name: str, read: tuple[str, str], sessions: Sessions, rounds: int) -> dict[str, Any]:
    statement, condition = read
    chosen = random.Random(1)
    plain = statement.format("true")
    reads = {
        "owner": (sessions.owner, statement.format(condition)),
        "rls": (sessions.user, plain),
    }
    if "get_client_context" not in plain:
        reads["bare"] = sessions.bare, plain
    took: dict[str, list[float]] = {who: [] for who in reads}
    for number in range(-rounds // 10, rounds):  # the negative ones warm up
        values = {"user": sessions.user_id, "client": chosen.choice(sessions.clients)}
        counts = set()
        for who, (connection, query) in reads.items():
            started = time.perf_counter()
            rows = connection.execute(query, values, prepare=True).fetchall()
            if number >= 0:
                took[who].append(time.perf_counter() - started)
            counts.add(len(rows))
        assert len(counts) == 1, f"{name}: the owner's condition is not what the policies come to: {counts}"
    middle = {who: statistics.median(seconds) * 1000 for who, seconds in took.items()}
    return {"read": name, "as the owner": middle["owner"], "under RLS": middle["rls"],
            "ratio": middle["rls"] / middle["owner"], "without us": middle.get("bare", ""),
            "our guards": middle["rls"] / middle["bare"] if "bare" in middle else ""}  # fmt: skip


def _plans(statement: str, condition: str, sessions: Sessions) -> list[str]:
    values = {"user": sessions.user_id, "client": sessions.clients[0]}
    lines = []
    for who, connection, text in (
        ("as the owner", sessions.owner, statement.format(condition)),
        ("under RLS", sessions.user, statement.format("true")),
    ):
        plan = psycopg.ClientCursor(connection).execute("explain (analyze, costs off, buffers off) " + text, values)
        lines += [f"-- {who}", *(line for (line,) in plan.fetchall())]
    return lines


if __name__ == "__main__":
    main()
