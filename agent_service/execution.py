"""Working on one claimed job to its end: done, back to the queue, failed with a reason, or dropped as another's.

Workers run this in their loop and the API runs it inline; both leave the job in one of these states and never raise
for what happened to it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from agent_service.errors import AgentError, ProviderError, ProviderRefusedError, RetryableError, StaleFenceError
from agent_service.failures import fail_code_of
from agent_service.jobs import FailCode, Job, Jobs
from agent_service.lease import Lease, Turn
from agent_service.logging import get_logger

__all__ = ["Execution", "Handler", "Outcome", "OutcomeState"]

Handler = Callable[[Job, Lease], Awaitable[UUID]]
# done: the result is written. queued: it will be tried again. returned: given back untried. failed, cancelled: for
# good. lost: another worker's. unsettled: the server could not be told; the lease runs out and it is claimed again.
OutcomeState = Literal["done", "queued", "returned", "failed", "cancelled", "lost", "unsettled"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one claim of a job ended. code: why, unless it is done. result_id: what was written."""

    state: OutcomeState
    code: FailCode | None = None
    result_id: UUID | None = None


class Execution:
    """One job, one handler, one lease. `run` once; `give_back` at any time returns the job to the queue."""

    def __init__(  # noqa: PLR0913 - of which two have defaults
        self,
        job: Job,
        handler: Handler,
        *,
        jobs: Jobs,
        lease_seconds: int,
        claimed_at: float | None = None,
        turn: Turn | None = None,
    ) -> None:
        self.job = job
        self.lease = Lease(job, jobs, lease_seconds=lease_seconds, claimed_at=claimed_at, turn=turn)
        self._jobs = jobs
        self._handler = handler
        self._work: asyncio.Task[UUID] | None = None
        self._given_back = False
        self._log = get_logger().bind(job_id=str(job.id), kind=job.kind, attempt=job.attempt)

    def give_back(self) -> None:
        """Stop working and return the job to the queue; this attempt does not count."""
        self._given_back = True
        self._stop()

    def _stop(self) -> None:
        if self._work is not None:
            self._work.cancel()

    async def run(self) -> Outcome:
        """Do the job. Raises nothing but CancelledError, in which case the job is left to its lease."""
        started = time.monotonic()
        async with self.lease:
            outcome = await self._run()
        self._log.info(
            "job.ended",
            state=outcome.state,
            code=outcome.code,
            draft_id=str(outcome.result_id) if outcome.result_id else None,
            seconds=round(time.monotonic() - started, 3),
        )
        return outcome

    async def _run(self) -> Outcome:
        if self._given_back:
            return await self._fail("returned", None)
        self._work = asyncio.create_task(self._within_deadline())
        self.lease.on_lost = self._stop
        try:
            return Outcome("done", result_id=await self._work)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # we are being cancelled, not only the work
                raise
            return Outcome("lost") if self.lease.lost else await self._fail("returned", None)
        except StaleFenceError as error:
            self.lease.note(error)
            return Outcome("lost")
        except Exception as error:  # noqa: BLE001 - a fault in one job must not end the others
            if self.lease.lost:
                return Outcome("lost")
            self._log.warning(
                "job.attempt_failed",
                error=error,
                status=getattr(error, "status", None),
                detail_code=getattr(error, "detail_code", None),
            )
            return await self._fail(fail_code_of(error), error)

    async def _within_deadline(self) -> UUID:
        await self.lease.turn.take()
        try:
            async with asyncio.timeout(self.job.limits.deadline_seconds):
                return await self._handler(self.job, self.lease)
        finally:
            self.lease.turn.leave()

    async def _fail(self, code: FailCode, error: Exception | None) -> Outcome:
        retry_after = error.retry_after if isinstance(error, RetryableError) else None
        usage = error.usage if isinstance(error, ProviderError | ProviderRefusedError) else None
        try:
            state = await self.lease.call(
                lambda token: self._jobs.fail(token, code, retry_after=retry_after, usage=usage)
            )
        except StaleFenceError:
            return Outcome("lost", code)
        except AgentError as failure:
            self._log.warning("job.unsettled", error=failure, code=code)
            return Outcome("unsettled", code)
        if state == "done":
            # The draft was written, only its answer was lost; the server knows better than we do.
            return Outcome("done")
        if state == "queued":
            return Outcome("returned" if code == "returned" else "queued", code)
        return Outcome("cancelled" if state == "cancelled" else "failed", code)
