"""How a job ends otherwise: tried again later, given back, or closed with a sentence for the person who asked."""

from __future__ import annotations

from typing import Any

import pytest

RETRYABLE = [
    "database_unavailable",
    "internal_error",
    "mail_deferred",
    "provider_rate_limited",
    "provider_refused",
    "provider_unavailable",
    "unusable_output",
]
PERMANENT = [
    "access_lost", "ai_off", "budget_exhausted", "client_erased", "client_not_found", "configuration",
    "consent_withdrawn", "draft_changed", "draft_edited", "email_not_allowed", "invalid_output", "mail_not_set_up",
    "mail_refused", "recipient_changed", "refused", "send_cap", "send_unknown", "too_large", "too_old",
]  # fmt: skip


@pytest.fixture
def job(world: Any) -> dict[str, Any]:
    """Ada's job for Acme, claimed."""
    world.request(p_hints="Mention the fair.")
    return world.claim()[0]


def fail(world: Any, job: dict[str, Any], code: str, **arguments: Any) -> str:
    return world.worker.rpc("fail_job", p_job_token=job["token"], p_code=code, **arguments)[0]["fail_job"]


def delay(world: Any) -> int:
    """Seconds from the failure until the job is due."""
    last = "(select max(created_at) from public.ai_interactions)"  # now() of the same transaction
    return int(world.value(f"select extract(epoch from due_at - {last}) from agent.jobs"))


def test_the_delay_doubles_until_the_attempts_are_used_up(world: Any, job: dict[str, Any]) -> None:
    delays = []
    for _ in range(4):
        assert fail(world, job, "internal_error") == "queued"
        delays.append(delay(world))
        assert world.claim() == []
        world.conn.execute("update agent.jobs set due_at = now()")
        (job,) = world.claim()
    assert delays == [15, 30, 60, 120]
    assert fail(world, job, "internal_error") == "failed"
    assert world.one("select state, failure_code from agent.jobs") == {
        "state": "failed",
        "failure_code": "attempts_exhausted",
    }
    told = world.one("select state, error from public.ai_draft_requests")
    assert told == {"state": "failed", "error": "This could not be written after several attempts. You can ask again."}
    booked = world.conn.execute("select attempt, outcome from public.ai_interactions order by attempt").fetchall()
    assert booked == [(attempt, "internal_error") for attempt in range(1, 6)]


def test_a_job_waits_for_a_provider_that_turns_it_away(world: Any, job: dict[str, Any]) -> None:
    """Nothing was set aside: it cost nothing, and costs the job none of its attempts, for a day."""
    delays = []
    for _ in range(8):
        assert fail(world, job, "provider_unavailable") == "queued"
        delays.append(delay(world))
        world.conn.execute("update agent.jobs set due_at = now()")
        (job,) = world.claim()
    assert delays == [15, 30, 60, 120, 240, 480, 600, 600]
    assert world.value("select attempts from agent.jobs") == 1
    world.conn.execute("update agent.jobs set created_at = now() - interval '25 hours', max_attempts = 1")
    assert fail(world, job, "provider_unavailable") == "failed"


def test_the_delay_ends_at_ten_minutes(world: Any, job: dict[str, Any]) -> None:
    world.conn.execute("update agent.jobs set max_attempts = 50, attempts = 40")
    fail(world, job, "internal_error")
    assert delay(world) == 600


@pytest.mark.parametrize("seconds", [0, 120, 86400])
def test_what_the_provider_asks_for_is_kept_to(world: Any, job: dict[str, Any], seconds: int) -> None:
    assert fail(world, job, "provider_rate_limited", p_retry_after_seconds=seconds) == "queued"
    assert delay(world) == seconds
    assert len(world.claim()) == (seconds == 0)


@pytest.mark.parametrize("code", RETRYABLE)
def test_the_person_is_told_that_it_will_be_tried_again(world: Any, job: dict[str, Any], code: str) -> None:
    fail(world, job, code)
    sentence = world.value("select sentence from agent.failure_codes where code = %s and retryable", code)
    assert sentence.endswith("It will be tried again.")
    assert world.one("select state, error from public.ai_draft_requests") == {"state": "queued", "error": sentence}
    world.conn.execute("update agent.jobs set due_at = now()")
    world.complete(world.claim()[0])
    assert world.one("select state, error from public.ai_draft_requests") == {"state": "done", "error": None}


def test_a_returned_job_costs_no_attempt_and_wakes_a_worker_at_once(
    world: Any, job: dict[str, Any], database: Any
) -> None:
    world.conn.execute("update agent.jobs set attempts = max_attempts")
    with database.connect() as listener:
        listener.execute("listen agent_jobs")
        assert fail(world, job, "returned", p_retry_after_seconds=600) == "queued"
        assert [n.payload for n in listener.notifies(timeout=10, stop_after=1)] == [""]
    (again,) = world.claim()
    assert (again["attempt"], again["fence"]) == (again["max_attempts"], job["fence"] + 1)


def test_a_returned_job_keeps_its_turn(world: Any, job: dict[str, Any]) -> None:
    world.ask("ada", "Acme", 3)
    fail(world, job, "returned")
    assert world.claim()[0]["job_id"] == job["job_id"]


@pytest.mark.parametrize("code", PERMANENT)
def test_a_permanent_failure_closes_the_job_with_its_sentence(world: Any, job: dict[str, Any], code: str) -> None:
    assert fail(world, job, code, p_retry_after_seconds=5) == "failed"
    sentence = world.value("select sentence from agent.failure_codes where code = %s and not retryable", code)
    assert world.one("select state, error from public.ai_draft_requests") == {"state": "failed", "error": sentence}
    row = world.one("select state, failure_code, payload from agent.jobs")
    assert (row["state"], row["failure_code"], "hints" in row["payload"]) == ("failed", code, False)
    audited = world.one("select actor, actor_id, details from agent.audit_log where action = 'job_failed'")
    assert audited == {"actor": "worker", "actor_id": world.worker_jti, "details": {"code": code}}
    assert world.claim() == []


@pytest.mark.parametrize("code", ["nonsense", "attempts_exhausted", None])
def test_an_unknown_code_is_answered_with_the_list(
    world: Any, job: dict[str, Any], refused: Any, code: str | None
) -> None:
    with refused("PT400", "invalid_argument") as caught:
        fail(world, job, code)  # type: ignore[arg-type]
    known = sorted([*RETRYABLE, *PERMANENT, "cancelled", "returned", "user_inactive"])
    assert caught.value.diag.message_hint == f"One of: {', '.join(known)}"
    assert world.value("select state from agent.jobs") == "running"


@pytest.mark.parametrize("seconds", [-1, 86401])
def test_a_delay_is_a_day_at_most(world: Any, job: dict[str, Any], refused: Any, seconds: int) -> None:
    with refused("PT400", "invalid_argument", match="p_retry_after_seconds"):
        fail(world, job, "provider_unavailable", p_retry_after_seconds=seconds)


@pytest.mark.parametrize(
    ("code", "state"), [("internal_error", "queued"), ("refused", "failed"), ("user_inactive", "cancelled")]
)
def test_the_same_call_again_has_the_same_answer_and_books_once(
    world: Any, job: dict[str, Any], code: str, state: str
) -> None:
    usage = {"provider": "anthropic", "model": "some-model", "input_tokens": 900, "output_tokens": 3}
    assert [fail(world, job, code, p_usage=usage) for _ in range(3)] == [state] * 3
    (booked,) = world.conn.execute(
        "select provider, model, input_tokens, output_tokens, outcome from public.ai_interactions"
    )
    assert booked == ("anthropic", "some-model", 900, 3, code)
    assert world.value("select count(*) from agent.audit_log where action ~ '^job_' and action <> 'job_claimed'") == 1


def test_what_is_done_does_not_fail(world: Any, job: dict[str, Any]) -> None:
    world.complete(job)
    assert fail(world, job, "internal_error") == "done"
    assert world.value("select outcome from public.ai_interactions") == "completed"


def test_a_stale_worker_fails_nothing(world: Any, job: dict[str, Any], refused: Any) -> None:
    world.conn.execute("update agent.jobs set due_at = now() - interval '1 second'")
    (taken,) = world.claim()
    with refused("PT409", "stale_fence"):
        fail(world, job, "refused")
    assert world.value("select state from agent.jobs") == "running"
    assert world.value("select array_agg(outcome) from public.ai_interactions") == ["lease_expired"]
    assert world.complete(taken)
