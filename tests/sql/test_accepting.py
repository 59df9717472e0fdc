"""Accepting does what was proposed, once, and undoing leaves the CRM as it was or says what has moved on."""

from __future__ import annotations

import json
import uuid
from typing import Any

import psycopg
import pytest

from tests.world import World

TABLES = ("clients", "contacts", "activities", "deals", "tasks", "orders")
CRM = " union all ".join(
    f"select '{name}', count(*), md5(string_agg(t::text, '|' order by t.id)) from public.{name} as t" for name in TABLES
)


def crm(world: World) -> list[Any]:
    """The CRM, byte for byte."""
    return world.conn.execute(CRM).fetchall()  # type: ignore[arg-type]


@pytest.fixture
def deal(world: World) -> uuid.UUID:
    return world.value(
        "insert into public.deals (client_id, title, stage, amount, opened_at) "
        "values (%s, 'Pumps', 'lead', 10, now() - interval '9 days') returning id",
        world.clients["Acme"],
    )


def actions(deal: Any) -> dict[str, dict[str, Any]]:
    return {
        "draft": {"kind": "draft", "draft_type": "email", "purpose": "follow_up", "hints": "Be brief."},
        "task": {"kind": "task", "title": "Do it", "due_in_days": 2, "priority": "high", "deal_id": str(deal)},
        "call": {"kind": "call", "title": "Call them", "due_in_days": 1},
        "activity": {"kind": "activity", "title": "Escalated", "description": "Told the manager."},
        "deal_stage": {"kind": "deal_stage", "deal_id": str(deal), "from": "lead", "to": "lost"},
    }


KINDS = list(actions(None))


def propose(world: World, kind: str, deal: Any, *, client: str = "Acme", who: str = "ada") -> uuid.UUID:
    return world.value(
        "insert into public.agent_suggestions (client_id, assigned_to, suggestion_type, title, reasoning, rule_key, "
        "score, dedupe_key, action_data) "
        "values (%s, %s, 'follow_up', 'X', 'Because.', 'no_activity', 50, %s, %s) returning id",
        world.clients[client],
        world.users[who],
        str(uuid.uuid4()),
        json.dumps(actions(deal)[kind]),
    )


def accept(world: World, suggestion: Any, who: str = "ada") -> dict[str, Any]:
    return world.person(who).rpc("accept_suggestion", p_suggestion_id=suggestion)[0]["accept_suggestion"]


def undo(world: World, suggestion: Any, who: str = "ada") -> dict[str, Any]:
    return world.person(who).rpc("undo_suggestion", p_suggestion_id=suggestion)[0]["undo_suggestion"]


def status(world: World, suggestion: Any) -> str:
    return world.value("select status from public.agent_suggestions where id = %s", suggestion)


@pytest.mark.parametrize("kind", KINDS)
def test_accepting_does_it_and_undo_leaves_the_crm_as_it_was(any_world: World, kind: str) -> None:
    world = any_world
    deal_id = world.value(
        "insert into public.deals (client_id, title, stage) values (%s, 'Pumps', 'lead') returning id",
        world.clients["Acme"],
    )
    before = crm(world)
    suggestion = propose(world, kind, deal_id)
    answer = accept(world, suggestion)
    assert (answer["status"], "row" in answer["result"]) == ("accepted", False)
    assert (crm(world) != before) == (kind != "draft")
    assert undo(world, suggestion) == {"id": str(suggestion), "status": "pending"}
    assert crm(world) == before
    row = world.one("select * from public.agent_suggestions where id = %s", suggestion)
    assert (row["status"], row["result"], row["resolved_at"], row["resolved_by"]) == ("pending", None, None, None)
    accept(world, suggestion)
    undo(world, suggestion)
    assert crm(world) == before


def test_what_it_does_is_what_it_says(world: World, deal: uuid.UUID) -> None:
    accept(world, propose(world, "task", deal))
    task = world.one("select * from public.tasks")
    assert (task["title"], task["priority"], task["deal_id"], task["assigned_to"]) == (
        "Do it",
        "high",
        deal,
        world.users["ada"],
    )
    accept(world, propose(world, "activity", deal))
    activity = world.one("select * from public.activities")
    assert (activity["type"], activity["subject"], activity["created_by"]) == ("note", "Escalated", world.users["ada"])
    accept(world, propose(world, "deal_stage", deal))
    assert world.value("select stage from public.deals") == "lost"
    accept(world, propose(world, "draft", deal))
    assert world.value("select hints from public.ai_draft_requests") == "Be brief."


@pytest.mark.parametrize("kind", KINDS)
def test_accepting_again_is_the_same_answer(world: World, deal: uuid.UUID, kind: str) -> None:
    suggestion = propose(world, kind, deal)
    first = accept(world, suggestion)
    after = crm(world)
    assert accept(world, suggestion) == first
    assert crm(world) == after


def test_a_hundred_who_accept_at_once_do_it_once(world: World, deal: uuid.UUID, race: Any) -> None:
    suggestion = propose(world, "task", deal)
    world.conn.commit()
    answers = [
        *race(50, lambda one, _: accept(one, suggestion)),
        *race(50, lambda one, _: accept(one, suggestion)),
    ]
    assert len({json.dumps(answer, sort_keys=True) for answer in answers}) == 1, answers
    assert world.value("select count(*) from public.tasks") == 1
    assert world.value("select count(*) from agent.audit_log where action = 'suggestion_accepted'") == 1


# What a draft may have become, and whether it can be taken back.
def written(world: World) -> Any:
    return world.complete(world.claim()[0])


def edited(world: World) -> Any:
    draft = world.one("select * from public.ai_drafts where id = %s", written(world))
    world.person("ada").rpc("edit_draft", p_draft_id=draft["id"], p_version=1, p_subject="Mine", p_content="Mine.")


def approved(world: World) -> Any:
    draft = world.one("select * from public.ai_drafts where id = %s", written(world))
    world.person("ada").rpc(
        "approve_draft", p_draft_id=draft["id"], p_content_hash=draft["content_hash"], p_log_activity=False
    )


def rejected(world: World) -> Any:
    world.person("ada").rpc("reject_draft", p_draft_id=written(world), p_reason="No.")


@pytest.mark.parametrize(
    ("become", "moved_on"),
    [(lambda _: None, None), (lambda world: world.claim(), None), (written, None), (rejected, None), (edited, "edited"),
     (approved, "approved")],
    ids=["queued", "running", "written", "rejected", "edited", "approved"],
)  # fmt: skip
def test_a_draft_is_taken_back_unless_somebody_went_on(
    world: World, deal: Any, refused: Any, become: Any, moved_on: str | None
) -> None:
    suggestion = propose(world, "draft", deal)
    accept(world, suggestion)
    become(world)
    before = crm(world)
    if moved_on is None:
        undo(world, suggestion)
        assert world.value("select count(*) from public.ai_drafts where status in ('pending', 'edited')") == 0
        assert world.value("select count(*) from public.ai_draft_requests where state in ('queued', 'running')") == 0
    else:
        with refused("PT409", "moved_on", match=moved_on):
            undo(world, suggestion)
        assert status(world, suggestion) == "accepted"
    assert crm(world) == before


CHANGES = {
    "task": "update public.tasks set title = 'Another'",
    "call": "delete from public.tasks",
    "activity": "update public.activities set content = 'More.'",
    "deal_stage": "update public.deals set stage = 'won'",
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_somebody_changed_since_is_not_undone(world: World, deal: uuid.UUID, refused: Any, kind: str) -> None:
    suggestion = propose(world, kind, deal)
    accept(world, suggestion)
    world.conn.execute(CHANGES[kind])
    before = crm(world)
    with refused("PT409", "moved_on"):
        undo(world, suggestion)
    assert (crm(world), status(world, suggestion)) == (before, "accepted")


def test_a_deal_that_moved_in_the_meantime_is_not_moved(world: World, deal: uuid.UUID, refused: Any) -> None:
    suggestion = propose(world, "deal_stage", deal)
    world.conn.execute("update public.deals set stage = 'won'")
    with refused("PT409", "suggestion_stale", match="stage won"):
        accept(world, suggestion)
    assert status(world, suggestion) == "pending"


def test_what_cannot_be_done_leaves_it_pending(world: World, deal: uuid.UUID, refused: Any) -> None:
    suggestion = propose(world, "draft", deal)
    accept(world, propose(world, "draft", deal))
    written(world)
    with refused("PT409", "draft_open"):
        accept(world, suggestion)
    assert status(world, suggestion) == "pending"


def test_it_is_done_with_the_persons_own_rights(world: World, deal: uuid.UUID, refused: Any) -> None:
    """One that names another's deal does nothing to it."""
    foreign = world.value(
        "insert into public.deals (client_id, title, stage) values (%s, 'Theirs', 'lead') returning id",
        world.clients["Bolt"],
    )
    suggestion = propose(world, "deal_stage", foreign)
    with refused("PT409", "suggestion_stale"):
        accept(world, suggestion)
    world.conn.execute(
        "update public.agent_suggestions set action_data = action_data || '{\"from\": null}' where id = %s",
        [suggestion],
    )
    with refused("PT404", "deal_not_found"):
        accept(world, suggestion)
    assert world.value("select stage from public.deals where id = %s", foreign) == "lead"


@pytest.mark.parametrize(
    "function", ["accept_suggestion", "undo_suggestion", "dismiss_suggestion", "snooze_suggestion"]
)
def test_it_takes_a_person_who_is_signed_in(world: World, deal: uuid.UUID, refused: Any, function: str) -> None:
    suggestion = propose(world, "task", deal)
    arguments = {"p_suggestion_id": suggestion} | (
        {"p_until": world.value("select now() + interval '1 day'")} if function.startswith("snooze") else {}
    )
    world.request()
    job = world.claim()[0]
    with refused("PT403", "agent_refused"):
        world.agent(job, hook=False).rpc(function, **arguments)
    with refused("PT403"):
        world.person("ada", is_anonymous=True).rpc(function, **arguments)
    with refused("PT401"):
        world.person("ada", session_id=str(uuid.uuid4())).rpc(function, **arguments)
    for role in ("anon", "service_role", "agent_worker"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.caller(role, hook=False).rpc(function, **arguments)
    assert status(world, suggestion) == "pending"


def test_closed_ones_say_so(world: World, deal: uuid.UUID, refused: Any) -> None:
    suggestion = propose(world, "task", deal)
    with refused("PT409", "suggestion_closed"):
        undo(world, suggestion)
    world.person("ada").rpc("dismiss_suggestion", p_suggestion_id=suggestion)
    with refused("PT409", "suggestion_closed"):
        accept(world, suggestion)
    with refused("PT400", "invalid_argument"):
        world.person("ada").rpc("dismiss_suggestion", p_suggestion_id=suggestion, p_reason="x" * 501)
