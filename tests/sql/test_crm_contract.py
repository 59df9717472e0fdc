"""Write-back functions act as the caller and can be undone exactly; a trigger keeps every deal's stage history."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

CALLS = {
    "activity": "select crm.log_activity(%s, 'note', null, 'Subject', 'Content') as result",
    "task": "select crm.create_task(%s, 'Title', 'Do it', now() + interval '1 day', 'high') as result",
    "deal_stage": "select crm.set_deal_stage((select id from deals where client_id = %s), 'won') as result",
}
TABLES = {"activity": "activities", "task": "tasks", "deal_stage": "deals"}


def call(world: Any, kind: str, who: str = "ada") -> dict[str, Any]:
    return world.person(who).sql(CALLS[kind], world.clients["Acme"])[0]["result"]


def undo(world: Any, result: dict[str, Any], who: str = "ada") -> bool:
    return world.person(who).sql("select crm.undo(%s) as undone", json.dumps(result))[0]["undone"]


def rows(world: Any, table: str) -> list[Any]:
    return world.conn.execute(f"select * from {table} order by id").fetchall()


def history(world: Any) -> list[tuple[Any, ...]]:
    return world.conn.execute("select from_stage, to_stage, changed_by from deal_stage_history order by id").fetchall()


@pytest.fixture
def deal(world: Any) -> uuid.UUID:
    """A deal of Acme's in its first stage."""
    return world.value(
        "insert into deals (client_id, title, stage, opened_at) "
        "values (%s, 'Deal', 'lead', now() - interval '9 days') returning id",
        world.clients["Acme"],
    )


def test_what_the_functions_write(world: Any, deal: uuid.UUID) -> None:
    for kind, table in TABLES.items():
        result = call(world, kind)
        row = world.one(f"select * from {table}")
        assert (result["kind"], result["id"]) == (kind, str(row["id"]))
    activity, task = world.one("select * from activities"), world.one("select * from tasks")
    assert (activity["type"], activity["subject"], activity["content"]) == ("note", "Subject", "Content")
    assert (activity["created_by"], task["assigned_to"]) == (world.users["ada"], world.users["ada"])
    assert (task["title"], task["description"], task["priority"], task["status"]) == ("Title", "Do it", "high", "open")
    assert world.value("select stage from deals") == "won"
    result = world.person("ada").sql(
        "select crm.create_task(%s, 't', 'd', p_assigned_to => %s)", world.clients["Acme"], world.users["bob"]
    )
    assert result
    assert world.value("select assigned_to from tasks where title = 't'") == world.users["bob"]


@pytest.mark.parametrize("kind", TABLES)
def test_undone_exactly(world: Any, deal: uuid.UUID, kind: str) -> None:
    before = rows(world, TABLES[kind])
    result = call(world, kind)
    assert rows(world, TABLES[kind]) != before
    for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'SQL, DMY'"):  # a request may choose its own
        world.conn.execute(f"set {setting}")
    assert undo(world, result) is True
    world.conn.execute("reset all")
    assert rows(world, TABLES[kind]) == before
    assert undo(world, result) is False


@pytest.mark.parametrize(
    ("kind", "change"),
    [("activity", "update activities set content = 'mine'"), ("task", "update tasks set status = 'done'"),
     ("deal_stage", "update deals set stage = 'lost'")],
)  # fmt: skip
def test_nothing_is_undone_that_changed_since(world: Any, deal: uuid.UUID, kind: str, change: str) -> None:
    result = call(world, kind)
    world.conn.execute(change)
    after = rows(world, TABLES[kind])
    assert undo(world, result) is False
    assert rows(world, TABLES[kind]) == after


@pytest.mark.parametrize("kind", TABLES)
def test_the_callers_own_rights_decide(world: Any, deal: uuid.UUID, refused: Any, kind: str) -> None:
    with refused("PT404" if kind == "deal_stage" else "42501"):
        call(world, kind, "bob")
    result = call(world, kind)
    assert undo(world, result, "bob") is False
    for role in ("anon", "service_role", "agent_worker"):
        with refused("42501", match="permission denied for schema crm"):
            type(world.worker)(world.conn, role, hook=False).sql(CALLS[kind], world.clients["Acme"])
    assert undo(world, result, "eve") is True


def test_undo_takes_only_results(world: Any, refused: Any) -> None:
    for wrong in ({}, {"kind": "client", "id": str(world.clients["Acme"])}, {"kind": None}):
        with refused("PT400", "unknown_result"):
            undo(world, wrong)
    for made_up in ({"kind": "activity", "id": None}, {"kind": "task", "id": str(uuid.uuid4()), "row": None}):
        assert undo(world, made_up) is False


def test_history_of_a_deal(world: Any, deal: uuid.UUID) -> None:
    assert history(world) == [(None, "lead", None)]
    assert world.value("select changed_at = (select opened_at from deals) from deal_stage_history")
    call(world, "deal_stage")
    assert history(world)[1:] == [("lead", "won", world.users["ada"])]
    world.conn.execute("update deals set stage = stage, title = 'x'")
    assert len(history(world)) == 2
    world.conn.execute("alter table deals alter column stage drop not null")
    world.conn.execute("update deals set stage = null")
    assert len(history(world)) == 2
    world.conn.execute("update deals set stage = 'lead'")
    assert history(world)[2:] == [(None, "lead", None)]


def test_history_of_a_bulk_load(world: Any) -> None:
    world.conn.execute("alter table deals alter column stage drop not null")
    world.conn.execute(
        "insert into deals (client_id, title, stage, opened_at, closed_at) "
        "select %s, n, (array['lead', 'won', null])[n %% 3 + 1], now() - interval '9 days', "
        "case when n %% 3 = 1 then now() - interval '1 day' end from generate_series(1, 300) as n",
        (world.clients["Acme"],),
    )
    found = world.conn.execute(
        "select to_stage, count(*), count(distinct changed_at), "
        "round(extract(epoch from now() - min(changed_at)) / 86400) from deal_stage_history group by 1 order by 1"
    ).fetchall()
    assert found == [("lead", 100, 1, 9), ("won", 100, 1, 1)]
    world.conn.execute("update deals set stage = 'lost'")
    assert len(history(world)) == 500


@pytest.mark.parametrize("sub", ["integration-7", "", "7", "-" * 36])
def test_a_caller_who_is_no_user_of_ours_writes_deals_as_before(world: Any, sub: str) -> None:
    host = type(world.worker)(world.conn, "service_role", {"sub": sub})
    world.conn.execute("grant select, insert, update on deals to service_role")
    host.sql("insert into deals (title, stage) values ('x', 'lead')")
    host.sql("update deals set stage = 'won'")
    assert history(world) == [(None, "lead", None), ("lead", "won", None)]


def test_deals_that_lost_their_client_are_kept_in_history(world: Any, deal: uuid.UUID) -> None:
    world.conn.execute("alter table deals drop constraint deals_client_id_fkey")
    world.conn.execute("update deals set client_id = gen_random_uuid(), stage = 'won'")
    world.conn.execute("insert into deals (client_id, title) values (gen_random_uuid(), 'orphan'), (null, 'orphan')")
    assert [row[1] for row in history(world)] == ["lead", "won", "lead", "lead"]
    assert world.value("select count(*) from deal_stage_history where client_id is null") == 3
    world.conn.execute("delete from clients")
    assert len(history(world)) == 3


def test_who_sees_the_deal_sees_its_history(world: Any, deal: uuid.UUID) -> None:
    world.conn.execute("insert into deals (title) values ('orphan')")
    seen = {who: len(world.person(who).sql("select id from deal_stage_history")) for who in world.users}
    assert seen == {"ada": 1, "bob": 0, "eve": 2}
    world.conn.execute("update deals set owner_id = %s where id = %s", (world.users["bob"], deal))
    assert len(world.person("bob").sql("select id from deal_stage_history")) == 1
    world.request("bob", "Bolt")
    agent = world.agent(world.claim()[0], hook=False)
    assert agent.sql("select id from deal_stage_history") == []  # a deal of another client
    world.conn.execute("delete from deals")
    assert world.person("eve").sql("select id from deal_stage_history") == []
