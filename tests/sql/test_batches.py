"""The life of a batch: parked with its money, collected by whoever polls, due again where nothing comes of it."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

MODEL = "claude-haiku-5-5"


def paid(world: Any, draft_type: str = "email", *, is_batch: bool = True) -> dict[str, Any]:
    request = world.request(p_draft_type=draft_type)
    (job,) = world.worker.rpc("claim_job", p_job_id=request["job_id"], p_lease_seconds=60)
    reserve(world, job, is_batch=is_batch)
    return dict(job)


def reserve(world: Any, job: dict[str, Any], *, is_batch: bool = True) -> None:
    world.worker.rpc(
        "reserve_budget", p_job_token=job["token"], p_provider="anthropic", p_model=MODEL, p_input_tokens=2000,
        p_output_tokens=1000, p_is_batch=is_batch,
    )  # fmt: skip


def start(world: Any, *jobs: dict[str, Any]) -> list[dict[str, Any]]:
    listed = psycopg.types.json.Jsonb([{"token": job["token"], "context_version": "v1"} for job in jobs])
    return list(world.worker.rpc("start_batch", p_provider="anthropic", p_jobs=listed))


def submit(world: Any, batch_id: uuid.UUID, name: str | None = "msgbatch_1", usage: Any = None) -> None:
    world.worker.rpc("submit_batch", p_batch_id=batch_id, p_provider_batch_id=name, p_usage=usage)


def poll(world: Any) -> list[dict[str, Any]]:
    return list(world.worker.rpc("poll_batches", p_provider="anthropic"))


def job_row(world: Any) -> dict[str, Any]:
    return dict(world.one("select state, attempts, due_at > now() + interval '25 hours' as parked from agent.jobs"))


def test_a_batch_from_beginning_to_end(world: Any) -> None:
    job = paid(world)
    (item,) = start(world, job)
    assert item["job_id"] == job["job_id"]
    assert job_row(world) == {"state": "queued", "attempts": 0, "parked": True}  # being parked costs no attempt
    assert world.claim(limit=50) == []
    assert poll(world) == []  # nobody knows yet what the provider calls it
    submit(world, item["batch_id"])
    (batch,) = poll(world)
    assert batch["provider_batch_id"] == "msgbatch_1"
    (told,) = batch["items"]
    assert (told["custom_id"], told["job_id"]) == (str(item["custom_id"]), str(job["job_id"]))
    assert told["context_version"] == "v1"
    assert poll(world) == []  # asked about once in half a minute, whoever asks
    (job,) = world.worker.rpc("claim_job", p_job_id=job["job_id"], p_lease_seconds=60)
    world.complete(job, p_provider="anthropic", p_model=MODEL, p_usage='{"input_tokens": 2000, "output_tokens": 400}')
    # (2,000 x 0.10 + 400 x 0.50) / 1,000,000 = 0.0004, and half of it
    assert str(world.value("select cost_usd from public.ai_interactions where is_batch")) == "0.000200"
    (row,) = world.worker.rpc("end_batch", p_batch_id=item["batch_id"])
    assert row["end_batch"] == 0
    assert world.value("select count(*) from public.ai_drafts") == 1


def test_what_has_no_result_is_due_again_and_settled_by_the_next_attempt(world: Any) -> None:
    (item,) = start(world, paid(world))
    submit(world, item["batch_id"])
    (row,) = world.worker.rpc("end_batch", p_batch_id=item["batch_id"])
    assert row["end_batch"] == 1
    (job,) = world.claim()
    reserve(world, job, is_batch=False)
    costs = world.conn.execute(
        "select outcome, cost_usd = reserved_usd from public.ai_interactions where settled_at is not null"
    ).fetchall()
    assert costs == [("retried", True)]
    world.worker.rpc("end_batch", p_batch_id=item["batch_id"])  # said twice: nothing more
    assert world.value("select state from agent.jobs") == "running"


@pytest.mark.parametrize(
    ("usage", "cost"),
    [('{"input_tokens": 0, "output_tokens": 0}', "nothing"), (None, "all that was set aside")],
)
def test_a_batch_that_was_not_taken(world: Any, usage: str | None, cost: str) -> None:
    (item,) = start(world, paid(world))
    submit(world, item["batch_id"], None, usage)
    settled = world.one("select outcome, cost_usd, reserved_usd from public.ai_interactions")
    assert settled["outcome"] == "provider_unavailable"
    assert settled["cost_usd"] == (0 if cost == "nothing" else settled["reserved_usd"])
    assert len(world.claim()) == 1


def test_a_batch_whose_worker_died_before_it_was_named_is_given_up(world: Any) -> None:
    (item,) = start(world, paid(world))
    world.conn.execute("update agent.batches set created_at = now() - interval '14 minutes'")
    poll(world)
    assert world.claim() == []
    world.conn.execute("update agent.batches set created_at = now() - interval '16 minutes'")
    assert poll(world) == []
    assert len(world.claim()) == 1
    with pytest.raises(psycopg.Error) as caught:
        submit(world, item["batch_id"])
    assert caught.value.diag.message_detail == "batch_closed"


def test_a_day_later_a_parked_job_is_simply_due(world: Any) -> None:
    (item,) = start(world, paid(world))
    submit(world, item["batch_id"])
    world.conn.execute("update agent.jobs set due_at = due_at - interval '26 hours'")
    assert len(world.claim()) == 1


def test_one_refused_token_and_none_is_parked(world: Any, refused: Any) -> None:
    first, second = paid(world), paid(world, "note", is_batch=False)
    with refused("PT409", "not_reserved"):
        start(world, first, second)
    assert world.value("select count(*) from agent.jobs where state = 'running'") == 2
    assert world.value("select count(*) from agent.batches") == 0
    with refused("PT409", "not_reserved"):
        start(world, first, first)


@pytest.mark.drill
def test_of_many_workers_one_polls_a_batch(world: Any, race: Any) -> None:
    for draft_type in ("email", "note", "memo"):
        (item,) = start(world, paid(world, draft_type))
        submit(world, item["batch_id"], f"msgbatch_{draft_type}")
    polled = [batch["provider_batch_id"] for found in race(12, lambda mine, _: poll(mine)) for batch in found]
    assert sorted(polled) == ["msgbatch_email", "msgbatch_memo", "msgbatch_note"]
