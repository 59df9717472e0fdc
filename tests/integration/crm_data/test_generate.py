"""The generated CRM: any size, the same for the same seed, with the defects of real ones at the rates it says."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from agent_service.crm_data.generating import TABLES, Size, generate
from agent_service.crm_data.loading import AlreadyLoadedError
from tests.conftest import Database

TODAY = dt.date(2026, 3, 2)
CLIENTS = 2500  # more than one chunk


def digest(db: psycopg.Connection[Any]) -> list[Any]:
    """Of every column of every row but those that Auth fills."""
    each = " union all ".join(
        f"select '{table}', count(*), sum(hashtextextended(t::text, 0)) from public.{table} as t" for table in TABLES
    )
    return db.execute(each).fetchall()  # type: ignore[call-overload]


def count(db: psycopg.Connection[Any], query: str) -> int:
    row = db.execute(query).fetchone()  # type: ignore[call-overload]
    return int(row[0])


def share(db: psycopg.Connection[Any], table: str, condition: str, among: str = "true") -> float:
    row = db.execute(f"select avg(({condition})::int) from public.{table} where {among}").fetchone()  # type: ignore[call-overload]
    return float(row[0])


@pytest.fixture
def filled(database: Database, db: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    generate(database.dsn(), Size(clients=CLIENTS), today=TODAY, password="same")
    return db


def test_the_same_seed_size_and_day_make_the_same_rows_and_another_seed_others(
    filled: psycopg.Connection[Any], database: Database
) -> None:
    made = [digest(filled)]
    for seed in (1, 2):
        filled.execute("truncate public.clients, public.deals cascade")
        filled.execute("delete from auth.users")
        generate(database.dsn(), Size(clients=CLIENTS), seed=seed, today=TODAY, password="same")
        made.append(digest(filled))
    assert made[0] == made[1]
    assert all(first != other for first, other in zip(made[0], made[2], strict=True))


def test_it_has_every_defect_at_its_rate(filled: psycopg.Connection[Any]) -> None:
    closed = "stage in ('won', 'lost')"
    assert 0.005 < share(filled, "deals", "client_id is null") < 0.015
    assert 0.01 < share(filled, "clients", "owner_id is null") < 0.03
    assert 0.03 < share(filled, "deals", "product = 'AirSensePro'") < 0.07
    assert 0.005 < share(filled, "deals", "closed_at = opened_at - interval '1 day'", closed) < 0.02
    assert 0.003 < share(filled, "activities", "content like '%[Your Name]'") < 0.007
    forgotten = "status = 'scheduled' and occurred_at < '2025-03-03'"
    assert 0.005 < share(filled, "activities", forgotten, "type = 'meeting'") < 0.015
    for table in TABLES:  # nothing ever moves it
        assert share(filled, table, "updated_at = created_at") == 1


def test_it_is_of_the_size_asked_for_and_hangs_together(filled: psycopg.Connection[Any], database: Database) -> None:
    assert count(filled, "select count(*) from public.clients") == CLIENTS
    per_client = (
        "select count(a.id) as n from public.clients as c "
        "left join public.activities as a on a.client_id = c.id group by c.id"
    )
    assert count(filled, f"select percentile_cont(0.5) within group (order by n) from ({per_client}) as x") == 8
    assert count(filled, "select count(*) from public.activities where occurred_at >= '2026-03-02'") == 0
    owned = filled.execute(
        "select count(*) as n from public.clients where owner_id is not null group by owner_id order by n desc"
    ).fetchall()
    assert len(owned) == CLIENTS // 250
    assert owned[0][0] > 2 * owned[-1][0], "some have many clients and some few"
    assert count(filled, "select count(*) from public.profiles where role = 'admin'") == 1
    lost = "select count(*) from public.activities as a where contact_id is not null and not exists "
    assert (
        count(
            filled, lost + "(select from public.contacts as k where k.id = a.contact_id and k.client_id = a.client_id)"
        )
        == 0
    )


def test_a_crm_with_clients_is_left_alone(filled: psycopg.Connection[Any], database: Database) -> None:
    before = digest(filled)
    with pytest.raises(AlreadyLoadedError):
        generate(database.dsn(), Size(clients=3), today=TODAY)
    assert digest(filled) == before


def test_the_command_makes_it_and_says_what(database: Database, db: psycopg.Connection[Any]) -> None:
    command = [sys.executable, "-m", "agent_service.cli", "seed", "--clients", "30", "--json"]
    environment = {**os.environ, "DATABASE_URL": database.dsn()}
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    result = json.loads(made.stdout)
    assert result["counts"]["clients"] == 30 == count(db, "select count(*) from public.clients")
    assert [person["email"] for person in result["sign_ins"]] == [
        "admin@example.com", "seller1@example.com", "seller2@example.com", "seller3@example.com",
    ]  # fmt: skip
