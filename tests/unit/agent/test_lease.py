"""No work goes on when its lease has run out unrenewed."""

import asyncio
import datetime as dt
import time
import uuid

import pytest
from pydantic import SecretStr

from agent_service.errors import LeaseLostError, ServerFailedError
from agent_service.jobs import Heartbeat, Job
from agent_service.lease import Lease

JOB = Job(
    id=uuid.uuid4(), kind="draft", user_id=uuid.uuid4(), attempt=1, max_attempts=5, fence=1, token=SecretStr("first"),
    lease_expires_at=dt.datetime.now(dt.UTC),
)  # fmt: skip


class Beats:
    """Answers heartbeats, or does not."""

    def __init__(self, *, answers=True):
        self.answers, self.asked = answers, 0

    async def heartbeat(self, token, *, lease_seconds):
        self.asked += 1
        if not self.answers:
            raise ServerFailedError
        return Heartbeat(token=SecretStr(f"renewed {self.asked}"), lease_expires_at=dt.datetime.now(dt.UTC))


def within(jobs, work, *, seconds):
    async def main():
        async with Lease(JOB, jobs, lease_seconds=seconds) as lease:
            return await lease.within(work())

    return asyncio.run(main())


def test_work_in_time_is_its_result():
    async def work():
        return 7

    assert within(Beats(), work, seconds=1) == 7


def test_its_error_is_the_works_own():
    async def work():
        raise KeyError("x")

    with pytest.raises(KeyError):
        within(Beats(), work, seconds=1)


def test_a_lease_that_is_renewed_lasts_as_long_as_the_work():
    async def work():
        await asyncio.sleep(0.9)
        return "done"

    jobs = Beats()
    assert within(jobs, work, seconds=0.3) == "done"
    assert jobs.asked >= 5


def test_one_that_is_not_ends_it():
    ended = []

    async def work():
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(time.monotonic())

    started = time.monotonic()
    with pytest.raises(LeaseLostError):
        within(Beats(answers=False), work, seconds=0.3)
    assert len(ended) == 1
    assert 0.25 < ended[0] - started < 5
