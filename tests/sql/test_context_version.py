"""contextVersion moves with every row behind the context, the viewer's access and the day, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest

MANY = """
insert into contacts (client_id, name) select id, 'c' || n from clients, generate_series(1, 24) as n;
insert into deals (client_id, title, expected_close)
  select id, 'd' || n, current_date + n from clients, generate_series(1, 25) as n;
insert into tasks (client_id, title, due_at)
  select id, 't' || n, now() + n * interval '1 day' from clients, generate_series(1, 25) as n;
insert into orders (client_id, order_number, total, ordered_at)
  select id, name || n, n, now() - n * interval '1 day' from clients, generate_series(1, 25) as n;
insert into activities (client_id, type, content, occurred_at)
  select id, 'note', 'a' || n, now() - n * interval '1 hour' from clients, generate_series(1, 60) as n;
"""
COLUMNS = {
    "clients": {
        "name": "'x'", "company": "null", "tags": "'{x}'", "preferred_language": "'de'",
        "contact_preferences": '\'{"a": 1}\'',
        "owner_id": "null",
    },
    "contacts": {
        "name": "'x'", "email": "'x@example.com'", "phone": "'1'", "title": "'x'", "is_primary": "not is_primary",
    },
    "activities": {
        "type": "'call'", "direction": "'inbound'", "subject": "'x'", "content": "'x'", "sentiment": "'negative'",
        "status": "'scheduled'", "occurred_at": "occurred_at - interval '1 second'",
        "created_by": "(select id from profiles limit 1)", "contact_id": "(select id from contacts limit 1)",
        "deal_id": "(select id from deals limit 1)",
    },
    "deals": {
        "title": "'x'", "product": "'x'", "stage": "'won'", "amount": "1", "currency": "'EUR'",
        "expected_close": "null", "opened_at": "now()", "owner_id": "(select id from profiles limit 1)",
    },
    "tasks": {
        "title": "'x'", "description": "'x'", "priority": "'high'", "status": "'done'", "due_at": "null", "assigned_to":
        "(select id from profiles limit 1)", "deal_id": "(select id from deals limit 1)",
    },
    "orders": {
        "order_number": "'x'", "product": "'x'", "status": "'refunded'", "total": "total + 1", "currency": "'EUR'",
        "ordered_at": "ordered_at - interval '1 second'",
    },
}  # fmt: skip
LAST = {"contacts": "name desc", "activities": "occurred_at", "deals": "expected_close desc", "tasks": "due_at desc",
        "orders": "ordered_at"}  # fmt: skip


def version(world: Any, who: str = "eve", **options: Any) -> str:
    """Eve is an admin: whoever owns the client, she sees it."""
    arguments = {"p_client_id": world.clients["Acme"], **options}
    return world.person(who).rpc("get_client_context", **arguments)[0]["get_client_context"]["contextVersion"]


def after(world: Any, *changes: str, **options: Any) -> str:
    """The version after these changes, which are then taken back."""
    with world.conn.transaction(force_rollback=True):
        for change in changes:
            world.conn.execute(change)
        return version(world, **options)


@pytest.fixture
def full(world: Any) -> Any:
    """The world with more rows for each client than a context shows."""
    world.conn.execute(MANY)
    return world


@pytest.mark.parametrize("table", COLUMNS)
def test_it_moves_with_every_column_of_every_row(full: Any, table: str) -> None:
    before = version(full)
    key = "id" if table == "clients" else "client_id"
    assert after(full, f"update {table} set {key} = {key}") == before
    row = f"{key} = '{full.clients['Acme']}' order by {LAST.get(table, 'id')} limit 1"
    for column, value in COLUMNS[table].items():
        update = f"update {table} set {column} = {value} where id = (select id from {table} where {row})"
        assert after(full, update) != before, column
    if table != "clients":
        assert after(full, f"delete from {table} where id = (select id from {table} where {row})") != before
        other = full.clients["Bolt"]
        assert (
            after(full, f"update {table} set client_id = '{other}' where id = (select id from {table} where {row})")
            != before
        )


def test_every_column_of_the_contract_is_in_that_list(full: Any) -> None:
    # id and client_id say which row it is; closed_at and is_open follow the stage or the status.
    columns = full.conn.execute(
        "select relname, attname from pg_attribute join pg_class c on c.oid = attrelid "
        "where relnamespace = 'crm'::regnamespace and relkind = 'v' "
        "and attname not in ('id', 'client_id', 'closed_at', 'is_open')"
    ).fetchall()
    assert {tuple(row) for row in columns} == {(table, column) for table in COLUMNS for column in COLUMNS[table]}


def test_it_moves_when_a_row_is_added(full: Any) -> None:
    before, client = version(full), full.clients["Acme"]
    for table, columns in {"contacts": "name", "deals": "title", "tasks": "title", "activities": "type"}.items():
        assert after(full, f"insert into {table} (client_id, {columns}) values ('{client}', 'note')") != before, table
    assert after(full, f"insert into orders (client_id, order_number, total) values ('{client}', 'new', 1)") != before


def test_it_moves_with_the_day_of_a_stage_and_the_last_interaction(full: Any) -> None:
    before = version(full)
    assert after(full, "update deal_stage_history set changed_at = changed_at - interval '40 days'") != before
    columns = "(client_id, type, occurred_at)"
    old = f"insert into activities {columns} select id, 'note', now() - interval '90 days' from clients"
    assert after(full, old) == before  # not behind this context, but with nothing newer it is:
    assert after(full, "delete from activities", old) != after(full, "delete from activities")


def test_it_moves_with_the_viewer_and_what_they_see(full: Any) -> None:
    before = version(full, "ada")
    assert before != version(full, "eve")
    assert after(full, "update profiles set full_name = 'Ada II'", who="ada") != before
    assert (
        after(full, "create policy less on tasks as restrictive for select to authenticated using (false)", who="ada")
        != before
    )
    one = "create policy one on orders as restrictive for select to authenticated using (total <> 25)"
    assert after(full, one, who="ada") != before  # a row past the bound
    assert version(full, "ada", p_days=31) != before


def test_it_moves_with_the_day(full: Any) -> None:
    today = "select (now() at time zone %s)::date"
    days = {
        zone: (after(full, f"update ai_settings set time_zone = '{zone}'"), full.value(today, zone))
        for zone in ("Etc/GMT+12", "Etc/GMT-14", "UTC", "Etc/UTC")
    }
    versions = {day: {version for version, its_day in days.values() if its_day == day} for _, day in days.values()}
    assert len(versions) >= 2  # 26 hours apart: always two days
    assert days["UTC"][0] == days["Etc/UTC"][0]
    assert len({next(iter(found)) for found in versions.values()}) == len(versions)


def test_otherwise_it_stands_still(full: Any) -> None:
    before = version(full)
    full.conn.execute("update clients set name = 'Other' where name = 'Bolt'")
    full.conn.execute("update activities set updated_at = now()")
    for table in ("clients", "activities"):
        full.conn.execute(f"vacuum full {table}")
    for table in ("contacts", "activities", "deals", "tasks", "orders"):
        full.conn.execute(f"delete from {table} where client_id = %s", (full.clients["Bolt"],))
    assert version(full) == before
    for setting in (
        "timezone = 'Asia/Tokyo'",
        "datestyle = 'SQL, DMY'",
        "intervalstyle = 'iso_8601'",
        "extra_float_digits = 0",
    ):
        full.conn.execute(f"set {setting}")
    assert version(full) == before
    full.conn.execute("reset all")
    full.request("eve")
    job = full.claim()[0]
    agent = full.agent(job).rpc("get_client_context", p_client_id=full.clients["Acme"])[0]["get_client_context"]
    assert agent["contextVersion"] == before
