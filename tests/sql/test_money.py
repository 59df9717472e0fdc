"""What an attempt costs, what is set aside before it, and that no budget is ever exceeded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
import pytest

MODEL = "claude-haiku-5-5"
AMOUNTS = "sum(spent_usd) as spent, sum(reserved_usd) as reserved"


def cost(world: Any, model: str, *tokens: int, batch: bool = False) -> Decimal | None:
    call = "select agent.cost_usd('anthropic', %s, '2026-11-23', %s, %s, %s, %s, %s)"
    return world.value(call, model, *tokens, batch)


# Worked out by hand: tokens of input, written to the cache, read from it, output.
COSTS = [
    (
        MODEL,
        (1_000_000, 0, 0, 0),
        False,
        "0.50",
    ),  # above 100,000: the whole request at the higher price
    (MODEL, (100_000, 0, 0, 0), False, "0.01"),
    (MODEL, (100_001, 0, 0, 0), False, "0.050001"),  # 100001 * 0.50 / 1e6 = 0.0500005, half up
    (MODEL, (99_999, 0, 1, 0), False, "0.01"),  # 0.0099999 + 0.00000001
    (MODEL, (99_999, 0, 2, 0), False, "0.05"),  # 0.0499995 + 0.0000001 = 0.0499996
    (MODEL, (0, 0, 0, 1_000_000), False, "0.50"),
    (MODEL, (1_000, 0, 0, 300), False, "0.00025"),
    (MODEL, (0, 4_096, 0, 0), False, "0.000512"),
    (MODEL, (0, 0, 4_096, 0), False, "0.000041"),  # 0.00004096
    (MODEL, (500, 4_096, 0, 250), False, "0.000687"),
    (MODEL, (500, 0, 4_096, 250), False, "0.000216"),  # 0.00005 + 0.00004096 + 0.000125
    (MODEL, (50_000, 50_001, 0, 1_000), False, "0.058751"),  # 0.025 + 0.031250625 + 0.0025 = 0.058750625
    (MODEL, (1_000, 0, 0, 300), True, "0.000125"),
    (MODEL, (100_001, 0, 0, 0), True, "0.025"),  # 0.02500025
    (MODEL, (0, 0, 0, 0), False, "0"),
    (MODEL, (1, 0, 0, 0), False, "0"),  # 0.0000001
    (MODEL, (5, 0, 0, 0), False, "0.000001"),  # 0.0000005, half up
    (MODEL, (0, 0, 0, 1), False, "0.000001"),  # 0.0000005, half up
    ("claude-sonnet-5-5", (1_000_000, 0, 0, 0), False, "2"),
    ("claude-sonnet-5-5", (0, 1_000_000, 0, 0), False, "2.5"),
    ("claude-sonnet-5-5", (0, 0, 1_000_000, 0), False, "0.1"),
    ("claude-sonnet-5-5", (0, 0, 0, 1_000_000), False, "10"),
    ("claude-sonnet-5-5", (3_000, 0, 0, 400), False, "0.01"),
    ("claude-sonnet-5-5", (3_000, 1_024, 2_048, 400), False, "0.012765"),  # 0.006 + 0.00256 + 0.0002048 + 0.004
    ("claude-sonnet-5-5", (3_000, 0, 0, 400), True, "0.005"),
    ("claude-opus-5-5", (1_000_000, 1_000_000, 1_000_000, 1_000_000), False, "29.2"),
    ("claude-opus-5-5", (2_500, 0, 0, 1_000), False, "0.03"),
    ("claude-opus-5-5", (2_500, 0, 0, 1_000), True, "0.015"),
    ("claude-opus-5-5", (1, 1, 1, 1), False, "0.000029"),  # 4 + 5 + 0.2 + 20 = 29.2 millionths
    ("claude-opus-5-5", (7, 0, 0, 3), False, "0.000088"),
]


@pytest.mark.parametrize(("model", "tokens", "batch", "usd"), COSTS)
def test_the_cost_of_an_attempt_is_what_the_price_list_comes_to(
    world: Any, model: str, tokens: tuple[int, ...], batch: bool, usd: str
) -> None:
    assert cost(world, model, *tokens, batch=batch) == Decimal(usd)


def test_a_new_price_leaves_old_attempts_as_they_were(world: Any) -> None:
    world.conn.execute(
        "insert into agent.model_prices "
        "(provider, model, effective_at, input_usd, cache_write_usd, cache_read_usd, output_usd) "
        "values ('anthropic', %s, '2026-12-01', 1, 1, 1, 1)",
        [MODEL],
    )
    assert cost(world, MODEL, 1_000, 0, 0, 0) == Decimal("0.0001")
    assert world.value("select agent.cost_usd('anthropic', %s, '2026-12-01', 1000, 0, 0, 0)", MODEL) == Decimal("0.001")
    assert cost(world, "unheard-of", 1, 0, 0, 0) is None


def claimed(world: Any, who: str = "ada", client: str = "Acme", **arguments: Any) -> dict[str, Any]:
    world.request(who, client, **arguments)
    return next(job for job in world.claim() if job["user_id"] == world.users[who])


def reserve(world: Any, job: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    asked = {"p_provider": "anthropic", "p_model": "claude-sonnet-5-5", "p_input_tokens": 2000, "p_output_tokens": 1000}
    return world.worker.rpc("reserve_budget", p_job_token=job["token"], **{**asked, **arguments})[0]


def ledger(world: Any) -> dict[tuple[str, str], tuple[Decimal, Decimal, int, int]]:
    rows = world.conn.execute(
        "select scope, period, spent_usd, reserved_usd, spent_tokens, reserved_tokens from agent.ledger"
    ).fetchall()
    return {(scope, period): tuple(amounts) for scope, period, *amounts in rows}


def finish(world: Any, job: dict[str, Any], **arguments: Any) -> Any:
    return world.complete(job, p_provider="anthropic", p_model="claude-sonnet-5-5", **arguments)


def test_an_attempt_is_set_aside_before_and_settled_with_the_draft(any_world: Any) -> None:
    world = any_world
    job = claimed(world)
    assert job["model"] == "claude-sonnet-5-5"
    held = reserve(world, job)
    # the most it may cost: all input at the price of writing to the cache, 2000 * 2.5 + 1000 * 10 millionths
    assert held["reserved_usd"] == Decimal("0.015")
    assert held["is_degraded"] is False
    assert set(ledger(world).values()) == {(Decimal(0), Decimal("0.015"), 0, 3000)}
    assert len(ledger(world)) == 4

    finish(world, job, p_usage={"input_tokens": 1800, "output_tokens": 200})
    assert set(ledger(world).values()) == {(Decimal("0.0056"), Decimal(0), 2000, 0)}
    row = world.one("select * from public.ai_interactions where job_id = %s", job["job_id"])
    assert (row["id"], row["outcome"], row["cost_usd"]) == (held["interaction_id"], "completed", Decimal("0.0056"))
    assert row["settled_at"] is not None


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 5}, {"latency_ms": 30}])
def test_unknown_usage_is_settled_at_all_that_was_set_aside(world: Any, usage: dict[str, int] | None) -> None:
    job = claimed(world)
    reserve(world, job)
    world.worker.rpc("fail_job", p_job_token=job["token"], p_code="provider_unavailable", p_usage=usage)
    assert set(ledger(world).values()) == {(Decimal("0.015"), Decimal(0), 3000, 0)}


def test_a_second_try_within_one_claim_is_an_attempt_of_its_own(world: Any) -> None:
    job = claimed(world)
    reserve(world, job)
    reserve(world, job, p_usage={"input_tokens": 1000, "output_tokens": 0})
    assert set(ledger(world).values()) == {(Decimal("0.002"), Decimal("0.015"), 1000, 3000)}
    finish(world, job, p_usage={"input_tokens": 1000, "output_tokens": 100})
    assert set(ledger(world).values()) == {(Decimal("0.005"), Decimal(0), 2100, 0)}
    outcomes = world.conn.execute("select outcome from public.ai_interactions order by created_at, cost_usd").fetchall()
    assert sorted(outcomes) == [("completed",), ("retried",)]


def test_an_attempt_whose_worker_vanished_is_settled_when_another_takes_the_job(world: Any) -> None:
    job = claimed(world)
    reserve(world, job)
    world.conn.execute("update agent.jobs set due_at = now() - interval '1 second'")
    (again,) = world.claim()
    assert set(ledger(world).values()) == {(Decimal("0.015"), Decimal(0), 3000, 0)}
    assert world.one("select outcome, count(*) over () from public.ai_interactions") == {
        "outcome": "lease_expired",
        "count": 1,
    }
    reserve(world, again)
    finish(world, again, p_usage={"input_tokens": 0, "output_tokens": 100})
    assert set(ledger(world).values()) == {(Decimal("0.016"), Decimal(0), 3100, 0)}


def test_the_offline_writer_steps_in_and_the_failed_attempt_is_paid(world: Any) -> None:
    job = claimed(world)
    reserve(world, job)
    world.complete(
        job, p_usage={"input_tokens": 0, "output_tokens": 0, "failed": {"input_tokens": 500, "output_tokens": 0}}
    )
    assert set(ledger(world).values()) == {(Decimal("0.001"), Decimal(0), 500, 0)}
    rows = world.conn.execute("select provider, outcome, cost_usd from public.ai_interactions").fetchall()
    assert sorted(rows) == [("anthropic", "fallback", Decimal("0.001")), ("offline", "completed", Decimal(0))]


def test_a_model_that_was_not_paid_for_completes_nothing(world: Any, refused: Any) -> None:
    job = claimed(world)
    with refused("PT409", "not_reserved"):
        finish(world, job)
    reserve(world, job, p_model=MODEL)
    with refused("PT409", "not_reserved"):
        finish(world, job)
    assert world.value("select count(*) from public.ai_drafts") == 0


def test_without_a_price_nothing_is_asked(world: Any, refused: Any) -> None:
    job = claimed(world)
    with refused("PT500", "price_unknown"):
        reserve(world, job, p_model="unheard-of")


@pytest.mark.parametrize(
    ("scope", "period", "said"),
    [("user", "day", "this user"), ("user", "month", "this user"), ("organisation", "day", "the organisation"),
     ("organisation", "month", "the organisation")],
)  # fmt: skip
def test_a_budget_that_is_used_up_says_when_it_resumes(
    world: Any, refused: Any, scope: str, period: str, said: str
) -> None:
    world.conn.execute("update public.ai_settings set time_zone = 'Asia/Tokyo'")
    world.conn.execute("delete from public.ai_budgets")
    world.conn.execute(
        "insert into public.ai_budgets (scope, period, limit_usd) values (%s, %s, 0.02)", [scope, period]
    )
    job = claimed(world)
    reserve(world, job)
    with refused("PT429", "budget_exhausted", match=f"{said} is used up for this {period}") as caught:
        reserve(world, claimed(world, p_draft_type="memo"))
    until = caught.value.diag.message_detail.partition(": ")[2]
    step = "1 day" if period == "day" else "1 month"
    begins = world.value(
        "select (date_trunc(%s, now() at time zone 'Asia/Tokyo') + %s::interval) at time zone 'Asia/Tokyo'",
        period,
        step,
    )
    assert world.value("select %s::timestamptz", until) == begins


def test_tokens_are_a_budget_too(world: Any, refused: Any) -> None:
    world.conn.execute("insert into public.ai_budgets (scope, period, limit_tokens) values ('user', 'month', 5000)")
    reserve(world, claimed(world))
    with refused("PT429", "budget_exhausted"):
        reserve(world, claimed(world, p_draft_type="memo"))


def test_a_budget_of_ones_own_goes_before_everybodys(world: Any, refused: Any) -> None:
    world.conn.execute(
        "insert into public.ai_budgets (scope, period, limit_usd, user_id) values ('user', 'day', 0.01, %s)",
        [world.users["ada"]],
    )
    with refused("PT429", "budget_exhausted"):
        reserve(world, claimed(world))
    assert reserve(world, claimed(world, "bob", "Bolt"))


def test_at_80_percent_the_cheaper_model_is_taken(world: Any) -> None:
    world.conn.execute("update public.ai_budgets set limit_usd = 0.02 where scope = 'user'")
    job = claimed(world)
    assert reserve(world, job, p_output_tokens=1100)["is_degraded"] is True  # 0.016 of 0.02
    assert claimed(world, p_draft_type="memo")["model"] == MODEL
    assert claimed(world, "bob", "Bolt")["model"] == "claude-sonnet-5-5"


def test_simple_work_goes_to_the_cheaper_model(world: Any) -> None:
    assert claimed(world, p_draft_type="note", p_purpose="custom")["model"] == MODEL
    assert claimed(world, p_draft_type="email", p_purpose="check_in")["model"] == MODEL
    assert claimed(world, p_draft_type="email", p_purpose="deal_update")["model"] == "claude-sonnet-5-5"


@pytest.mark.drill
def test_of_many_reservations_at_once_exactly_as_many_as_the_cap_admits_go_through(world: Any, race: Any) -> None:
    world.conn.execute("update public.ai_settings set open_jobs_per_user = 1000, drafts_per_minute = 1000")
    world.conn.execute("update public.ai_budgets set limit_usd = 0.15 where scope = 'user'")  # ten times 0.015
    world.ask("ada", "Acme", 40)
    jobs = world.claim(limit=40, lease=300)
    answers = race(len(jobs), lambda own, number: reserve(own, jobs[number]))
    refusals = [answer for answer in answers if isinstance(answer, psycopg.Error)]
    assert len(answers) - len(refusals) == 10
    assert {error.diag.message_detail.partition(":")[0] for error in refusals} == {"budget_exhausted"}
    assert ledger(world)["user", "day"][:2] == (Decimal(0), Decimal("0.15"))


def set_budget(world: Any, **arguments: Any) -> dict[str, Any]:
    return world.person("eve").rpc("set_budget", **{"p_scope": "user", "p_period": "day", **arguments})[0]


def test_an_admin_sets_budgets_and_each_change_is_in_the_audit(any_world: Any, refused: Any) -> None:
    world = any_world
    first = set_budget(world, p_limit_usd=1)
    assert set_budget(world, p_limit_usd=Decimal("0.01"))["id"] == first["id"]
    with refused("PT429", "budget_exhausted"):
        reserve(world, claimed(world))
    assert set_budget(world, p_subject=world.users["ada"], p_limit_tokens=10_000)["id"] != first["id"]
    assert reserve(world, claimed(world, p_draft_type="memo"))
    audited = world.conn.execute(
        "select details ->> 'usd' from agent.audit_log where action = 'budget_set' order by id"
    )
    assert [usd for (usd,) in audited] == ["1", "0.01", None]


def test_every_faulty_argument_of_a_budget_is_told_at_once(world: Any, refused: Any) -> None:
    with refused("PT400", "invalid_argument") as caught:
        set_budget(
            world, p_scope="team", p_period="year", p_limit_usd=-1, p_limit_tokens=-1, p_subject=world.clients["Acme"]
        )
    for argument in ("p_scope", "p_period", "p_limit_usd", "p_limit_tokens", "p_subject"):
        assert argument in str(caught.value)
    with refused("PT400", "invalid_argument", match="p_limit_usd"):
        set_budget(world, p_limit_usd=Decimal("NaN"))
    with refused("PT400", "invalid_argument", match="p_subject"):
        set_budget(world, p_scope="organisation", p_subject=world.users["ada"])
