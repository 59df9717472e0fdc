"""What our triggers and policies cost the CRM: the same writes on a CRM with our migrations and on one without.

The same write is made on each database in turn, each being first as often as the others, so that what else the machine
does falls on all. Single writes are in a transaction of their own each, synchronously committed; bulk writes are rolled
back. "CPU" is the processor time of Postgres for many of the same in one transaction, where neither the disk nor the
way to the client hides anything. The second table takes one part of ours away at a time.
"""

from __future__ import annotations

import argparse
import statistics
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg

from agent_service.devstack.postgres import PostgresServer
from benchmarks._cpu import backend_seconds
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
STAGES = (
    "update public.deals set stage = case stage when 'won' then 'lost' else 'won' end where id < "
    "('00000000-0000-4000-8000-' || lpad(%(rows)s::text, 12, '0'))::uuid"
)
COPIES = {
    "copy, {} activities": "copy public.activities (client_id, type, content, created_by) from stdin",
    "copy, {} deals": "copy public.deals (client_id, owner_id, title, stage) from stdin",
}


# What there is of ours on a table of the CRM, and how to do without it.
PARTS = {
    "statement trigger": """
        do $$ declare v_table regclass; begin
          foreach v_table in array '{activities,deals,tasks}'::regclass[] loop
            execute format('drop trigger agent_guard_write on %s', v_table);
          end loop;
        end $$""",
    "stage history": "drop trigger agent_record_first_stage on deals; drop trigger agent_record_stage on deals",
    "restrictive policies": """
        do $$ declare v_policy record; begin
          for v_policy in select policyname, tablename from pg_policies
            where permissive = 'RESTRICTIVE' and tablename in ('activities', 'deals', 'tasks', 'clients') loop
            execute format('drop policy %I on %I', v_policy.policyname, v_policy.tablename);
          end loop;
        end $$""",
}
BLOCK = 20
PEOPLE = ("user", "owner")
Act = Callable[[psycopg.Connection[Any], int], None]
Clock = Callable[[psycopg.Connection[Any]], float]


def wall_clock(_: psycopg.Connection[Any]) -> float:
    """What the clock on the wall says, whichever connection it is about."""
    return time.perf_counter()


@dataclass(frozen=True)
class Databases:
    """Connections of one kind of caller to the same CRM with us, without us, and with us but for one part."""

    ours: psycopg.Connection[Any]
    bare: psycopg.Connection[Any]
    without: dict[str, psycopg.Connection[Any]]

    def pair(self) -> list[psycopg.Connection[Any]]:
        """With us and without."""
        return [self.ours, self.bare]


def compare(
    connections: Sequence[psycopg.Connection[Any]], act: Act, count: int, *, block: int = 1, clock: Clock = wall_clock
) -> list[float]:
    """Median seconds of `act` on each, of `count` rounds in which they take turns in going first.

    block: so many in a row are timed as one. Processor caches are warm then, as under load.
    """
    took: list[list[float]] = [[] for _ in connections]
    places = deque(range(len(connections)))
    for number in range(-max(1, count // 10), count):  # the negative ones warm up
        places.rotate()
        for place in places:
            connection = connections[place]
            started = clock(connection)
            for step in range(block):
                act(connection, abs(number) * block + step)
            if number >= 0:
                took[place].append((clock(connection) - started) / block)
    return [statistics.median(durations) for durations in took]


def run(*, quick: bool) -> list[Report]:
    """Measure all of it; at most 30 s if `quick`."""
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(None, durable=True))
        people = prepare(server, stack, PARTS)
        parts = _parts(people, 400 if quick else 4000)  # first, while all of them hold the same
        report = Report("What it costs the CRM: milliseconds with us and without")
        for who, databases in people.items():
            for name, statement in WRITES.items():
                _single(f"{name}, {who}", statement, databases.pair(), 200 if quick else 1000, report)
        for rows in (2_000,) if quick else (10_000, 100_000):
            _bulk(people, rows, 3 if quick else 5, report)
        return [report, parts]


def prepare(server: PostgresServer, stack: ExitStack, parts: Mapping[str, str]) -> dict[str, Databases]:
    """Fill the databases, one more for each part with that part away, and connect to them for each kind of caller."""
    names = {"ours": "ours", "bare": "bare", **{part: part.replace(" ", "_") for part in parts}}
    for name in ("ours", "bare"):
        dsn = make_database(server, name, migrated=name == "ours")
        with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as owner:
            add_person(owner, "seller", user_id=USER)
            owner.execute(FILL, {"user": USER, "text": TEXT})
            owner.execute("vacuum analyze")
    with psycopg.connect(server.dsn("supabase_admin"), autocommit=True) as admin:
        for part in parts:
            admin.execute(f"create database {names[part]} template ours".encode())
    connections: dict[str, dict[str, psycopg.Connection[Any]]] = {who: {} for who in PEOPLE}
    for key, name in names.items():
        for who in PEOPLE:
            connection = stack.enter_context(psycopg.connect(server.dsn("postgres", name), autocommit=True))
            if key in parts and who == "user":
                connection.execute(parts[key].encode())
            if who == "user":
                act_as(connection, "authenticated", sub=USER)
            connections[who][key] = connection
    return {who: Databases(by.pop("ours"), by.pop("bare"), by) for who, by in connections.items()}


def _single(name: str, statement: str, pair: Sequence[psycopg.Connection[Any]], count: int, report: Report) -> None:
    committed = compare(pair, partial(_write, statement), count)
    inside = within(pair, statement, count)
    row = _row(name, "commit", committed)
    row |= dict(zip(("CPU, with", "CPU, without"), (seconds * 1000 for seconds in inside), strict=True))
    report.rows.append({**row, "CPU, ratio": inside[0] / inside[1]})
    report.targets.append(Target(f"{name}, committed", committed[0] / committed[1], at_most=1.3))


def within(connections: Sequence[psycopg.Connection[Any]], statement: str, count: int) -> list[float]:
    """Processor seconds of Postgres for a write, of many within one transaction on each, which is rolled back."""
    with ExitStack() as stack:
        for connection in connections:
            stack.enter_context(connection.transaction(force_rollback=True))
        return compare(connections, partial(_write, statement), count // BLOCK, block=BLOCK, clock=backend_seconds)


def _bulk(people: dict[str, Databases], rows: int, times: int, report: Report) -> None:
    for who, databases in people.items():
        for name, statement in BULK.items():
            act = partial(_execute, statement, {"rows": rows, "text": TEXT, "user": USER})
            report.rows.append(
                _row(f"{name.format(f'{rows:,}')}, {who}", "bulk", compare(databases.pair(), act, times))
            )
    owner = people["owner"].pair()  # COPY FROM is not for those whom row-level security binds
    for name, statement in COPIES.items():
        figures = compare(owner, partial(_copy, statement, rows), times)
        report.rows.append(_row(f"{name.format(f'{rows:,}')}, owner", "bulk", figures))
    figures = compare(owner, partial(_execute, STAGES, {"rows": min(rows, ROWS)}), times)
    report.rows.append(_row(f"next stage of {min(rows, ROWS):,} deals, owner", "bulk", figures))


def _parts(people: dict[str, Databases], count: int) -> Report:
    """What each part adds to one write: all of ours less all of ours without that part."""
    report = Report(
        "Where it comes from: microseconds of Postgres' processor time a write, all but the first two as differences"
    )
    for who, databases in people.items():
        for name, statement in WRITES.items():
            ours, bare, *less = within([*databases.pair(), *databases.without.values()], statement, count)
            row: dict[str, Any] = {"write": f"{name}, {who}", "without us": bare * 1e6, "with us": ours * 1e6}
            row |= {part: (ours - seconds) * 1e6 for part, seconds in zip(PARTS, less, strict=True)}
            report.rows.append(row)
    return report


def _row(name: str, what: str, figures: Sequence[float]) -> dict[str, Any]:
    with_us, without = figures
    return {"write": name, "in": what, "with": with_us * 1000, "without": without * 1000, "ratio": with_us / without,
            "CPU, with": "", "CPU, without": "", "CPU, ratio": ""}  # fmt: skip


def _write(statement: str, connection: psycopg.Connection[Any], number: int) -> None:
    connection.execute(statement, _values(number), prepare=True)


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
    for report in run(quick=options.quick):
        report.show(as_json=options.json)


if __name__ == "__main__":
    main()
