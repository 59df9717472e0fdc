"""Holding a job: heartbeats while somebody works on it, its current token, and retries while the lease lasts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import tenacity
from pydantic import SecretStr

from agent_service.errors import AgentError, LeaseLostError, RetryableError, StaleFenceError, TokenExpiredError
from agent_service.jobs import Job, Jobs
from agent_service.logging import get_logger

__all__ = ["Lease", "Turn", "Turns"]

T = TypeVar("T")

LONGEST_PAUSE = 5.0  # seconds between two tries of one call


class Turns:
    """Lets few of a worker's jobs be worked on at a time: `most` before their model is asked, and as many after.

    Otherwise all do the same step together and each is as late as the last, again and again: with 200 jobs of a 20 s
    model a draft took 4 s of ours, and half a second with turns. Two queues, so that no job waits to ask its model
    behind those that are back from theirs.
    """

    def __init__(self, most: int) -> None:
        self.before = asyncio.Semaphore(most)
        self.after = asyncio.Semaphore(most)


class Turn:
    """A job's place among the turns of its worker."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._held: asyncio.Semaphore | None = None

    async def take(self, *, after_model: bool = False) -> None:
        """Wait for it."""
        turns = self._turns.after if after_model else self._turns.before
        await turns.acquire()
        self._held = turns

    def leave(self) -> None:
        """Let another job have it; harmless if it is not held."""
        if self._held is not None:
            self._held.release()
            self._held = None


class Lease:
    """The lease on one job, extended every third of its length while the context is open.

    When the job turns out to be another worker's, `lost` is set and `on_lost` is called once; nothing more may be
    written for it. The fence in the token, not this clock, is what the server judges by.
    """

    def __init__(
        self, job: Job, jobs: Jobs, *, lease_seconds: int, claimed_at: float | None = None, turn: Turn | None = None
    ) -> None:
        self.job = job
        self.lost = False
        self.turn = turn or Turn(Turns(1))
        self.on_lost: Callable[[], object] | None = None
        self._jobs = jobs
        self._seconds = lease_seconds
        self._token = job.token
        self._ends_at = (time.monotonic() if claimed_at is None else claimed_at) + lease_seconds
        self._beating: asyncio.Task[None] | None = None
        self._renewing = asyncio.Lock()
        self._handing_in = False
        self._log = get_logger().bind(job_id=str(job.id))

    @property
    def token(self) -> SecretStr:
        """The newest token of this job."""
        return self._token

    async def __aenter__(self) -> Self:
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating

    async def call(self, function: Callable[[SecretStr], Awaitable[T]]) -> T:
        """Call `function` with the newest token, again after a fault that may pass, until the lease has run out.

        Only for what may be done twice: reads, and writes that the fence makes idempotent.
        """
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type((RetryableError, TokenExpiredError)),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE),
            stop=self._is_over,
            before_sleep=self._before_retry,
            reraise=True,
        )
        return await retrying(self._attempt, function)

    async def hand_in(self, function: Callable[[SecretStr], Awaitable[T]]) -> T:
        """As `call`, for what closes the job: its answer says whose the job was, not a heartbeat that it overtook."""
        self._handing_in = True
        return await self.call(function)

    async def within(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` beside other jobs' turns.

        Raises LeaseLostError when the lease runs out unrenewed: no model is asked on borrowed time.
        """
        task = asyncio.create_task(work)
        self.turn.leave()
        try:
            while not task.done():
                left = self._ends_at - time.monotonic()
                if left <= 0:
                    raise LeaseLostError
                await asyncio.wait({task}, timeout=left)
            result = task.result()
            await self.turn.take(after_model=True)
            return result
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _attempt(self, function: Callable[[SecretStr], Awaitable[T]]) -> T:
        if self.lost:
            raise LeaseLostError
        return await function(self._token)

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RetryableError) and (error.retry_after or 0) > LONGEST_PAUSE:
            return True  # a long delay is spent in the queue, never asleep on a lease
        return self.lost or isinstance(error, LeaseLostError) or time.monotonic() >= self._ends_at

    async def _before_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._log.warning("job.call_retried", attempt=state.attempt_number, error=error)
        if isinstance(error, TokenExpiredError):
            with contextlib.suppress(RetryableError):
                await self.renew()

    async def renew(self) -> None:
        """Extend the lease now. Raises what `Jobs.heartbeat` raises."""
        async with self._renewing:
            asked_at = time.monotonic()
            beat = await self._jobs.heartbeat(self._token, lease_seconds=self._seconds)
            self._token = beat.token
            self._ends_at = asked_at + self._seconds

    async def _beat(self) -> None:
        pause = self._seconds / 3
        while True:
            await asyncio.sleep(pause)
            try:
                await self.renew()
                pause = self._seconds / 3
            except RetryableError as error:
                self._log.warning("job.heartbeat_failed", error=error)
                pause = self._seconds / 12
            except AgentError as error:
                if self._handing_in:
                    return
                # Another worker's, closed, held for too long, or our key was revoked: in any case no longer ours.
                self._log.warning("job.lease_lost", error=error, detail_code=error.detail_code)
                self._lose()
                return

    def _lose(self) -> None:
        self.lost = True
        if self.on_lost is not None:
            self.on_lost()

    def note(self, error: BaseException) -> None:
        """Take notice of a refusal that says the job is no longer ours."""
        if isinstance(error, StaleFenceError):
            self.lost = True
