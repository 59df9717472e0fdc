"""Imports into a database: all or nothing, owners, dates, and what is made from what."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent_service.crm_data.importing import ImportReport, import_folder
from agent_service.crm_data.loading import AlreadyLoadedError
from agent_service.crm_data.mapping import MappingError
from agent_service.devstack.users import verify_password
from tests.conftest import AsUser, Database
from tests.exports import FILES, write_export

TODAY = dt.date(2026, 3, 2)
TABLES = ("profiles", "clients", "contacts", "deals", "activities", "tasks", "orders")
REPOSITORY = Path(__file__).resolve().parents[3]
EXPORT = Path(os.environ.get("CRM_EXPORT") or REPOSITORY.parent / "shared" / "data" / "crm_sales")


def rows(db: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return db.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


def load(database: Database, folder: Path, **options: Any) -> ImportReport:
    return import_folder(folder, database_url=database.dsn(), **({"today": TODAY} | options))


def ids(db: psycopg.Connection[Any]) -> dict[str, Any]:
    return {table: rows(db, f"select id from public.{table} order by id") for table in TABLES}


def assert_nothing_is_there(db: psycopg.Connection[Any]) -> None:
    assert ids(db) == {table: [] for table in TABLES}
    assert rows(db, "select id from auth.users") == []


def test_it_loads_every_file_and_says_how_much(database: Database, db: psycopg.Connection[Any], tmp_path: Path) -> None:
    report = load(database, write_export(tmp_path))
    assert report.loaded
    assert report.counts == dict(zip(TABLES, (3, 3, 3, 4, 3, 1, 1), strict=True))
    assert report.counts == {table: len(found) for table, found in ids(db).items()}
    assert rows(db, "select name, company, tags from public.clients order by name") == [
        ("Acme Rockets", "Acme Rockets", ["space", "Iceland"]),
        ("Blue Harbour", "Blue Harbour", ["Norway"]),
        ("Quiet Mill", "Quiet Mill", ["paper"]),
    ]
    assert rows(db, "select title, product, stage, amount from public.deals order by title, stage") == [
        ("GTX Pro", "GTX Pro", "lead", 4821),
        ("GTX Pro for Acme Rockets", "GTX Pro", "won", 4000),
        ("Kite for Acme Rockets", "Kite", "qualified", 1050.5),
        ("Kite for Blue Harbour", "Kite", "lost", 0),
    ]
    assert rows(db, "select order_number, total, deal_id is not null from public.orders") == [("SO-D1", 4000, True)]


def test_a_client_is_its_newest_deals_agents_and_a_deal_its_own_agents_too(
    database: Database, db: psycopg.Connection[Any], tmp_path: Path, as_user: AsUser
) -> None:
    report = load(database, write_export(tmp_path))
    owners = "select c.name, p.full_name from public.clients as c left join public.profiles as p on p.id = owner_id"
    assert dict(rows(db, owners)) == {"Acme Rockets": "Bo Example", "Blue Harbour": "Ada Example", "Quiet Mill": None}
    person = {sign_in.full_name: sign_in.user_id for sign_in in report.sign_ins}
    for name, stages in (("Ada Example", ["lost", "won"]), ("Bo Example", ["lead", "qualified", "won"])):
        with as_user(person[name]) as connection:
            assert [stage for (stage,) in rows(connection, "select stage from public.deals order by stage")] == stages
    with as_user(person["Mona Sample"]) as connection:
        assert len(rows(connection, "select id from public.clients")) == 3


def test_everybody_can_sign_in_with_the_one_password(
    database: Database, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    report = load(database, write_export(tmp_path), password="correct horse")
    assert {person.email for person in report.sign_ins} == {
        "ada.example@example.com",
        "bo.example@example.com",
        "mona.sample@example.com",
    }
    hashes = rows(db, "select distinct encrypted_password from auth.users where email_confirmed_at is not null")
    assert len(hashes) == 1
    assert verify_password("correct horse", hashes[0][0])


def test_the_newest_record_is_as_old_as_asked_and_the_rest_keeps_its_distance(
    database: Database, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    load(database, write_export(tmp_path), newest_days_ago=3)
    assert rows(db, "select opened_at::date, closed_at::date from public.deals where stage = 'won'") == [
        (dt.date(2025, 11, 7), dt.date(2026, 2, 27))
    ]
    assert rows(db, "select closed_at::date - opened_at::date from public.deals where stage = 'lost'") == [(-1,)]
    assert rows(db, "select max(occurred_at)::date from public.activities") == [(dt.date(2026, 2, 15),)]
    # Opened on 2025-12-27, expected 120 days later; that is still to come.
    assert rows(db, "select expected_close from public.deals where stage = 'qualified'") == [(dt.date(2026, 4, 26),)]
    assert rows(db, "select due_at::date, assigned_to is not null from public.tasks") == [(dt.date(2026, 2, 22), True)]


def test_an_expected_close_that_has_passed_is_pushed_on(
    database: Database, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    load(database, write_export(tmp_path), newest_days_ago=300)
    ((close,),) = rows(db, "select expected_close from public.deals where stage = 'qualified'")
    assert TODAY <= close < TODAY + dt.timedelta(days=30)


def test_contacts_come_from_the_activities(database: Database, db: psycopg.Connection[Any], tmp_path: Path) -> None:
    load(database, write_export(tmp_path))
    assert rows(db, "select name, email, is_primary from public.contacts order by name") == [
        ("Cy Contact", "cy.contact@acme-rockets.example", False),
        ("Di Contact", "di.contact@acme-rockets.example", True),
        ("Ed Contact", "ed.contact@blue-harbour.example", True),
    ]
    joined = "select a.subject, c.name from public.activities as a join public.contacts as c on c.id = contact_id"
    assert dict(rows(db, joined))["Meeting with Cy Contact"] == "Cy Contact"


def test_bad_rows_of_several_files_are_named_at_once_and_nothing_is_loaded(
    database: Database, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    deals = FILES["sales_pipeline.csv"].replace("D3,", "D1,").replace("3/1/2025,,", "soon,,")
    notes = FILES["interactions.csv"].replace("2,Ed", "99,Ed")
    report = load(database, write_export(tmp_path, sales_pipeline=deals, interactions=notes, products=b"\xff"))
    assert not report.loaded
    assert {fault.kind for fault in report.faults} == {"encoding", "bad_date", "duplicate_id", "unknown_client"}
    assert_nothing_is_there(db)


def test_skipping_loads_the_rest_and_says_what_it_left(
    database: Database, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    accounts = FILES["accounts.csv"].replace("1,Acme Rockets", "1,")
    report = load(database, write_export(tmp_path, accounts=accounts), skip_bad_rows=True)
    assert (report.loaded, report.skipped) == (True, 5)
    assert [fault.kind for fault in report.faults] == ["missing_value"] + ["left_out_parent"] * 4
    assert [name for (name,) in rows(db, "select name from public.clients order by name")] == [
        "Blue Harbour",
        "Quiet Mill",
    ]
    assert report.counts == {table: len(found) for table, found in ids(db).items()}


def test_a_missing_file_cannot_be_skipped(database: Database, db: psycopg.Connection[Any], tmp_path: Path) -> None:
    report = load(database, write_export(tmp_path, interactions=None), skip_bad_rows=True)
    assert (report.loaded, [fault.kind for fault in report.faults]) == (False, ["missing_file"])
    assert_nothing_is_there(db)


def test_a_second_import_is_refused_and_changes_nothing(
    database: Database, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    load(database, write_export(tmp_path))
    before = ids(db)
    with pytest.raises(AlreadyLoadedError, match="nothing was loaded"):
        load(database, tmp_path)
    assert ids(db) == before
    # Somebody took the clients away and left the people: their rows are in the way, and the sentence says so.
    db.execute("truncate public.clients cascade")
    with pytest.raises(AlreadyLoadedError, match="some of these rows already"):
        load(database, tmp_path)
    assert rows(db, "select id from public.clients") == []


def test_of_two_imports_at_a_time_one_is_refused(
    database: Database, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    write_export(tmp_path)
    outcomes: list[object] = []
    start = threading.Barrier(2)

    def run() -> None:
        start.wait()
        try:
            outcomes.append(load(database, tmp_path).loaded)
        except AlreadyLoadedError as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == sorted(map(str, [True, AlreadyLoadedError]))
    assert len(rows(db, "select id from public.clients")) == 3


def test_the_same_export_gives_the_same_ids(database: Database, db: psycopg.Connection[Any], tmp_path: Path) -> None:
    load(database, write_export(tmp_path))
    first = ids(db)
    db.execute("truncate public.clients, public.deals cascade")
    db.execute("delete from auth.users")
    load(database, tmp_path, newest_days_ago=50)
    assert ids(db) == first


def test_a_mapping_of_ones_own_and_progress(database: Database, db: psycopg.Connection[Any], tmp_path: Path) -> None:
    (tmp_path / "team.csv").write_text("who;mail\nAda;ADA@example.com\n")
    (tmp_path / "firms.csv").write_text("nr;firm;owner\n7;Kettle & Co;Ada\n")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(
        """
        delimiter = ";"
        date_formats = ["%d.%m.%Y"]
        people = {file = "team.csv", key = "who", full_name = "who", email = "mail"}
        clients = {file = "firms.csv", key = "nr", name = "firm", owner = "owner", constant_language = "de"}
        """
    )
    told: list[tuple[str, int, int]] = []
    load(database, tmp_path, mapping=mapping, progress=lambda *step: told.append(step))
    query = (
        "select c.name, c.preferred_language, p.email from public.clients as c join profiles as p on p.id = owner_id"
    )
    assert rows(db, query) == [("Kettle & Co", "de", "ada@example.com")]
    assert [step for step, done, total in told if done == total] == ["Reading team.csv", "Reading firms.csv", "Loading"]


def test_a_bad_mapping_is_refused_before_anything_is_read(database: Database, tmp_path: Path) -> None:
    (tmp_path / "mapping.toml").write_text("surprise = 1")
    with pytest.raises(MappingError, match="surprise: there is no such setting"):
        load(database, tmp_path / "missing", mapping=tmp_path / "mapping.toml")


def run(folder: Path, *options: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent_service.cli", "import", str(folder), *options]
    return subprocess.run(command, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True, check=False)


def test_the_command_names_faults_and_its_exit_codes_tell_the_truth(database: Database, tmp_path: Path) -> None:
    bad = "".join(f"X{n},1,Ada Example,Kite,Gone,,,\n" for n in range(60))
    write_export(tmp_path, sales_pipeline=FILES["sales_pipeline.csv"] + bad)
    refused = run(tmp_path, url=database.dsn())
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("sales_pipeline.csv:") == 50
    assert "Faults: 60 unknown value; bad rows: 60." in refused.stderr
    assert "Nothing was loaded." in refused.stderr

    loaded = run(tmp_path, "--skip-bad-rows", "--json", url=database.dsn())
    assert loaded.returncode == 0, loaded.stderr
    report = json.loads(loaded.stdout)
    assert (report["counts"]["deals"], report["skipped"], len(report["faults"])) == (4, 60, 60)

    assert run(tmp_path, "--skip-bad-rows", url=database.dsn()).returncode == 1
    (tmp_path / "bad.toml").write_text("surprise = 1")
    assert run(tmp_path, "--mapping", str(tmp_path / "bad.toml"), url=database.dsn()).returncode == 2
    assert run(tmp_path, "--skip-bad-rows", url="postgresql://postgres@127.0.0.1:1/postgres").returncode == 2


def test_the_command_prints_names_as_they_are_and_dates_it_cannot_reach_are_refused(
    database: Database, tmp_path: Path
) -> None:
    write_export(tmp_path, sales_teams=FILES["sales_teams.csv"].replace("Mona Sample", "Mona [/b] Sample"))
    refused = run(tmp_path, "--newest-days-ago", "99999999", url=database.dsn())
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
    loaded = run(tmp_path, url=database.dsn())
    assert loaded.returncode == 0, loaded.stderr
    assert "Mona [/b] Sample" in loaded.stdout


@pytest.mark.skipif(
    not (EXPORT / "sales_pipeline.csv").is_file(),
    reason="no sales export: name its folder in CRM_EXPORT (it is not part of the project)",
)
def test_the_whole_sales_export_loads(database: Database, db: psycopg.Connection[Any]) -> None:
    report = import_folder(EXPORT, database_url=database.dsn())
    assert (report.loaded, report.faults) == (True, [])
    assert {name: report.counts[name] for name in ("clients", "deals", "activities")} == {
        "clients": 85,
        "deals": 8800,
        "activities": 626,
    }
    assert rows(db, "select count(*) from public.deals where client_id is null") == [(1425,)]
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    newest = (
        "select greatest(max(opened_at), max(closed_at), (select max(occurred_at) from activities))::date from deals"
    )
    assert rows(db, newest) == [(yesterday,)]
    assert rows(db, "select count(*) from public.clients where owner_id is null") == [(0,)]
