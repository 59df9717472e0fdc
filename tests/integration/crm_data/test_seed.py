"""The seeded CRM: believable, the same for the same seed, with the defects that real CRMs have."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from agent_service.crm_data.loading import AlreadyLoadedError
from agent_service.crm_data.seed import seed
from tests.conftest import Database

TODAY = dt.date(2026, 3, 2)
TABLES = ("profiles", "clients", "contacts", "deals", "activities", "tasks", "orders")


def contents(db: psycopg.Connection[Any]) -> dict[str, Any]:
    return {
        table: db.execute(
            f"select jsonb_agg(to_jsonb(t) - 'created_at' order by id) from public.{table} as t"
        ).fetchone()
        for table in TABLES
    }


def count(db: psycopg.Connection[Any], query: str) -> int:
    row = db.execute(query).fetchone()  # type: ignore[call-overload]
    return int(row[0])


def test_it_fills_every_table_and_counts_what_it_made(database: Database, db: psycopg.Connection[Any]) -> None:
    result = seed(database.dsn(), today=TODAY)
    assert result.counts == {table: count(db, f"select count(*) from public.{table}") for table in TABLES}
    assert result.counts["clients"] == 12
    assert [person.role for person in result.sign_ins].count("admin") == 1
    open_stages = db.execute("select count(distinct stage) from public.deals").fetchone()
    assert open_stages == (6,), "a deal in every stage"
    assert result.counts["activities"] >= 30
    assert count(db, "select count(*) from public.tasks where status = 'done' and completed_at is not null") >= 1
    assert count(db, "select count(*) from public.tasks where status = 'open' and due_at < '2026-03-02'") >= 1
    owned = db.execute("select id, owner_id from public.clients where owner_id is not null").fetchall()
    assert sorted((client, owner) for owner, of in result.owned.items() for client in of) == sorted(owned)


def test_the_same_seed_and_day_make_the_same_rows_and_another_seed_others(
    database: Database, db: psycopg.Connection[Any]
) -> None:
    made = []
    for number in (7, 7, 8):
        seed(database.dsn(), seed=number, today=TODAY, password="same")
        made.append(contents(db))
        db.execute("truncate public.clients, public.deals cascade")
        db.execute("delete from auth.users")
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_it_has_the_defects_of_real_crms(database: Database, db: psycopg.Connection[Any]) -> None:
    seed(database.dsn(), today=TODAY)
    assert count(db, "select count(*) from public.deals where client_id is null") == 1
    assert count(db, "select count(*) from public.clients where owner_id is null") == 1
    assert count(db, "select count(*) from public.deals where closed_at < opened_at") == 1
    assert count(db, "select count(*) from public.deals where amount is null") >= 1
    assert count(db, "select count(*) from public.activities where content like '%[Your Name]%'") == 1
    assert (
        count(db, "select count(distinct product) from public.deals where replace(product, ' ', '') = 'AirSensePro'")
        == 2
    )
    stale = "status = 'scheduled' and occurred_at < '2025-03-03'"
    assert count(db, f"select count(*) from public.activities where {stale}") == 1


def test_nothing_is_newer_than_asked(database: Database, db: psycopg.Connection[Any]) -> None:
    seed(database.dsn(), today=TODAY, newest_days_ago=10)
    assert count(db, "select count(*) from public.activities where occurred_at >= '2026-02-21'") == 0


def test_a_crm_with_clients_is_left_alone(database: Database, db: psycopg.Connection[Any]) -> None:
    seed(database.dsn(), today=TODAY)
    before = contents(db)
    with pytest.raises(AlreadyLoadedError):
        seed(database.dsn(), seed=2, today=TODAY)
    assert contents(db) == before


def test_the_command_says_who_can_sign_in_and_its_exit_codes_tell_the_truth(database: Database) -> None:
    def run(**env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent_service.cli", "seed", "--json"]
        return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)

    made = run(DATABASE_URL=database.dsn())
    assert made.returncode == 0, made.stderr
    assert "ines@example.com" in {person["email"] for person in json.loads(made.stdout)["sign_ins"]}
    again = run(DATABASE_URL=database.dsn())
    assert (again.returncode, again.stdout) == (1, "")
    assert "has clients already" in again.stderr
    assert run(DATABASE_URL="postgresql://postgres@127.0.0.1:1/postgres").returncode == 2
