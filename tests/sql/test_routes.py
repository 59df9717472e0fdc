"""Which model does which work, and who says so."""

from __future__ import annotations

from typing import Any

import pytest

HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"


def model_of(world: Any, draft_type: str, purpose: str = "follow_up") -> str:
    world.request(p_draft_type=draft_type, p_purpose=purpose)
    (job,) = world.claim()
    return str(job["model"])


def set_route(
    world: Any, draft_type: str, purpose: str, model: str, *, degraded: str = HAIKU, kind: str = "draft"
) -> Any:
    return world.person("eve").rpc(
        "set_model_route", p_kind=kind, p_draft_type=draft_type, p_purpose=purpose, p_model=model,
        p_degraded_model=degraded,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("draft_type", "purpose", "model"),
    [
        ("email", "follow_up", SONNET), ("memo", "deal_update", SONNET), ("task", "custom", SONNET),
        ("note", "follow_up", HAIKU), ("email", "check_in", HAIKU), ("memo", "task_reminder", HAIKU),
    ],
)  # fmt: skip
def test_simple_work_goes_to_the_cheaper_model(world: Any, draft_type: str, purpose: str, model: str) -> None:
    assert model_of(world, draft_type, purpose) == model


def test_an_admin_changes_it_and_the_most_specific_row_holds(world: Any) -> None:
    set_route(world, "memo", "*", OPUS)
    set_route(world, "memo", "check_in", SONNET)
    assert model_of(world, "memo") == OPUS
    assert model_of(world, "memo", "check_in") == SONNET
    assert model_of(world, "email") == SONNET
    listed = world.person("eve").rpc("list_model_routes")
    assert {(row["draft_type"], row["purpose"]): row["model"] for row in listed}[("memo", "*")] == OPUS
    set_route(world, "memo", "*", HAIKU)
    assert len(world.person("eve").rpc("list_model_routes")) == len(listed)


def test_a_degraded_budget_takes_the_other_model(world: Any) -> None:
    set_route(world, "memo", "*", OPUS, degraded=SONNET)
    world.conn.execute("update public.ai_budgets set limit_usd = 1 where scope = 'user'")
    world.conn.execute(
        "insert into agent.ledger (scope, user_id, period, starts_on, spent_usd) values "
        "('user', %s, 'day', (now() at time zone 'UTC')::date, 0.8)",
        [world.users["ada"]],
    )
    assert model_of(world, "memo") == SONNET
    assert model_of(world, "email") == HAIKU


def test_all_that_is_wrong_is_said_at_once(world: Any, refused: Any) -> None:
    with refused("PT400", "invalid_argument") as caught:
        set_route(world, "letter", "fun", "claude-unheard-of", degraded="", kind="Draft!")
    message = caught.value.diag.message_primary or ""
    for name in ("p_kind", "p_draft_type", "p_purpose", "p_model", "p_degraded_model"):
        assert f"{name}:" in message
    assert OPUS in message, "which models there are"
