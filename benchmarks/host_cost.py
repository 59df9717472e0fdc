"""What our triggers and policies cost the CRM: the same writes on a CRM with our migrations and on one without.

Each pair of writes is made one after the other, with and without changing places, so that what else the machine does
falls on both. "commit": each statement in a transaction of its own, synchronously committed. "within": many in one
transaction, where the disk hides nothing of the write itself. Bulk writes are rolled back.
"""

from __future__ import annotations

import argparse
import statistics
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg

from agent_service.devstack.postgres import PostgresServer
from benchmarks._databases import act_as, add_person, make_database
from benchmarks._report import Report, Target

USER = uuid.UUID("11111111-1111-4111-8111-111111111111")
TEXT = "They asked for the revised offer before the end of the month. " * 8

CLIENTS = 1_000
ROWS = 20_000
# Ids that a statement can name without asking: the n-th row of each table has the number n in its last digits.
FILL = """
create function pg_temp.nth(n bigint) returns uuid language sql immutable
as $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
insert into public.clients (id, name, owner_id)
select pg_temp.nth(n), 'Client ' || n, %(user)s from generate_series(0, 999) as n;
insert into public.activities (id, client_id, type, content, created_by)
select pg_temp.nth(n), pg_temp.nth(n %% 1000), 'note', %(text)s, %(user)s from generate_series(0, 19999) as n;
insert into public.deals (id, client_id, owner_id, title, stage, amount)
select pg_temp.nth(n), pg_temp.nth(n %% 1000), %(user)s, 'Deal', 'lead', n from generate_series(0, 19999) as n;
insert into public.tasks (id, client_id, title, assigned_to)
select pg_temp.nth(n), pg_temp.nth(n %% 1000), 'Call', %(user)s from generate_series(0, 19999) as n;
"""
WRITES = {
    "insert activity": "insert into public.activities (client_id, type, content, created_by) "
    "values (%(client)s, 'note', %(text)s, %(user)s)",
    "insert deal": "insert into public.deals (client_id, owner_id, title, stage, amount) "
    "values (%(client)s, %(user)s, 'Deal', 'lead', 100)",
    "insert task": "insert into public.tasks (client_id, title, assigned_to) values (%(client)s, 'Call', %(user)s)",
    "update activity": "update public.activities set sentiment = 'neutral', updated_at = now() where id = %(row)s",
    "update deal, same stage": "update public.deals set amount = amount + 1 where id = %(row)s",
    "update deal, next stage": "update public.deals "
    "set stage = case stage when 'lead' then 'qualified' else 'lead' end where id = %(row)s",
    "update task": "update public.tasks set status = 'done', completed_at = now() where id = %(row)s",
}
BULK = {
    "insert … select, {} activities": "insert into public.activities (client_id, type, content, created_by) "
    "select id, 'note', %(text)s, %(user)s from public.clients, generate_series(1, %(rows)s / 1000)",
    "insert … select, {} deals": "insert into public.deals (client_id, owner_id, title, stage, amount) "
    "select id, %(user)s, 'Deal', 'lead', 100 from public.clients, generate_series(1, %(rows)s / 1000)",
    "insert … select, {} tasks": "insert into public.tasks (client_id, title, assigned_to) "
    "select id, 'Call', %(user)s from public.clients, generate_series(1, %(rows)s / 1000)",
}
STAGES = "update public.deals set stage = case stage when 'won' then 'lost' else 'won' end"
COPIES = {
    "copy, {} activities": "copy public.activities (client_id, type, content, created_by) from stdin",
    "copy, {} deals": "copy public.deals (client_id, owner_id, title, stage) from stdin",
}


@dataclass(frozen=True)
class Pair:
    """Connections to the CRM with us and without us."""

    ours: psycopg.Connection[Any]
    bare: psycopg.Connection[Any]

    def compare(self, act: Callable[[psycopg.Connection[Any], int], None], count: int) -> tuple[float, float]:
        """Median seconds with and without, of `count` pairs that take turns in going first."""
        took: dict[int, list[float]] = {id(self.ours): [], id(self.bare): []}
        for number in range(-max(1, count // 10), count):  # the negative ones warm up
            for connection in (self.ours, self.bare) if number % 2 else (self.bare, self.ours):
                started = time.perf_counter()
                act(connection, abs(number))
                if number >= 0:
                    took[id(connection)].append(time.perf_counter() - started)
        return statistics.median(took[id(self.ours)]), statistics.median(took[id(self.bare)])


def run(*, quick: bool) -> Report:
    """Measure all of it; at most 30 s if `quick`."""
    report = Report("What it costs the CRM: milliseconds with us and without")
    singles, rows = (200, 2_000) if quick else (1000, 100_000)
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(None, durable=True))
        pairs = _prepare(server, stack)
        for who, pair in pairs.items():
            for name, statement in WRITES.items():
                row = _single(f"{name}, {who}", statement, pair, singles, report)
                report.rows.append(row)
        owner = pairs["owner"]
        times = 5
        for name, statement in BULK.items():
            figures = owner.compare(partial(_execute, statement, {"rows": rows, "text": TEXT, "user": USER}), times)
            report.rows.append(_row(name.format(f"{rows:,}"), "bulk", figures))
        for name, statement in COPIES.items():
            figures = owner.compare(partial(_copy, statement, rows), times)
            report.rows.append(_row(name.format(f"{rows:,}"), "bulk", figures))
        report.rows.append(
            _row(f"update of {ROWS:,} deals' stages", "bulk", owner.compare(partial(_execute, STAGES, {}), times))
        )
    return report


def _prepare(server: PostgresServer, stack: ExitStack) -> dict[str, Pair]:
    connections: dict[str, list[psycopg.Connection[Any]]] = {"user": [], "owner": []}
    for name, migrated in (("ours", True), ("bare", False)):
        dsn = make_database(server, name, migrated=migrated)
        owner = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        add_person(owner, "seller", user_id=USER)
        cursor = psycopg.ClientCursor(owner)
        cursor.execute(FILL, {"user": USER, "text": TEXT})
        owner.execute("vacuum analyze")
        user = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        act_as(user, "authenticated", sub=USER)
        connections["owner"].append(owner)
        connections["user"].append(user)
    return {who: Pair(*both) for who, both in connections.items()}


def _single(name: str, statement: str, pair: Pair, count: int, report: Report) -> dict[str, Any]:
    def execute(connection: psycopg.Connection[Any], number: int) -> None:
        connection.execute(statement, _values(number), prepare=True)

    committed = pair.compare(execute, count)
    for connection in (pair.ours, pair.bare):
        connection.execute("begin")
    inside = pair.compare(execute, count)
    for connection in (pair.ours, pair.bare):
        connection.execute("rollback")
    report.targets.append(Target(f"{name}, committed", committed[0] / committed[1], at_most=1.3))
    return {**_row(name, "commit", committed), "within, with": inside[0] * 1000, "within, without": inside[1] * 1000,
            "within, ratio": inside[0] / inside[1]}  # fmt: skip


def _row(name: str, what: str, figures: tuple[float, float]) -> dict[str, Any]:
    with_us, without = figures
    return {"write": name, "in": what, "with": with_us * 1000, "without": without * 1000, "ratio": with_us / without,
            "within, with": "", "within, without": "", "within, ratio": ""}  # fmt: skip


def _nth(number: int) -> uuid.UUID:
    return uuid.UUID(f"00000000-0000-4000-8000-{number:012}")


def _values(number: int) -> dict[str, Any]:
    return {"client": _nth(number % CLIENTS), "row": _nth(number % ROWS), "text": TEXT, "user": USER}


def _execute(statement: str, values: dict[str, Any], connection: psycopg.Connection[Any], _: int) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(statement, values)


def _copy(statement: str, rows: int, connection: psycopg.Connection[Any], _: int) -> None:
    with connection.transaction(force_rollback=True), connection.cursor().copy(statement) as copy:
        for number in range(rows):
            client = _nth(number % CLIENTS)
            copy.write_row(
                (client, "note", TEXT, USER) if "activities" in statement else (client, USER, "Deal", "lead")
            )


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller writes, under 30 s")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    run(quick=options.quick).show(as_json=options.json)


if __name__ == "__main__":
    main()
