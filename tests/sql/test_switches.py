"""AI off: for everybody, a role, a user, one client; at asking and at completing."""

from __future__ import annotations

from typing import Any

import pytest

SUBJECTS = {
    "organisation": lambda world: "*",
    "role": lambda world: "user",
    "user": lambda world: str(world.users["ada"]),
    "client": lambda world: str(world.clients["Acme"]),
}


def switch(world: Any, scope: str, subject: str, *, on: bool = False, reason: str | None = "Under review.") -> None:
    world.person("eve").rpc("set_ai_switch", p_scope=scope, p_subject=subject, p_is_on=on, p_reason=reason)


@pytest.mark.parametrize("scope", SUBJECTS)
def test_what_is_off_is_neither_asked_for_nor_completed(any_world: Any, refused: Any, scope: str) -> None:
    world = any_world
    world.request()
    (job,) = world.claim()
    switch(world, scope, SUBJECTS[scope](world))
    with refused("PT403", "ai_off", match="Under review"):
        world.request(p_draft_type="memo")
    with refused("PT403", "ai_off"):
        world.complete(job)
    assert world.value("select count(*) from public.ai_drafts") == 0
    world.worker.rpc("fail_job", p_job_token=job["token"], p_code="ai_off")
    assert world.value("select error from public.ai_draft_requests").startswith("AI is switched off here.")

    assert [row["scope"] for row in world.person("eve").rpc("list_ai_switches")] == [scope]
    switch(world, scope, SUBJECTS[scope](world), on=True)
    assert world.request(p_draft_type="memo")
    acts = world.conn.execute("select action from agent.audit_log where entity = 'ai_switch' order by id").fetchall()
    assert acts == [("ai_switched_off",), ("ai_switched_on",)]


@pytest.mark.parametrize("scope", ["role", "user", "client"])
def test_what_is_off_for_one_is_on_for_others(world: Any, scope: str) -> None:
    other = {"role": "guest", "user": str(world.users["bob"]), "client": str(world.clients["Bolt"])}[scope]
    switch(world, scope, other)
    assert world.request()


def test_a_draft_that_was_written_is_answered_again_though_ai_is_off_by_now(world: Any) -> None:
    world.request()
    (job,) = world.claim()
    draft = world.complete(job)
    switch(world, "organisation", "*")
    assert world.complete(job) == draft


def test_every_faulty_argument_is_told_at_once(world: Any, refused: Any) -> None:
    with refused("PT400", "invalid_argument") as caught:
        switch(world, "team", "x", reason=" ")
    assert "p_scope" in str(caught.value)
    assert "p_reason" in str(caught.value)
    for scope, subject in (("organisation", "x"), ("user", "ada"), ("client", ""), ("role", "")):
        with refused("PT400", "invalid_argument", match="p_subject"):
            switch(world, scope, subject)
