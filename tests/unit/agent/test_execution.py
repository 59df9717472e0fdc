"""One claimed job against a server that fails on order: what is written, and what must not be."""

import asyncio
import copy
import time

import pytest

from agent_service.errors import (
    AccessDeniedError,
    InvalidOutputError,
    KeyRefusedError,
    NotFoundError,
    ProviderRateLimitedError,
    ProviderUnavailableError,
    ServerFailedError,
    UnexpectedAnswerError,
)
from agent_service.failures import fail_code_of


def test_reading_and_writing_is_done_with_the_jobs_token_and_the_rest_with_the_workers(fake, drain):
    fake.add_job()
    drain()
    bearer = {name: headers["authorization"] for name, _, headers in fake.calls}
    assert bearer["claim_jobs"] == f"Bearer {fake.worker_key}"
    assert bearer["get_client_context"] == bearer["complete_draft_job"] != bearer["claim_jobs"]


@pytest.mark.parametrize(
    ("languages", "expected"), [(("de", "fr"), "de"), ((None, "fr"), "fr"), ((None, None), "en"), ((None, ""), "en")]
)
def test_the_language_is_the_requests_then_the_clients_then_english(fake, drain, stub_writer, languages, expected):
    asked, preferred = languages
    context_json = copy.deepcopy(fake.context)
    context_json["client"]["preferredLanguage"] = preferred
    fake.context = context_json
    fake.add_job(language=asked)
    writer = stub_writer()
    drain(writer)
    assert writer.briefs[0].language == expected


def test_a_lost_answer_to_completing_is_asked_for_again_and_writes_one_draft(fake, answer, drain):
    job_id = fake.add_job()
    fake.faults["complete_draft_job"] = ["lost", answer(503), "lost"]
    summary = drain()
    assert summary.ended == {"done": 1}
    assert list(fake.drafts) == [job_id]
    assert fake.names().count("complete_draft_job") == 4


def test_a_stale_fence_drops_the_job_and_writes_nothing(fake, answer, drain):
    fake.add_job()
    fake.faults["complete_draft_job"] = [answer(409, "stale_fence")]
    assert drain().ended == {"lost": 1}
    assert fake.drafts == {}
    assert "fail_job" not in fake.names()


def test_a_heartbeat_that_its_jobs_completion_overtook_ends_nothing(fake, drain):
    fake.add_job()
    fake.faults["complete_draft_job"] = ["late"]
    assert drain(lease_seconds=1).ended == {"done": 1}
    assert "heartbeat_job" in fake.names()


def test_a_job_taken_by_another_worker_is_cancelled_at_the_next_heartbeat(fake, runner_for, stub_writer):
    job_id = fake.add_job()
    writer = stub_writer(seconds=30)

    async def run():
        async with runner_for(writer, lease_seconds=1) as runner:
            running = asyncio.create_task(runner.run())
            await asyncio.to_thread(fake.wait_for, lambda: writer.briefs)
            fake.jobs[job_id]["fence"] += 1
            return await running

    started = time.monotonic()
    assert asyncio.run(run()).ended == {"lost": 1}
    assert time.monotonic() - started < 5
    assert not {"complete_draft_job", "fail_job"} & set(fake.names())


def test_heartbeats_go_on_and_their_token_is_used_from_then_on(fake, drain, stub_writer):
    fake.add_job()
    drain(stub_writer(seconds=1.0), lease_seconds=1)
    beats = [params["p_job_token"] for name, params, _ in fake.calls if name == "heartbeat_job"]
    assert len(beats) >= 2
    assert len(set(beats)) == len(beats)
    last = next(headers for name, _, headers in fake.calls if name == "complete_draft_job")
    first = next(headers for name, _, headers in fake.calls if name == "get_client_context")
    assert last["authorization"] != first["authorization"]


def test_a_failing_heartbeat_does_not_end_the_work(fake, answer, drain, stub_writer):
    fake.add_job()
    fake.faults["heartbeat_job"] = [answer(503)]
    assert drain(stub_writer(seconds=1.0), lease_seconds=1).ended == {"done": 1}


def test_an_expired_token_is_renewed(fake, answer, drain):
    fake.add_job()
    fake.faults["complete_draft_job"] = [answer(401, code="PGRST303", message="JWT expired")]
    assert drain().ended == {"done": 1}
    assert "heartbeat_job" in fake.names()


@pytest.mark.parametrize(
    ("refusal", "closed"),
    [
        ((404, "client_not_found"), ("client_not_found", "failed")),
        ((403, "user_inactive"), ("user_inactive", "cancelled")),
        ((403, None), ("access_lost", "failed")),
        ((401, None), ("configuration", "failed")),
        ((400, "invalid_output"), ("invalid_output", "failed")),
    ],
)
def test_a_refused_completion_closes_the_job_with_the_reason(fake, answer, refusal, closed, drain):
    code, ended = closed
    job_id = fake.add_job()
    fake.faults["complete_draft_job"] = [answer(*refusal)]
    summary = drain()
    assert summary.ended == {ended: 1}
    assert fake.jobs[job_id]["code"] == code
    assert fake.drafts == {}


def test_a_delay_the_provider_asks_for_is_spent_in_the_queue(fake, drain, stub_writer):
    job_id = fake.add_job()
    error = ProviderRateLimitedError()
    error.retry_after = 90.0
    started = time.monotonic()
    assert drain(stub_writer(error=error)).ended == {"queued": 1}
    assert time.monotonic() - started < 3
    params = next(params for name, params, _ in fake.calls if name == "fail_job")
    assert (params["p_code"], params["p_retry_after_seconds"]) == ("provider_rate_limited", 90)
    assert fake.jobs[job_id]["state"] == "queued"


def test_a_bug_in_a_handler_costs_one_attempt_and_not_the_worker(fake, drain, stub_writer):
    fake.add_job()
    fake.add_job()
    assert drain(stub_writer(error=ZeroDivisionError())).ended == {"queued": 2}
    assert {job["code"] for job in fake.jobs.values()} == {"internal_error"}


def test_the_jobs_deadline_is_kept(fake, drain, stub_writer):
    job_id = fake.add_job()
    fake.jobs[job_id]["deadline"] = 0.1
    assert drain(stub_writer(seconds=30)).ended == {"queued": 1}
    assert fake.jobs[job_id]["code"] == "provider_unavailable"


def test_used_up_attempts_fail_for_good(fake, drain, stub_writer):
    job_id = fake.add_job()
    fake.jobs[job_id]["attempts"] = 2
    assert drain(stub_writer(error=ProviderUnavailableError())).ended == {"failed": 1}


def test_a_payload_this_version_does_not_know_is_a_configuration_fault(fake, drain):
    job_id = fake.add_job(draft_type="poem")
    assert drain().ended == {"failed": 1}
    assert fake.jobs[job_id]["code"] == "configuration"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ServerFailedError(), "database_unavailable"),
        (ProviderUnavailableError(), "provider_unavailable"),
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
