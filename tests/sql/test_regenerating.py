"""Asking again: the old text stays until the new one is there, and no edit is thrown away. And calling it off."""

from __future__ import annotations

import uuid
from typing import Any

import pytest


def regenerate(world: Any, draft: dict[str, Any], who: str = "ada", **more: Any) -> dict[str, Any]:
    return world.person(who).rpc("regenerate_draft", p_draft_id=draft["id"], **more)[0]


def status(world: Any, draft: dict[str, Any]) -> str:
    return world.value("select status from ai_drafts where id = %s", draft["id"])


def test_the_new_one_takes_the_place_of_the_old(world: Any) -> None:
    old = world.draft()
    request = regenerate(world, old, p_hints="Shorter.")
    assert (request["draft_type"], request["purpose"], request["hints"], request["contact_id"]) == (
        old["draft_type"], old["purpose"], "Shorter.", old["contact_id"],
    )  # fmt: skip
    assert status(world, old) == "pending"
    new = world.complete(world.claim()[0])
    assert status(world, old) == "superseded"
    assert world.value("select supersedes_id from ai_drafts where id = %s", new) == old["id"]
    assert world.value("select count(*) from ai_drafts where status in ('pending', 'edited')") == 1


def test_the_same_request_again_is_the_same_and_another_waits(world: Any, refused: Any) -> None:
    old = world.draft()
    first = regenerate(world, old, p_hints="Shorter.")
    assert regenerate(world, old, p_hints="Shorter.")["id"] == first["id"]
    with refused("PT409", "request_open"):
        regenerate(world, old, p_hints="Longer.")


def test_an_edit_made_meanwhile_stays(world: Any, refused: Any) -> None:
    old = world.draft()
    request = regenerate(world, old)
    (job,) = world.claim()
    world.person("ada").rpc("edit_draft", p_draft_id=old["id"], p_version=1, p_subject="s", p_content="My own words.")
    with refused("PT409", "draft_edited"):
        world.complete(job)
    (ended,) = world.worker.rpc("fail_job", p_job_token=job["token"], p_code="draft_edited")
    assert ended["fail_job"] == "failed"
    assert world.value("select content from ai_drafts") == "My own words."
    assert status(world, old) == "edited"
    assert "your text stays" in world.value("select error from ai_draft_requests where id = %s", request["id"])


def test_an_edit_made_before_is_kept_with_the_superseded_draft(world: Any) -> None:
    old = world.draft()
    world.person("ada").rpc("edit_draft", p_draft_id=old["id"], p_version=1, p_subject="s", p_content="My own words.")
    regenerate(world, old)
    world.complete(world.claim()[0])
    assert status(world, old) == "superseded"
    assert world.value("select content from ai_draft_revisions where draft_id = %s", old["id"]) == "My own words."


@pytest.mark.parametrize("how", ["approve_draft", "reject_draft"])
def test_closed_meanwhile_the_old_one_stays_as_it_is(world: Any, how: str) -> None:
    old = world.draft()
    regenerate(world, old)
    more = {"p_content_hash": old["content_hash"]} if how == "approve_draft" else {}
    world.person("ada").rpc(how, p_draft_id=old["id"], **more)
    new = world.complete(world.claim()[0])
    assert status(world, old) == {"approve_draft": "approved", "reject_draft": "rejected"}[how]
    assert world.one("select status, supersedes_id from ai_drafts where id = %s", new) == {
        "status": "pending", "supersedes_id": None,
    }  # fmt: skip


def test_who_may_not_ask_again(world: Any, refused: Any) -> None:
    old = world.draft()
    for other in ("bob", "eve"):
        with refused("PT404", "draft_not_found"):
            regenerate(world, old, other)
    with refused("PT400", "invalid_argument", match=r"(?s)p_hints.*p_language.*p_interactive"):
        regenerate(world, old, p_hints="x" * 2049, p_language="!", p_interactive=None)
    world.person("ada").rpc("reject_draft", p_draft_id=old["id"])
    with refused("PT409", "draft_closed"):
        regenerate(world, old)


def test_nobody_elses_draft_is_superseded(world: Any) -> None:
    others = world.draft("bob", "Bolt")
    world.request()
    world.conn.execute(
        "update ai_draft_requests set regenerates_id = %s, regenerates_version = 1 where user_id = %s",
        (others["id"], world.users["ada"]),
    )
    world.complete(world.claim()[0])
    assert status(world, others) == "pending"


def cancel(world: Any, request: dict[str, Any], who: str = "ada") -> dict[str, Any]:
    return world.person(who).rpc("cancel_request", p_request_id=request["id"])[0]


def test_what_is_called_off_is_not_written(world: Any, refused: Any) -> None:
    request = world.request()
    assert cancel(world, request)["state"] == "cancelled"
    assert world.claim() == []
    asked_again = world.request()
    (job,) = world.claim()
    assert cancel(world, asked_again)["error"] == "This was cancelled."
    with refused("PT409", "stale_fence"):
        world.complete(job)
    assert world.value("select count(*) from ai_drafts") == 0
    assert cancel(world, asked_again)["state"] == "cancelled"  # again: the same


def test_what_is_written_already_is_not_called_off(world: Any) -> None:
    draft = world.draft()
    request = world.one("select * from ai_draft_requests")
    assert cancel(world, request)["state"] == "done"
    assert status(world, draft) == "pending"


def test_only_who_asked_calls_it_off(world: Any, refused: Any) -> None:
    request = world.request()
    for other in ("bob", "eve"):
        with refused("PT404", "request_not_found"):
            cancel(world, request, other)
    with refused("PT404", "request_not_found"):
        cancel(world, {"id": uuid.uuid4()})
    assert world.value("select state from ai_draft_requests") == "queued"


def test_a_cancelled_attempt_is_paid_for_by_what_it_had_used(world: Any) -> None:
    request = world.request()
    (job,) = world.claim()
    world.worker.rpc(
        "reserve_budget", p_job_token=job["token"], p_provider="anthropic", p_model=job["model"], p_input_tokens=1000,
        p_output_tokens=1000,
    )  # fmt: skip
    cancel(world, request)
    usage = {"input_tokens": 1000, "output_tokens": 10}
    for _ in range(2):
        (ended,) = world.worker.rpc("fail_job", p_job_token=job["token"], p_code="cancelled", p_usage=usage)
        assert ended["fail_job"] == "cancelled"
    row = world.one("select outcome, output_tokens, settled_at is not null as settled from ai_interactions")
    assert row == {"outcome": "cancelled", "output_tokens": 10, "settled": True}
    assert world.value("select sum(reserved_usd) from agent.ledger") == 0
