"""A draft says what has changed in the CRM since it was written, and is not approved past that without a yes."""

from __future__ import annotations

import json
from typing import Any

import pytest

CRM = """
insert into public.deals (id, client_id, owner_id, title, stage, amount, currency, expected_close)
select md5('deal')::uuid, c.id, c.owner_id, 'Retrofit', 'proposal', 48500.00, 'EUR', '2026-12-31'
from public.clients as c where name = 'Acme';
insert into public.tasks (id, client_id, title, due_at, assigned_to)
select md5('task')::uuid, c.id, 'Send drawings', now() + interval '3 days', c.owner_id
from public.clients as c where name = 'Acme';
insert into public.activities (client_id, type, direction, subject, content, occurred_at, created_by)
select c.id, 'email', 'inbound', 'Question', 'When?', now() - interval '2 days', c.owner_id
from public.clients as c where name = 'Acme';
insert into public.orders (client_id, order_number, total, ordered_at)
select c.id, 'A-1', 10, now() - interval '90 days' from public.clients as c where name = 'Acme';
"""


@pytest.fixture
def told(any_world: Any) -> Any:
    """A world whose Acme has a deal, a task, a mail and an order."""
    any_world.conn.execute(CRM)
    return any_world


def draft(world: Any, draft_type: str = "email") -> dict[str, Any]:
    world.request(p_draft_type=draft_type)
    (job,) = world.claim()
    (context,) = world.agent(job).rpc("get_client_context", p_client_id=job["client_id"], p_days=30)
    draft_id = world.complete(job, p_context=context["get_client_context"])
    return world.one("select * from ai_drafts where id = %s", draft_id)


def reasons(world: Any, one: dict[str, Any]) -> list[tuple[str, str]]:
    (found,) = world.person("ada").rpc("get_draft", p_draft_id=one["id"])
    assert found["get_draft"]["is_stale"] is bool(found["get_draft"]["stale_reasons"])
    return [(reason["kind"], reason["text"]) for reason in found["get_draft"]["stale_reasons"]]


def approve(world: Any, one: dict[str, Any], **more: Any) -> Any:
    return world.person("ada").rpc("approve_draft", p_draft_id=one["id"], p_content_hash=one["content_hash"], **more)[0]


CHANGES = [
    (
        (
            "insert into activities (client_id, type, direction, subject, content) "
            "select id, 'email', 'inbound', 'Stop', 'No.' from clients where name = 'Acme'"
        ),
        ("new_activity", "There is a newer inbound email: Stop."),
    ),
    (  # synchronised late
        (
            "insert into activities (client_id, type, direction, occurred_at) "
            "select id, 'call', 'inbound', now() - interval '3 days' from clients where name = 'Acme'"
        ),
        ("new_activity", "There is a newer inbound call."),
    ),
    (
        "update deals set stage = 'negotiation'",
        ("deal_changed", "The deal Retrofit has moved from proposal to negotiation."),
    ),
    ("update deals set stage = 'won', closed_at = now()", ("deal_changed", "The deal Retrofit is closed.")),
    ("update deals set amount = 48500.01", ("deal_changed", "The amount of the deal Retrofit has changed.")),
    ("update deals set amount = null", ("deal_changed", "The amount of the deal Retrofit has changed.")),
    ("update deals set expected_close = '2027-01-15'", ("deal_changed", "The deal Retrofit has another closing date.")),
    ("delete from deals", ("deal_changed", "The deal Retrofit is gone.")),
    (
        "insert into deals (client_id, title) select id, 'Spare parts' from clients where name = 'Acme'",
        ("new_deal", "There is a new deal, Spare parts."),
    ),
    ("update tasks set status = 'done'", ("task_changed", "The task Send drawings is done.")),
    (
        "update tasks set due_at = due_at + interval '1 hour'",
        ("task_changed", "The task Send drawings is due at another time."),
    ),
    (
        "insert into orders (client_id, order_number, total) select id, 'A-2', 5 from clients where name = 'Acme'",
        ("new_order", "There is a new order A-2."),
    ),
]
NO_CHANGES = [
    "select 1",
    "update deals set amount = 48500.000",
    "update clients set name = 'Acme' where name = 'Acme'",
    "insert into activities (client_id, type) select id, 'email' from clients where name = 'Bolt'",
    (
        "insert into activities (client_id, type, occurred_at) "
        "select id, 'call', now() - interval '40 days' from clients where name = 'Acme'"
    ),
    "insert into tasks (client_id, title) select id, 'Another' from clients where name = 'Acme'",
]


@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_what_changed_is_said_and_takes_a_yes(told: Any, refused: Any, change: str, reason: tuple[str, str]) -> None:
    one = draft(told)
    assert reasons(told, one) == []
    told.conn.execute(change)
    assert reasons(told, one) == [reason]
    with refused("PT409", "draft_stale", match=reason[1].replace(".", r"\.")):
        approve(told, one)
    assert told.value("select status from ai_drafts") == "pending"
    assert approve(told, one, p_accept_stale=True)["status"] == "approved"


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_a_draft_does_not_rest_on_makes_it_no_older(told: Any, change: str) -> None:
    one = draft(told)
    told.conn.execute(change)
    assert reasons(told, one) == []
    assert approve(told, one)["status"] == "approved"


def test_what_approving_another_draft_wrote_makes_none_stale(told: Any) -> None:
    mail, note = draft(told), draft(told, "note")
    approved = approve(told, mail, p_create_task=True)
    assert [written["kind"] for written in approved["written"]] == ["task", "activity"]
    assert reasons(told, note) == []


def test_a_busy_clients_older_activities_make_no_draft_stale(told: Any) -> None:
    told.conn.execute(
        "insert into activities (client_id, type, content, occurred_at) "
        "select id, 'note', repeat('x', 900), now() - n * interval '1 hour' "
        "from clients, generate_series(1, 80) as n where name = 'Acme'"
    )
    one = draft(told)
    assert one["context_snapshot"]["omitted"]["activities"] > 0
    assert reasons(told, one) == []
    told.conn.execute("insert into activities (client_id, type) select id, 'call' from clients where name = 'Acme'")
    assert reasons(told, one) == [("new_activity", "There is a newer call.")]


@pytest.mark.parametrize(
    "snapshot",
    [
        None,
        {},
        {"recentActivities": "x", "activeDeals": {"a": 1}, "pendingTasks": 3, "days": "many", "omitted": []},
        {"recentActivities": [1, None, {"id": {}}], "activeDeals": [{"id": "no uuid"}], "omitted": {"deals": "x"}},
    ],
)
def test_a_malformed_snapshot_hides_no_draft_from_its_owner(told: Any, snapshot: Any) -> None:
    one = draft(told)
    told.conn.execute(
        "update ai_drafts set context_snapshot = %s", (json.dumps(snapshot) if snapshot is not None else None,)
    )
    (page,) = told.person("ada").rpc("list_drafts")
    assert [item["id"] for item in page["list_drafts"]["items"]] == [str(one["id"])]
    approve(told, one, p_accept_stale=True)


def test_a_colleague_learns_nothing(told: Any, refused: Any) -> None:
    one = draft(told)
    told.conn.execute("delete from deals")
    for other in ("bob", "eve"):
        with refused("PT404", "draft_not_found"):
            told.person(other).rpc("get_draft", p_draft_id=one["id"])
        assert told.person(other).sql("select * from agent.stale_reasons(%s)", [one["id"]]) == []
