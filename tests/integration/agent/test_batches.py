"""Drafts that can wait, through the batch interface of a provider, at half the price and without losing any."""

import asyncio
import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest
from pydantic import SecretStr

from agent_service.batching import Batching
from agent_service.drafts import draft_handler
from agent_service.llm.anthropic import AnthropicProvider
from agent_service.llm.offline import OfflineProvider
from agent_service.writing import Providers
from tests.double import KEY, Double
from tests.double.faults import Expired, InvalidRequest, Missing, Overloaded, ServerError

TYPES = ("email", "note", "task", "memo")


@pytest.fixture
def double():
    with Double() as double:
        yield double


@pytest.fixture
def rounds(on_stack, person, double):
    """Ask for a draft of each type, then let `step(batching)` do what it does."""

    def run(step):
        async def main(supabase, jobs):
            for draft_type in TYPES:
                params = {"p_client_id": str(person.client_id), "p_draft_type": draft_type, "p_purpose": "follow_up"}
                await supabase.rpc("request_draft", params, token=person.token)
            model = AnthropicProvider(SecretStr(KEY), base_url=double.url)
            try:
                batching = Batching(jobs, model, draft_handler(jobs, Providers(OfflineProvider(), model)))
                await step(batching)
            finally:
                await model.aclose()
            return batching.ended, await supabase.select("ai_drafts", token=person.token)

        return on_stack(main)

    return run


def attempts(sql, person):
    return sql.execute(
        "select outcome, is_batch, cost_usd, reserved_usd, input_tokens, output_tokens, model"
        " from public.ai_interactions where user_id = %s order by created_at, id",
        [person.id],
    ).fetchall()


def poll_now(sql):
    sql.execute("update agent.batches set polled_at = null")


def test_a_batch_is_written_at_half_the_price(rounds, sql, person, double):
    double.batch_polls = 1

    async def step(batching):
        assert await batching.send() == len(TYPES)
        parked = sql.execute("select state, attempts, due_at > now() + interval '25 hours' from agent.jobs").fetchall()
        assert set(parked) == {("queued", 0, True)}
        await batching.collect()  # not ended yet
        assert batching.ended == {"sent": len(TYPES)}
        poll_now(sql)
        await batching.collect()

    ended, drafts = rounds(step)
    assert ended == {"sent": len(TYPES), "done": len(TYPES)}
    assert {draft["draft_type"] for draft in drafts} == set(TYPES)
    assert {draft["provider"] for draft in drafts} == {"anthropic"}
    assert all(draft["context_version"] for draft in drafts)
    prices = {"claude-sonnet-5-5": (2, 10), "claude-haiku-5-5": (Decimal("0.1"), Decimal("0.5"))}
    rows = attempts(sql, person)
    assert len(rows) == len(TYPES)
    for outcome, is_batch, cost, reserved, read, written, model in rows:
        price_in, price_out = prices[model]
        assert (outcome, is_batch) == ("completed", True)
        assert cost == round((read * price_in + written * price_out) / Decimal(2_000_000), 6)
        assert 0 < cost <= reserved
    spent = sql.execute("select spent_usd, reserved_usd from agent.ledger where user_id = %s", [person.id]).fetchall()
    assert set(spent) == {(sum(row[2] for row in rows), Decimal(0))}


def test_results_that_are_missing_expired_or_failed_are_written_in_the_end(rounds, sql, person, double):
    double.script(Missing(), Expired(), ServerError(), None, at="batch_item")

    async def step(batching):
        await batching.send()
        poll_now(sql)
        await batching.collect()
        assert batching.ended["done"] == 1
        sql.execute("update agent.jobs set due_at = now() where state = 'queued'")
        await batching.send()
        poll_now(sql)
        await batching.collect()

    ended, drafts = rounds(step)
    assert len(drafts) == len(TYPES)
    assert ended["done"] == len(TYPES)
    rows = attempts(sql, person)
    assert sorted(row[0] for row in rows) == sorted(
        [*["completed"] * len(TYPES), "provider_unavailable", "provider_unavailable", "retried"]
    )
    missing = next(row for row in rows if row[0] == "retried")
    assert missing[2] == missing[3]  # nobody knows what it cost: all that was set aside
    assert {row[2] for row in rows if row[0] == "provider_unavailable"} == {0}


def test_a_batch_that_is_not_taken_leaves_its_jobs_due(rounds, sql, person, double):
    double.script(Overloaded(), at="batches")

    async def step(batching):
        await batching.send()
        assert sql.execute("select count(*) from agent.jobs where state = 'queued' and due_at <= now()").fetchone() == (
            4,
        )
        await batching.send()
        poll_now(sql)
        await batching.collect()

    _, drafts = rounds(step)
    assert len(drafts) == len(TYPES)
    assert [row[2] for row in attempts(sql, person) if row[0] == "provider_unavailable"] == [0] * len(TYPES)


def test_a_result_that_can_be_no_draft_ends_as_one_that_came_at_once(rounds, sql, person, double):
    double.script(InvalidRequest(), None, None, None, at="batch_item")

    async def step(batching):
        await batching.send()
        poll_now(sql)
        await batching.collect()

    ended, drafts = rounds(step)
    assert len(drafts) == len(TYPES) - 1
    assert ended["queued"] == 1
    assert sql.execute("select state, failure_code from agent.jobs where state <> 'done'").fetchall() == [
        ("queued", "provider_refused")
    ]


def test_a_worker_that_dies_before_it_learns_the_batchs_id_loses_nothing(rounds, sql, person, double):
    async def step(batching):
        submit, batching.jobs.submit_batch = batching.jobs.submit_batch, _die
        with pytest.raises(ConnectionResetError):
            await batching.send()
        batching.jobs.submit_batch = submit
        sql.execute("update agent.batches set created_at = now() - interval '16 minutes'")
        await batching.collect()
        assert await batching.send() == len(TYPES)
        poll_now(sql)
        await batching.collect()

    _, drafts = rounds(step)
    assert len(drafts) == len(TYPES)
    rows = attempts(sql, person)
    assert [row[0] for row in rows].count("retried") == len(TYPES)
    spent = sql.execute("select spent_usd, reserved_usd from agent.ledger where user_id = %s", [person.id]).fetchall()
    assert set(spent) == {(sum(row[2] for row in rows), Decimal(0))}


def test_a_batch_that_the_provider_no_longer_has_is_written_anew(rounds, sql, double):
    async def step(batching):
        await batching.send()
        double.reset()
        poll_now(sql)
        await batching.collect()
        assert await batching.send() == len(TYPES)

    ended, _ = rounds(step)
    assert ended == {"sent": 2 * len(TYPES)}


def test_the_command_sends_and_collects(stack, rounds, sql, double):
    environment = os.environ | stack.env() | {"ANTHROPIC_BASE_URL": double.url, "ANTHROPIC_API_KEY": KEY}

    def work():
        command = [sys.executable, "-m", "agent_service.cli", "work", "--once", "--batch", "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)["ended"]

    async def step(_batching):
        assert await asyncio.to_thread(work) == {"sent": len(TYPES)}
        poll_now(sql)
        assert await asyncio.to_thread(work) == {"done": len(TYPES)}

    _, drafts = rounds(step)
    assert len(drafts) == len(TYPES)


async def _die(*_args, **_options):
    raise ConnectionResetError
