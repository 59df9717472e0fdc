"""The runner against a server that fails on order: what is written, and what must not be."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from agent_service.drafts import draft_handler
from agent_service.errors import (
    AccessDeniedError,
    InvalidOutputError,
    KeyRefusedError,
    NotFoundError,
    ServerFailedError,
    UnexpectedAnswerError,
    WriterRateLimitedError,
    WriterUnavailableError,
)
from agent_service.failures import fail_code_of
from agent_service.jobs import Jobs
from agent_service.llm.offline import OfflineWriter
from agent_service.llm.protocol import DraftText
from agent_service.supabase import Supabase
from workers.runner import Runner, RunnerOptions


class StubWriter:
    """A writer that waits, or fails, or answers."""

    def __init__(self, *, seconds=0.0, error=None):
        self.seconds, self.error = seconds, error
        self.briefs = []
        self.running = self.most = 0

    async def write(self, brief):
        self.briefs.append(brief)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        if self.error:
            raise self.error
        return DraftText(subject="S", content="C", language="en", provider="stub", model="stub/1")


@asynccontextmanager
async def runner_for(fake, writer=None, **options):
    async with Supabase(fake.url, SecretStr("sb_publishable_for_tests")) as supabase:
        jobs = Jobs(supabase, SecretStr(fake.worker_key))
        settings = {"once": True, "poll_min": 0.02, "poll_max": 0.1} | options
        yield Runner(jobs, {"draft": draft_handler(jobs, writer or OfflineWriter())}, RunnerOptions(**settings))


def drain(fake, writer=None, **options):
    async def run():
        async with runner_for(fake, writer, **options) as runner:
            return await runner.run()

    return asyncio.run(run())


def states(fake):
    return [job["state"] for job in fake.jobs.values()]


def test_a_queue_is_drained_and_the_drafts_are_written(fake, context_json):
    ids = [fake.add_job(draft_type=draft_type) for draft_type in ("email", "note", "task", "memo")]
    summary = drain(fake)
    assert summary.ended == {"done": 4}
    assert set(fake.drafts) == set(ids)
    email = fake.drafts[ids[0]]
    assert "Dana" in email["p_content"]
    assert email["p_provider"] == "offline"
    assert email["p_language"] == "en"
    assert email["p_context"] == context_json
    assert {"kind": "deal", "id": context_json["activeDeals"][0]["id"]}.items() <= email["p_grounding"]["facts"][
        2
    ].items()
    assert set(email["p_usage"]) == {
        "input_tokens", "cache_write_tokens", "cache_read_tokens", "output_tokens", "latency_ms",
        "time_to_first_token_ms", "request_id",
    }  # fmt: skip
    assert fake.drafts[ids[2]]["p_details"].keys() == {"due_at", "priority"}


def test_reading_and_writing_is_done_with_the_jobs_token_and_the_rest_with_the_workers(fake):
    fake.add_job()
    drain(fake)
    bearer = {name: headers["authorization"] for name, _, headers in fake.calls}
    assert bearer["claim_jobs"] == f"Bearer {fake.worker_key}"
    assert bearer["get_client_context"] == bearer["complete_draft_job"] != bearer["claim_jobs"]


@pytest.mark.parametrize(
    ("asked", "preferred", "expected"), [("de", "fr", "de"), (None, "fr", "fr"), (None, None, "en"), (None, "", "en")]
)
def test_the_language_is_the_requests_then_the_clients_then_english(fake, context_json, asked, preferred, expected):
    context_json["client"]["preferredLanguage"] = preferred
    fake.context = context_json
    fake.add_job(language=asked)
    writer = StubWriter()
    drain(fake, writer)
    assert writer.briefs[0].language == expected


def test_no_more_jobs_are_held_than_there_is_room_for(fake):
    for _ in range(7):
        fake.add_job()
    writer = StubWriter(seconds=0.05)
    assert drain(fake, writer, concurrency=3).ended == {"done": 7}
    assert writer.most == 3
    assert all(params["p_limit"] <= 3 for name, params, _ in fake.calls if name == "claim_jobs")


def test_a_lost_answer_to_completing_is_asked_for_again_and_writes_one_draft(fake, answer):
    job_id = fake.add_job()
    fake.faults["complete_draft_job"] = ["lost", answer(503), "lost"]
    summary = drain(fake)
    assert summary.ended == {"done": 1}
    assert list(fake.drafts) == [job_id]
    assert fake.names().count("complete_draft_job") == 4


def test_a_stale_fence_drops_the_job_and_writes_nothing(fake, answer):
    fake.add_job()
    fake.faults["complete_draft_job"] = [answer(409, "stale_fence")]
    assert drain(fake).ended == {"lost": 1}
    assert fake.drafts == {}
    assert "fail_job" not in fake.names()


def test_a_job_taken_by_another_worker_is_cancelled_at_the_next_heartbeat(fake):
    job_id = fake.add_job()
    writer = StubWriter(seconds=30)

    async def run():
        async with runner_for(fake, writer, lease_seconds=1) as runner:
            running = asyncio.create_task(runner.run())
            await asyncio.to_thread(fake.wait_for, lambda: writer.briefs)
            fake.jobs[job_id]["fence"] += 1
            return await running

    started = time.monotonic()
    assert asyncio.run(run()).ended == {"lost": 1}
    assert time.monotonic() - started < 5
    assert not {"complete_draft_job", "fail_job"} & set(fake.names())


def test_heartbeats_go_on_and_their_token_is_used_from_then_on(fake):
    fake.add_job()
    drain(fake, StubWriter(seconds=1.0), lease_seconds=1)
    beats = [params["p_job_token"] for name, params, _ in fake.calls if name == "heartbeat_job"]
    assert len(beats) >= 2
    assert len(set(beats)) == len(beats)
    last = next(headers for name, _, headers in fake.calls if name == "complete_draft_job")
    first = next(headers for name, _, headers in fake.calls if name == "get_client_context")
    assert last["authorization"] != first["authorization"]


def test_a_failing_heartbeat_does_not_end_the_work(fake, answer):
    fake.add_job()
    fake.faults["heartbeat_job"] = [answer(503)]
    assert drain(fake, StubWriter(seconds=1.0), lease_seconds=1).ended == {"done": 1}


def test_an_expired_token_is_renewed(fake, answer):
    fake.add_job()
    fake.faults["complete_draft_job"] = [answer(401, code="PGRST303", message="JWT expired")]
    assert drain(fake).ended == {"done": 1}
    assert "heartbeat_job" in fake.names()


@pytest.mark.parametrize(
    ("refusal", "code", "ended"),
    [
        ((404, "client_not_found"), "client_not_found", "failed"),
        ((403, "user_inactive"), "user_inactive", "cancelled"),
        ((403, None), "access_lost", "failed"),
        ((401, None), "configuration", "failed"),
        ((400, "invalid_output"), "invalid_output", "failed"),
    ],
)
def test_a_refused_completion_closes_the_job_with_the_reason(fake, answer, refusal, code, ended):
    job_id = fake.add_job()
    fake.faults["complete_draft_job"] = [answer(*refusal)]
    summary = drain(fake)
    assert summary.ended == {ended: 1}
    assert fake.jobs[job_id]["code"] == code
    assert fake.drafts == {}


def test_a_delay_the_provider_asks_for_is_spent_in_the_queue(fake):
    job_id = fake.add_job()
    error = WriterRateLimitedError()
    error.retry_after = 90.0
    started = time.monotonic()
    assert drain(fake, StubWriter(error=error)).ended == {"queued": 1}
    assert time.monotonic() - started < 3
    params = next(params for name, params, _ in fake.calls if name == "fail_job")
    assert (params["p_code"], params["p_retry_after_seconds"]) == ("provider_rate_limited", 90)
    assert fake.jobs[job_id]["state"] == "queued"


def test_a_bug_in_a_handler_costs_one_attempt_and_not_the_worker(fake):
    fake.add_job()
    fake.add_job()
    assert drain(fake, StubWriter(error=ZeroDivisionError())).ended == {"queued": 2}
    assert {job["code"] for job in fake.jobs.values()} == {"internal_error"}


def test_the_jobs_deadline_is_kept(fake):
    job_id = fake.add_job()
    fake.jobs[job_id]["deadline"] = 0.1
    assert drain(fake, StubWriter(seconds=30)).ended == {"queued": 1}
    assert fake.jobs[job_id]["code"] == "provider_unavailable"


def test_used_up_attempts_fail_for_good(fake):
    job_id = fake.add_job()
    fake.jobs[job_id]["attempts"] = 2
    assert drain(fake, StubWriter(error=WriterUnavailableError())).ended == {"failed": 1}


def test_a_payload_this_version_does_not_know_is_a_configuration_fault(fake):
    job_id = fake.add_job(draft_type="poem")
    assert drain(fake).ended == {"failed": 1}
    assert fake.jobs[job_id]["code"] == "configuration"


def test_once_gives_up_on_a_server_that_is_not_there(fake):
    fake.stop()
    summary = drain(fake, unreachable_tries=2)
    fake.restart()
    assert summary.fatal is not None


def test_a_refused_key_ends_the_worker_even_in_its_loop(fake, answer):
    fake.faults["claim_jobs"] = [answer(401, "worker_key_refused")]
    assert drain(fake, once=False).fatal.detail_code == "worker_key_refused"


def test_the_loop_outlives_a_gateway_that_goes_away_and_comes_back(fake):
    fake.add_job()

    async def run():
        async with runner_for(fake, once=False) as runner:
            running = asyncio.create_task(runner.run())
            await asyncio.to_thread(fake.wait_for, lambda: len(fake.drafts) >= 1)
            await asyncio.to_thread(fake.stop)
            await asyncio.sleep(0.2)
            assert not running.done()
            fake.add_job()
            await asyncio.to_thread(fake.restart)
            await asyncio.to_thread(fake.wait_for, lambda: len(fake.drafts) >= 2)
            runner.stop()
            return await running

    assert asyncio.run(asyncio.wait_for(run(), 20)).ended == {"done": 2}


def test_a_wake_up_cuts_the_pause_short(fake):
    async def run():
        async with runner_for(fake, once=False, poll_min=30, poll_max=30) as runner:
            running = asyncio.create_task(runner.run())
            await asyncio.to_thread(fake.wait_for, lambda: fake.calls)
            await asyncio.sleep(0.05)
            fake.add_job()
            runner.wake()
            await asyncio.to_thread(fake.wait_for, lambda: fake.drafts)
            runner.stop()
            return await running

    assert asyncio.run(asyncio.wait_for(run(), 10)).ended == {"done": 1}


def test_an_empty_queue_is_asked_less_and_less(fake):
    async def run():
        async with runner_for(fake, once=False, poll_min=0.05, poll_max=0.4) as runner:
            running = asyncio.create_task(runner.run())
            await asyncio.sleep(1.5)
            runner.stop()
            await running

    asyncio.run(run())
    assert 4 <= len(fake.calls) <= 12  # every 0.05 s it would be 30


def stop_while_working(fake, writer, *, signals=1, **options):
    async def run():
        async with runner_for(fake, writer, once=False, **options) as runner:
            running = asyncio.create_task(runner.run())
            await asyncio.to_thread(fake.wait_for, lambda: writer.briefs)
            for _ in range(signals):
                runner.stop()
            return await running

    started = time.monotonic()
    return asyncio.run(run()), time.monotonic() - started


def test_stop_finishes_what_it_holds_and_claims_no_more(fake):
    fake.add_job()
    summary, _ = stop_while_working(fake, StubWriter(seconds=0.3), concurrency=1)
    assert summary.ended == {"done": 1}
    claims = fake.names().count("claim_jobs")
    assert claims == 1


def test_stop_returns_what_it_cannot_finish_without_costing_an_attempt(fake):
    job_id = fake.add_job()
    summary, seconds = stop_while_working(fake, StubWriter(seconds=60), finish_seconds=0.2)
    assert summary.ended == {"returned": 1}
    assert seconds < 5
    assert (fake.jobs[job_id]["state"], fake.jobs[job_id]["attempts"]) == ("queued", 0)


def test_a_second_stop_does_not_wait(fake):
    fake.add_job()
    summary, seconds = stop_while_working(fake, StubWriter(seconds=60), signals=2, finish_seconds=30)
    assert summary.ended == {"returned": 1}
    assert seconds < 5


def test_stop_does_not_hang_on_a_server_that_does_not_answer(fake):
    fake.add_job()
    fake.faults["fail_job"] = [30]
    _, seconds = stop_while_working(fake, StubWriter(seconds=60), finish_seconds=0.1, return_seconds=0.3)
    assert seconds < 5


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ServerFailedError(), "database_unavailable"),
        (WriterUnavailableError(), "provider_unavailable"),
        (InvalidOutputError(), "invalid_output"),
        (UnexpectedAnswerError(), "configuration"),
        (KeyRefusedError(status=401), "configuration"),
        (AccessDeniedError(status=403, code="42501"), "access_lost"),
        (NotFoundError(status=404, detail_code="client_not_found"), "client_not_found"),
        (NotFoundError(status=404, code="PGRST202"), "configuration"),
        (TimeoutError(), "provider_unavailable"),
        (RuntimeError(), "internal_error"),
    ],
)
def test_every_fault_has_its_code(error, code):
    assert fail_code_of(error) == code
