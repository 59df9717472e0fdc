"""The runner's loop: how much it takes, how often it asks, how it stops."""

import asyncio
import time
import uuid
from collections import Counter
from contextlib import contextmanager

import pytest

from workers.runner import MOST_TURNS


def test_a_queue_is_drained_and_the_drafts_are_written(fake, context_json, drain):
    ids = [fake.add_job(draft_type=draft_type) for draft_type in ("email", "note", "task", "memo")]
    summary = drain()
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


def test_no_more_jobs_are_held_than_there_is_room_for(fake, drain, stub_writer):
    for _ in range(7):
        fake.add_job()
    writer = stub_writer(seconds=0.05)
    assert drain(writer, concurrency=3).ended == {"done": 7}
    assert writer.most == 3
    assert all(params["p_limit"] <= 3 for name, params, _ in fake.calls if name == "claim_jobs")


def test_few_jobs_are_prepared_or_finished_at_a_time_while_all_others_wait_for_their_model(fake, runner_for):
    doing, most = Counter(), Counter()
    together = 3 * MOST_TURNS
    for _ in range(together):
        fake.add_job()

    @contextmanager
    def counted(step):
        doing[step] += 1
        most[step] = max(most[step], doing[step])
        yield
        doing[step] -= 1

    async def run():
        all_ask = asyncio.Event()

        async def model():
            with counted("model"):
                if doing["model"] == together:
                    all_ask.set()
                await all_ask.wait()

        async def handle(_job, lease):
            with counted("before"):
                await asyncio.sleep(0.01)
            await lease.within(model())
            with counted("after"):
                await asyncio.sleep(0.01)
            return uuid.uuid4()

        async with runner_for(concurrency=together) as runner:
            runner._handlers = {"draft": handle}
            return await runner.run()

    assert asyncio.run(run()).ended == {"done": together}
    assert most == {"before": MOST_TURNS, "model": together, "after": MOST_TURNS}


def test_once_gives_up_on_a_server_that_is_not_there(fake, drain):
    fake.stop()
    summary = drain(unreachable_tries=2)
    fake.restart()
    assert summary.fatal is not None


def test_a_refused_key_ends_the_worker_even_in_its_loop(fake, answer, drain):
    fake.faults["claim_jobs"] = [answer(401, "worker_key_refused")]
    assert drain(once=False).fatal.detail_code == "worker_key_refused"


def test_the_loop_outlives_a_gateway_that_goes_away_and_comes_back(fake, runner_for):
    fake.add_job()

    async def run():
        async with runner_for(once=False) as runner:
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


def test_a_wake_up_cuts_the_pause_short(fake, runner_for):
    async def run():
        async with runner_for(once=False, poll_min=30, poll_max=30) as runner:
            running = asyncio.create_task(runner.run())
            await asyncio.to_thread(fake.wait_for, lambda: fake.calls)
            await asyncio.sleep(0.05)
            fake.add_job()
            runner.wake()
            await asyncio.to_thread(fake.wait_for, lambda: fake.drafts)
            runner.stop()
            return await running

    assert asyncio.run(asyncio.wait_for(run(), 10)).ended == {"done": 1}


def test_an_empty_queue_is_asked_less_and_less(fake, runner_for):
    async def run():
        async with runner_for(once=False, poll_min=0.05, poll_max=0.4) as runner:
            running = asyncio.create_task(runner.run())
            await asyncio.sleep(1.5)
            runner.stop()
            await running

    asyncio.run(run())
    assert 4 <= len(fake.calls) <= 12  # every 0.05 s it would be 30


@pytest.fixture
def stop_while_working(fake, runner_for):
    def run(writer, *, signals=1, **options):
        async def main():
            async with runner_for(writer, once=False, **options) as runner:
                running = asyncio.create_task(runner.run())
                await asyncio.to_thread(fake.wait_for, lambda: writer.briefs)
                for _ in range(signals):
                    runner.stop()
                return await running

        started = time.monotonic()
        return asyncio.run(main()), time.monotonic() - started

    return run


def test_stop_finishes_what_it_holds_and_claims_no_more(fake, stub_writer, stop_while_working):
    fake.add_job()
    summary, _ = stop_while_working(stub_writer(seconds=0.3), concurrency=1)
    assert summary.ended == {"done": 1}
    claims = fake.names().count("claim_jobs")
    assert claims == 1


def test_stop_returns_what_it_cannot_finish_without_costing_an_attempt(fake, stub_writer, stop_while_working):
    job_id = fake.add_job()
    summary, seconds = stop_while_working(stub_writer(seconds=60), finish_seconds=0.2)
    assert summary.ended == {"returned": 1}
    assert seconds < 5
    assert (fake.jobs[job_id]["state"], fake.jobs[job_id]["attempts"]) == ("queued", 0)


def test_a_second_stop_does_not_wait(fake, stub_writer, stop_while_working):
    fake.add_job()
    summary, seconds = stop_while_working(stub_writer(seconds=60), signals=2, finish_seconds=30)
    assert summary.ended == {"returned": 1}
    assert seconds < 5


def test_stop_does_not_hang_on_a_server_that_does_not_answer(fake, stub_writer, stop_while_working):
    fake.add_job()
    fake.faults["fail_job"] = [30]
    _, seconds = stop_while_working(stub_writer(seconds=60), finish_seconds=0.1, return_seconds=0.3)
    assert seconds < 5


def test_stop_does_not_wait_for_a_claim_that_is_not_answered(fake, runner_for):
    fake.faults["claim_jobs"] = [20]

    async def run():
        async with runner_for(once=False, claim_seconds=0.2) as runner:
            running = asyncio.create_task(runner.run())
            await asyncio.to_thread(fake.wait_for, lambda: fake.calls)
            started = time.monotonic()
            runner.stop()
            summary = await running
            return summary, time.monotonic() - started

    summary, seconds = asyncio.run(run())
    assert summary.fatal is None
    assert seconds < 5


def test_jobs_of_a_claim_that_is_answered_just_after_the_stop_are_done(fake, runner_for):
    fake.add_job()
    fake.faults["claim_jobs"] = [0.3]

    async def run():
        async with runner_for(once=False, claim_seconds=10) as runner:
            running = asyncio.create_task(runner.run())
            await asyncio.to_thread(fake.wait_for, lambda: fake.calls)
            runner.stop()
            return await running

    assert asyncio.run(run()).ended == {"done": 1}
