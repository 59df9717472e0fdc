"""Lists of drafts: by client and status, page by page, and what is done to many at once."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import pytest

KINDS = list(itertools.product(("email", "note", "task", "memo"), ("follow_up", "check_in", "deal_update")))


def drafts(world: Any, count: int, client: str = "Acme") -> list[dict[str, Any]]:
    return [world.draft(client=client, p_draft_type=kind, p_purpose=purpose) for kind, purpose in KINDS[:count]]


def page(world: Any, who: str = "ada", **which: Any) -> dict[str, Any]:
    (row,) = world.person(who).rpc("list_drafts", **which)
    return row["list_drafts"]


def ids(found: dict[str, Any]) -> list[str]:
    return [item["id"] for item in found["items"]]


def test_pages_hold_every_draft_once_newest_first(world: Any) -> None:
    made = drafts(world, 7)
    world.conn.execute("update ai_drafts set created_at = date_trunc('day', now())")  # all in one moment
    found, before = [], None
    while True:
        one = page(world, p_limit=3, **({"p_before": before} if before else {}))
        found += ids(one)
        before = one["next"]
        if before is None:
            break
    assert found == sorted((str(draft["id"]) for draft in made), reverse=True)


def test_each_status_has_its_drafts(world: Any) -> None:
    pending, approved, rejected, sent, expired, superseded = drafts(world, 6)
    ada = world.person("ada")
    for draft in (approved, sent):
        ada.rpc("approve_draft", p_draft_id=draft["id"], p_content_hash=draft["content_hash"])
    ada.rpc("reject_draft", p_draft_id=rejected["id"])
    world.conn.execute("update ai_drafts set sent_at = now() where id = %s", (sent["id"],))
    world.conn.execute("update ai_drafts set expires_at = now() where id = %s", (expired["id"],))
    world.conn.execute("update ai_drafts set status = 'superseded' where id = %s", (superseded["id"],))
    for status, draft in {
        "pending": pending, "approved": approved, "rejected": rejected, "sent": sent, "expired": expired,
        "superseded": superseded,
    }.items():  # fmt: skip
        assert ids(page(world, p_status=status)) == [str(draft["id"])], status
    assert len(page(world)["items"]) == 6


def test_only_this_client_and_only_own(world: Any) -> None:
    world.conn.execute("update clients set owner_id = %s", (world.users["ada"],))
    acme, other = world.draft(), world.draft(client="Bolt")
    assert ids(page(world, p_client_id=acme["client_id"])) == [str(acme["id"])]
    assert set(ids(page(world))) == {str(acme["id"]), str(other["id"])}
    for colleague in ("bob", "eve"):
        assert page(world, colleague) == {"items": [], "next": None}


def test_an_item_says_whose_it_is_and_leaves_out_what_is_large(world: Any) -> None:
    world.draft()
    (item,) = page(world)["items"]
    assert item["client_name"] == "Acme"
    assert not {"context_snapshot", "generated_content"} & set(item)


@pytest.mark.parametrize(
    "which",
    [
        {"p_status": "done"}, {"p_limit": 0}, {"p_limit": 101}, {"p_before": {}},
        {"p_before": {"created_at": "x", "id": "y"}},
        {"p_before": {"created_at": "2026-01-01T00:00:00Z", "id": "1"}},
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(world: Any, refused: Any, which: dict[str, Any]) -> None:
    with refused("PT400", "invalid_argument", match=next(iter(which))):
        page(world, **which)


def approve_all(world: Any, wanted: list[dict[str, Any]], who: str = "ada", **more: Any) -> dict[str, dict[str, Any]]:
    (row,) = world.person(who).rpc("approve_drafts", p_drafts=wanted, **more)
    return {result["id"]: result for result in row["approve_drafts"]}


def test_many_are_approved_each_by_its_own_hash(world: Any) -> None:
    fine, changed, closed = drafts(world, 3)
    world.person("ada").rpc("reject_draft", p_draft_id=closed["id"])
    wanted = [
        {"id": str(fine["id"]), "content_hash": fine["content_hash"]},
        {"id": str(changed["id"]), "content_hash": "0" * 64},
        {"id": str(closed["id"]), "content_hash": closed["content_hash"]},
        {"id": str(uuid.uuid4()), "content_hash": "0" * 64},
    ]
    results = approve_all(world, wanted)
    assert [results[item["id"]].get("error", {}).get("code") for item in wanted] == [
        None, "draft_changed", "draft_closed", "draft_not_found",
    ]  # fmt: skip
    assert world.value("select array_agg(id) from ai_drafts where status = 'approved'") == [fine["id"]]
    assert world.value("select count(*) from activities") == 1


@pytest.mark.parametrize(
    "wanted", [[], {}, [{"id": "x", "content_hash": "y"}], [{"id": str(uuid.uuid4())}], [{}] * 101, None]
)
def test_a_list_that_is_none_approves_nothing(world: Any, refused: Any, wanted: Any) -> None:
    with refused("PT400", "invalid_argument"):
        approve_all(world, wanted)


def test_signed_out_nothing_of_many_is_approved_or_deleted(world: Any, refused: Any) -> None:
    draft = world.draft()
    world.conn.execute("delete from auth.sessions where user_id = %s", (world.users["ada"],))
    with refused("PT401", "session_ended"):
        approve_all(world, [{"id": str(draft["id"]), "content_hash": draft["content_hash"]}])
    with refused("PT401", "session_ended"):
        world.person("ada").sql("select public.delete_drafts(%s)", [draft["id"]])
    assert world.value("select status from ai_drafts") == "pending"


def test_many_are_deleted_but_not_what_is_on_record(world: Any) -> None:
    pending, rejected, approved = drafts(world, 3)
    ada = world.person("ada")
    ada.rpc("edit_draft", p_draft_id=pending["id"], p_version=1, p_subject="s", p_content="Ours.")
    ada.rpc("reject_draft", p_draft_id=rejected["id"])
    ada.rpc("approve_draft", p_draft_id=approved["id"], p_content_hash=approved["content_hash"])
    nobody = uuid.uuid4()
    (row,) = ada.sql(
        "select public.delete_drafts(%s) as results", [pending["id"], rejected["id"], approved["id"], nobody]
    )
    assert [(result["ok"], result.get("error", {}).get("code")) for result in row["results"]] == [
        (True, None), (True, None), (False, "draft_closed"), (False, "draft_not_found"),
    ]  # fmt: skip
    assert world.value("select array_agg(id) from ai_drafts") == [approved["id"]]
    assert world.value("select count(*) from ai_draft_revisions") == 0
    assert world.value("select count(*) from agent.audit_log where action = 'draft_deleted'") == 2


def test_a_colleagues_drafts_are_not_deleted(world: Any) -> None:
    draft = world.draft()
    for other in ("bob", "eve"):
        (row,) = world.person(other).sql("select public.delete_drafts(%s) as results", [draft["id"]])
        assert row["results"][0]["error"]["code"] == "draft_not_found"
    assert world.value("select count(*) from ai_drafts") == 1
