"""A provider that is down is left alone by all workers together, and people are told."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.sql.test_money import claimed, finish, reserve

KINDS = [(t, p) for t in ("email", "note", "memo", "task") for p in ("custom", "deal_update", "follow_up")]


def fails(world: Any, number: int, code: str = "provider_unavailable") -> None:
    draft_type, purpose = KINDS[number]
    job = claimed(world, p_draft_type=draft_type, p_purpose=purpose)
    reserve(world, job)
    world.worker.rpc("fail_job", p_job_token=job["token"], p_code=code, p_retry_after_seconds=3600, p_usage={})


def status(world: Any, who: str = "ada") -> dict[str, Any]:
    return world.person(who).rpc("agent_status")[0]["agent_status"]


def pause_is_over(world: Any) -> None:
    world.conn.execute("update agent.providers set open_until = now() - interval '1 second'")


def test_five_failures_in_a_row_open_the_circuit_for_everybody(any_world: Any, refused: Any) -> None:
    world = any_world
    assert status(world)["state"] == "available"
    for number in range(5):
        fails(world, number)
        assert status(world)["state"] == ("degraded" if number < 4 else "down")
    with refused("PT503", "provider_unavailable") as caught:
        reserve(world, claimed(world, "bob", "Bolt"))
    assert 10 <= int(caught.value.diag.message_detail.partition(": ")[2]) <= 15
    assert status(world, "bob")["reason"] == "AI is temporarily unavailable."
    assert world.value("select count(*) from public.ai_interactions where settled_at is null") == 0


def test_after_the_pause_one_attempt_is_let_through_and_its_end_decides(world: Any, refused: Any) -> None:
    for number in range(5):
        fails(world, number)
    pause_is_over(world)
    probe = claimed(world, "bob", "Bolt")
    reserve(world, probe)
    other = claimed(world, "bob", "Bolt", p_draft_type="memo")
    with refused("PT503", "provider_unavailable"):
        reserve(world, other)
    world.worker.rpc("fail_job", p_job_token=probe["token"], p_code="provider_rate_limited", p_retry_after_seconds=3600)
    pause = world.value("select extract(epoch from open_until - now()) from agent.providers")
    assert 25 < pause <= 30, "twice as long as the first"
    pause_is_over(world)
    reserve(world, other)
    finish(world, other, p_usage={"input_tokens": 1, "output_tokens": 1})
    assert status(world)["state"] == "available"
    assert reserve(world, claimed(world, "bob", "Bolt", p_draft_type="note"))


def test_what_the_provider_is_not_to_blame_for_opens_nothing(world: Any) -> None:
    for number, code in enumerate(["invalid_output", "refused", "too_large", "access_lost", "internal_error"] * 2):
        fails(world, number, code)
    assert status(world)["state"] == "available"


def test_of_many_who_come_after_the_pause_one_is_let_through(world: Any, race: Any) -> None:
    for number in range(5):
        fails(world, number)
    world.ask("bob", "Bolt", 10)
    jobs = world.claim(limit=10, lease=300)
    pause_is_over(world)
    answers = race(10, lambda own, number: reserve(own, jobs[number]))
    assert sum(not isinstance(answer, psycopg.Error) for answer in answers) == 1


def test_the_status_tells_of_a_budget_and_of_a_switch(world: Any) -> None:
    world.conn.execute("update public.ai_budgets set limit_usd = 0.01 where scope = 'user'")
    job = claimed(world)
    reserve(world, job, p_input_tokens=0, p_output_tokens=900)
    assert (status(world)["state"], status(world, "bob")["state"]) == ("degraded", "available")
    finish(world, job, p_usage={"input_tokens": 0, "output_tokens": 1000})
    told = status(world)
    assert (told["state"], told["reason"]) == ("down", "The AI budget is used up.")
    assert world.value("select %s::timestamptz > now()", told["resumesAt"])
    world.person("eve").rpc(
        "set_ai_switch", p_scope="organisation", p_subject="*", p_is_on=False, p_reason="We are moving house."
    )
    assert (status(world)["state"], status(world)["reason"]) == ("off", "We are moving house.")


@pytest.mark.parametrize("claims", [{"is_anonymous": True}, {"act": None}])
def test_the_status_is_for_people(world: Any, refused: Any, claims: dict[str, Any]) -> None:
    with refused("PT403"):
        world.person("ada", **claims).rpc("agent_status")
