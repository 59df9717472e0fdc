"""What an attempt costs, by hand: dollars for a million tokens, times tokens, over a million."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
AT = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
M = Decimal(1_000_000)

# model, tokens not cached, written to the cache, read from it, written by the model; through a batch?; dollars.
FIXTURES = [
    # haiku up to 100,000 prompt tokens: 0.10 in, 0.125 cache write, 0.01 cache read, 0.50 out
    (HAIKU, 0, 0, 0, 0, False, "0"),
    (HAIKU, 1_000, 0, 0, 0, False, "0.0001"),  # 1,000 x 0.10
    (HAIKU, 0, 0, 0, 1_000, False, "0.0005"),  # 1,000 x 0.50
    (HAIKU, 0, 1_000, 0, 0, False, "0.000125"),  # 1,000 x 0.125
    (HAIKU, 0, 0, 1_000, 0, False, "0.00001"),  # 1,000 x 0.01
    (HAIKU, 2_000, 4_000, 8_000, 500, False, "0.00103"),  # 0.0002 + 0.0005 + 0.00008 + 0.00025
    (HAIKU, 100_000, 0, 0, 0, False, "0.01"),  # exactly at the boundary: the first tier
    (HAIKU, 100_001, 0, 0, 0, False, "0.050001"),  # one above, 0.0500005, rounded half away from zero
    (HAIKU, 100_002, 0, 0, 0, False, "0.050001"),  # 100,002 x 0.50
    (HAIKU, 99_999, 0, 0, 1, False, "0.01"),  # 0.0099999 + 0.0000005 = 0.0100004: output is no part of the prompt
    (HAIKU, 60_000, 40_000, 0, 0, False, "0.011"),  # 0.006 + 0.005: together at the boundary
    (HAIKU, 60_000, 40_002, 0, 0, False, "0.055001"),  # 60,000 x 0.50 + 40,002 x 0.625 = 0.03 + 0.02500125
    (HAIKU, 0, 0, 100_000, 0, False, "0.001"),  # reads alone, at the boundary
    (HAIKU, 0, 0, 100_100, 0, False, "0.005005"),  # 100,100 x 0.05
    (HAIKU, 10_000, 20_000, 100_000, 2_000, False, "0.0275"),  # 0.005 + 0.0125 + 0.005 + 0.005, all above
    (HAIKU, 50_000, 0, 50_001, 1_000, False, "0.03"),  # 0.025 + 0.00250005 + 0.0025 = 0.03000005
    # the same through a batch: half of it
    (HAIKU, 1_000, 0, 0, 1_000, True, "0.0003"),  # (0.0001 + 0.0005) / 2
    (HAIKU, 0, 1_000, 1_000, 0, True, "0.000068"),  # 0.000135 / 2 = 0.0000675, rounded
    (HAIKU, 200_000, 0, 0, 10_000, True, "0.0625"),  # (0.10 + 0.025) / 2, above the boundary
    # sonnet: 2 in, 2.50 cache write, 0.10 cache read, 10 out; no second tier
    (SONNET, 1_500, 0, 0, 700, False, "0.01"),  # 0.003 + 0.007
    (SONNET, 0, 2_000, 0, 0, False, "0.005"),
    (SONNET, 0, 0, 2_000, 0, False, "0.0002"),
    (SONNET, 1_000_000, 0, 0, 0, False, "2"),
    (SONNET, 0, 0, 0, 1_000_000, False, "10"),
    (SONNET, 123, 456, 789, 321, False, "0.004675"),  # 0.000246 + 0.00114 + 0.0000789 + 0.00321 = 0.0046749
    (SONNET, 150_000, 0, 0, 0, False, "0.3"),
    (SONNET, 1_500, 0, 0, 700, True, "0.005"),
    # opus: 4 in, 5 cache write, 0.20 cache read, 20 out
    (OPUS, 1_000, 0, 0, 1_000, False, "0.024"),
    (OPUS, 0, 1_000, 10_000, 0, False, "0.007"),  # 0.005 + 0.002
    (OPUS, 7, 7, 7, 7, False, "0.000204"),  # 7 x 29.2 = 204.4 millionths
    (OPUS, 0, 0, 3, 0, False, "0.000001"),  # 0.6 millionths, rounded up
    (OPUS, 0, 0, 2, 0, False, "0"),  # 0.4 millionths
    (OPUS, 1_000, 0, 0, 1_000, True, "0.012"),
]
COST = "select agent.cost_usd(%s, %s, %s, %s, %s, %s, %s, %s)"


@pytest.mark.parametrize("fixture", FIXTURES, ids=str)
def test_a_cost_by_hand(any_world: Any, fixture: tuple[Any, ...]) -> None:
    model, *tokens, is_batch, dollars = fixture
    assert any_world.value(COST, "anthropic", model, AT, *tokens, is_batch) == Decimal(dollars)


def test_there_are_thirty() -> None:
    assert len(FIXTURES) >= 30


def test_nothing_costs_nothing_and_an_unknown_model_is_unknown(world: Any) -> None:
    assert world.value(COST, "offline", "offline-templates/1", AT, 9, 9, 9, 9, False) == 0
    assert world.value(COST, "anthropic", "claude-unheard-of", AT, 1, 0, 0, 1, False) is None
    assert world.value(COST, "somebody", HAIKU, AT, 1, 0, 0, 1, False) is None
    assert world.value(COST, "anthropic", HAIKU, dt.datetime(2025, 12, 31, tzinfo=dt.UTC), 1, 0, 0, 1, False) is None


@pytest.mark.parametrize(
    ("hours", "dollars"),
    [(-1, "2"), (0, "3"), (1, "3")],
    ids=["before", "at", "after"],
)
def test_a_new_price_holds_from_its_moment_on(world: Any, hours: int, dollars: str) -> None:
    world.conn.execute(
        "insert into agent.model_prices (provider, model, effective_at, input_usd, cache_write_usd, cache_read_usd,"
        " output_usd) values ('anthropic', %s, %s, 3, 3, 3, 3)",
        [SONNET, AT],
    )
    moment = AT + dt.timedelta(hours=hours)
    assert world.value(COST, "anthropic", SONNET, moment, 1_000_000, 0, 0, 0, False) == Decimal(dollars)


def test_an_attempt_is_settled_at_the_price_of_its_day(world: Any) -> None:
    """A price that changes while the model writes is not the one it was asked at."""
    world.request()
    (job,) = world.claim()
    world.worker.rpc(
        "reserve_budget", p_job_token=job["token"], p_provider="anthropic", p_model=SONNET, p_input_tokens=1000,
        p_output_tokens=1000,
    )  # fmt: skip
    world.conn.execute("update public.ai_interactions set created_at = now() - interval '1 hour'")
    world.conn.execute(
        "insert into agent.model_prices (provider, model, effective_at, input_usd, cache_write_usd, cache_read_usd,"
        " output_usd) values ('anthropic', %s, now() - interval '1 minute', 100, 100, 100, 100)",
        [SONNET],
    )
    world.complete(job, p_provider="anthropic", p_model=SONNET, p_usage='{"input_tokens": 1000, "output_tokens": 100}')
    spent = world.value(
        "select cost_usd from public.ai_interactions where settled_at is not null and model = %s", SONNET
    )
    assert spent == (1000 * 2 + 100 * 10) / M
