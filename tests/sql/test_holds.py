"""A legal hold: what it is on stays, whoever deletes."""

from __future__ import annotations

from typing import Any

import pytest


def hold(world: Any, *, held: bool = True, who: str = "eve", **subject: Any) -> None:
    subject = subject or {"p_client_id": world.clients["Acme"]}
    world.person(who).rpc("set_legal_hold", p_is_held=held, p_reason="A lawsuit.", **subject)


@pytest.mark.parametrize("subject", ["client", "user"])
def test_client_and_user_of_held_rows_stay_until_it_is_lifted(any_world: Any, refused: Any, subject: str) -> None:
    world = any_world
    draft = world.draft()
    held = {"p_client_id": world.clients["Acme"]} if subject == "client" else {"p_subject_user_id": world.users["ada"]}
    hold(world, **held)
    hold(world, **held)
    for table, key in (("public.clients", world.clients["Acme"]), ("auth.users", world.users["ada"])):
        with refused("PT409", "legal_hold", match="A legal hold is on this data"):
            world.conn.execute(f"delete from {table} where id = %s", [key])
    assert world.value("select count(*) from public.ai_drafts where id = %s", draft["id"]) == 1
    world.conn.execute("delete from public.clients where id = %s", [world.clients["Bolt"]])

    hold(world, held=False, **held)
    world.conn.execute("delete from public.clients where id = %s", [world.clients["Acme"]])
    assert world.value("select count(*) from public.ai_drafts") == 0
    (row,) = world.person("eve").rpc("list_legal_holds")
    assert (row["set_by"], row["lifted_by"]) == (world.users["eve"], world.users["eve"])
    acts = world.conn.execute("select action from agent.audit_log where entity = 'legal_hold' order by id").fetchall()
    assert acts == [("legal_hold_set",), ("legal_hold_lifted",)]


@pytest.mark.parametrize("table", ["ai_drafts", "ai_draft_requests", "deal_stage_history"])
def test_no_single_row_of_a_held_client_is_deleted(world: Any, refused: Any, table: str) -> None:
    world.draft()
    world.conn.execute(
        "insert into public.deals (client_id, title) values (%s, 'A deal')", [world.clients["Acme"]]
    )  # its first stage goes into the history
    hold(world)
    with refused("PT409", "legal_hold"):
        world.conn.execute(f"delete from public.{table}")
    hold(world, held=False)
    assert world.conn.execute(f"delete from public.{table}").rowcount == 1


def test_every_faulty_argument_is_told_at_once_and_only_admins_may(world: Any, refused: Any) -> None:
    with refused("PT400", "invalid_argument") as caught:
        world.person("eve").rpc("set_legal_hold", p_is_held=None)
    assert "p_is_held" in str(caught.value)
    assert "p_client_id" in str(caught.value)
    with refused("PT400", "invalid_argument", match="p_reason"):
        world.person("eve").rpc("set_legal_hold", p_is_held=True, p_client_id=world.clients["Acme"], p_reason=" ")
    with refused("PT403", "not_an_admin"):
        hold(world, who="ada")
    with refused("PT403", "not_an_admin"):
        world.person("ada").rpc("list_legal_holds")
    world.conn.execute("delete from auth.sessions where user_id = %s", [world.users["eve"]])
    with refused("PT401", "session_ended"):
        hold(world)


def test_among_many_only_the_held_draft_is_kept(any_world: Any) -> None:
    world = any_world
    world.add_client("Apex", "ada")
    held, free = world.draft()["id"], world.draft("ada", "Apex")["id"]
    hold(world)
    (row,) = world.person("ada").rpc("delete_drafts", p_draft_ids=f"{{{held},{free}}}")
    results = [(one["id"], one["ok"], one.get("error", {}).get("code")) for one in row["delete_drafts"]]
    assert results == [(str(held), False, "legal_hold"), (str(free), True, None)]
    assert [left for (left,) in world.conn.execute("select id from public.ai_drafts")] == [held]
