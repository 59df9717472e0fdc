"""A person changes a draft: every edit is kept, none is lost to another, and what must not go out does not come in."""

from __future__ import annotations

import uuid
from typing import Any

import pytest


def edit(world: Any, draft: dict[str, Any], who: str = "ada", **changes: Any) -> dict[str, Any]:
    arguments = {"p_version": draft["version"], "p_subject": draft["subject"], "p_content": draft["content"]}
    return world.person(who).rpc("edit_draft", p_draft_id=draft["id"], **arguments | changes)[0]


def test_an_edit_is_a_revision_and_leaves_what_was_generated(world: Any) -> None:
    draft = world.draft()
    edited = edit(world, draft, p_subject="Ours", p_content="Our own words.")
    assert (edited["status"], edited["version"], edited["subject"], edited["content"]) == (
        "edited", 2, "Ours", "Our own words.",
    )  # fmt: skip
    assert edited["content_hash"] != draft["content_hash"]
    assert (edited["generated_subject"], edited["generated_content"]) == (draft["subject"], draft["content"])
    again = edit(world, edited, p_content="Better words.", p_details={"priority": "high"})
    revisions = world.person("ada").sql("select version, content, details from ai_draft_revisions order by version")
    assert [tuple(row.values()) for row in revisions] == [
        (2, "Our own words.", {}), (3, "Better words.", {"priority": "high"}),
    ]  # fmt: skip
    assert again["details"] == {"priority": "high"}
    actions = world.value(
        "select array_agg(details ->> 'version' order by id) from agent.audit_log where action = 'draft_edited'"
    )
    assert actions == ["2", "3"]


def test_saving_what_is_there_already_is_no_edit(world: Any) -> None:
    draft = world.draft()
    saved = edit(world, draft)
    assert (saved["status"], saved["version"], saved["content_hash"]) == ("pending", 1, draft["content_hash"])
    assert world.value("select count(*) from ai_draft_revisions") == 0


@pytest.mark.parametrize("version", [1, 3, None])
def test_an_edit_of_an_older_text_is_refused_and_told_which_is_newest(
    world: Any, refused: Any, version: int | None
) -> None:
    draft = world.draft()
    edit(world, draft, p_content="The first to save.")
    with refused("PT409", "draft_changed", match="draft_changed: 2"):
        edit(world, draft, p_content="The second.", p_version=version)
    assert world.value("select content from ai_drafts") == "The first to save."


def test_all_faults_are_told_at_once(world: Any, refused: Any) -> None:
    draft = world.draft()
    with refused("PT400", "invalid_argument", match=r"(?s)p_content is empty.*p_subject has 301.*priority.*due_at"):
        edit(world, draft, p_content=" \u200b ", p_subject="s" * 301, p_details={"priority": "now", "due_at": "soon"})
    assert world.value("select version from ai_drafts") == 1


@pytest.mark.parametrize(
    ("content", "is_fine"),
    [
        ("See https://crm.example.test/offer for it.", True),
        ("www.example.test has it", True),
        ("[our offer](https://evil.example.test)", False),
        ("![](https://evil.example.test/p.png)", False),
        ("<img src=x>", False),
        ("javascript:alert(1)", False),
        ("<https://evil.example.test>", False),
    ],
)
def test_a_person_may_write_an_address_as_it_stands_and_hide_none(
    world: Any, refused: Any, content: str, is_fine: bool
) -> None:
    draft = world.draft()
    if is_fine:
        assert edit(world, draft, p_content=content)["content"] == content
        return
    with refused("PT400", "invalid_argument", match="p_content"):
        edit(world, draft, p_content=content)


def test_what_nobody_would_see_is_taken_out(world: Any) -> None:
    edited = edit(world, world.draft(), p_content="Hel\u200blo \u202ethere", p_subject="A\nB")
    assert (edited["content"], edited["subject"]) == ("Hello there", "A B")


def test_who_may_not_edit(world: Any, refused: Any) -> None:
    draft = world.draft()
    for other in ("bob", "eve"):
        with refused("PT404", "draft_not_found"):
            edit(world, draft, other, p_content="Mine.")
    with refused("PT401", "session_ended"):
        world.person("ada", session_id=str(uuid.uuid4())).rpc(
            "edit_draft", p_draft_id=draft["id"], p_version=1, p_subject="s", p_content="c"
        )
    with refused("PT403", "agent_refused"):
        caller = world.person("ada", act=None)
        caller.hook = False
        caller.rpc("edit_draft", p_draft_id=draft["id"], p_version=1, p_subject="s", p_content="c")
    assert world.person("bob").sql("select * from ai_draft_revisions") == []


@pytest.mark.parametrize("how", ["reject_draft", "approve_draft"])
def test_a_closed_draft_is_not_edited(world: Any, refused: Any, how: str) -> None:
    draft = world.draft()
    more = {"p_content_hash": draft["content_hash"]} if how == "approve_draft" else {}
    world.person("ada").rpc(how, p_draft_id=draft["id"], **more)
    with refused("PT409", "draft_closed"):
        edit(world, draft, p_content="Too late.")


def test_of_many_edits_of_one_text_one_is_kept(world: Any, race: Any) -> None:
    draft = world.draft()
    answers = race(8, lambda racer, number: edit(racer, draft, p_content=f"Text {number}."))
    kept = [answer for answer in answers if isinstance(answer, dict)]
    assert len(kept) == 1
    assert all("draft_changed" in str(answer.diag.message_detail) for answer in answers if not isinstance(answer, dict))


def test_open_drafts_whose_time_is_over_expire(world: Any, refused: Any) -> None:
    old, new = world.draft(), world.draft(p_draft_type="memo")
    world.conn.execute("update ai_drafts set expires_at = now() - interval '1 second' where id = %s", (old["id"],))
    with refused("PT409", "draft_closed", match="expired"):
        edit(world, old, p_content="Too late.")
    assert world.worker.rpc("run_maintenance", p_task="sweep")[0]["run_maintenance"]["expired"] == 1
    assert world.value("select status from ai_drafts where id = %s", old["id"]) == "expired"
    assert world.value("select status from ai_drafts where id = %s", new["id"]) == "pending"
    assert world.value("select approved_at is null from ai_drafts where id = %s", old["id"])
