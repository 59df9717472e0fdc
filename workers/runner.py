"""The worker: takes jobs while it has room, works on them side by side, and stops without losing any."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from agent_service.errors import AgentError, RetryableError
from agent_service.execution import Execution, Handler, Outcome
from agent_service.jobs import Job, Jobs
from agent_service.lease import Turn, Turns
from agent_service.logging import get_logger

__all__ = ["Runner", "RunnerOptions", "Summary"]

MAX_CLAIM = 50  # the server's own bound
MOST_TURNS = 4  # jobs worked on at a time before their model is asked, and as many after


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerOptions:
    """How a runner behaves. All times in seconds.

    once: stop when nothing is due. poll_*: the pause between two looks at an empty queue, doubling, with jitter.
    After `stop`: claim_seconds, how long the answer to a running claim is waited for; finish_seconds, how long work in
    hand may go on; return_seconds, how long giving back may take. Platforms kill 30 s after SIGTERM.
    unreachable_tries: with `once`, claims that may fail in a row before giving up.
    """

    concurrency: int = 4
    lease_seconds: int = 60
    once: bool = False
    poll_min: float = 0.5
    poll_max: float = 5.0
    claim_seconds: float = 1.0
    finish_seconds: float = 20.0
    return_seconds: float = 8.0
    unreachable_tries: int = 4


@dataclass(slots=True)
class Summary:
    """What one run did. ended: jobs by how their claim ended (see OutcomeState)."""

    ended: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    fatal: AgentError | None = None

    @property
    def failed_for_good(self) -> int:
        """Jobs that this run closed without a result."""
        return self.ended["failed"] + self.ended["cancelled"]

    def add(self, outcome: Outcome) -> None:
        """Count one claim."""
        self.ended[outcome.state] += 1
        if outcome.code is not None:
            self.codes[outcome.code] += 1


class Runner:
    """Claims and works until `stop` (or, with `once`, until nothing is due). `wake` cuts a pause short."""

    def __init__(self, jobs: Jobs, handlers: Mapping[str, Handler], options: RunnerOptions | None = None) -> None:
        self.summary = Summary()
        self.options = options or RunnerOptions()
        self._jobs = jobs
        self._handlers = handlers
        self._turns = Turns(MOST_TURNS)
        self._held: dict[asyncio.Task[Outcome], Execution] = {}
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._failures = 0
        self._pause = self.options.poll_min
        self._log = get_logger()

    def wake(self) -> None:
        """Look for work now."""
        self._woken.set()

    def stop(self) -> None:
        """Claim no more and finish what is held, or give it back. A second call gives it back at once."""
        if self._stopping.is_set():
            self._hurrying.set()
        self._stopping.set()

    async def run(self) -> Summary:
        """Work until stopped, drained, or refused by the server (`summary.fatal`)."""
        started = time.monotonic()
        self._log.info(
            "worker.started",
            concurrency=self.options.concurrency,
            lease_seconds=self.options.lease_seconds,
            kinds=sorted(self._handlers),
            once=self.options.once,
        )
        try:
            while not self._stopping.is_set() and await self._turn():
                pass
        finally:
            await self._drain()
        self.summary.seconds = time.monotonic() - started
        self._log.info("worker.stopped", seconds=round(self.summary.seconds, 3))
        return self.summary

    async def _turn(self) -> bool:
        """Claim once and wait until there is reason to claim again; False when there is no reason left."""
        room = self.options.concurrency - len(self._held)
        if room <= 0:
            await self._wait(None)
            return True
        self._woken.clear()  # before claiming: a job queued while we ask must not be slept over
        claimed = await self._claim(min(room, MAX_CLAIM))
        if claimed:
            self._pause = self.options.poll_min
            return True
        if self.summary.fatal is not None:
            return False
        if self.options.once and claimed is not None:
            if not self._held:
                return False
            await self._wait(None)
            return True
        await self._wait(self._next_pause())
        return True

    async def _claim(self, limit: int) -> bool | None:
        """Start work on what is due. True: something was; False: nothing is; None: the server could not be asked."""
        asked_at = time.monotonic()
        try:
            jobs = await self._ask(limit)
        except RetryableError as error:
            self._failures += 1
            self._log.warning("worker.claim_failed", error=error, status=error.status, attempt=self._failures)
            if self.options.once and self._failures >= self.options.unreachable_tries:
                self.summary.fatal = error
            return None
        except AgentError as error:
            self._log.error("worker.refused", error=error, status=error.status, detail_code=error.detail_code)
            self.summary.fatal = error
            return None
        if jobs is None:
            return None
        self._failures = 0
        for job in jobs:
            self._start(job, asked_at)
        return bool(jobs)

    async def _ask(self, limit: int) -> list[Job] | None:
        """Claim; None if stopped and the server does not answer. What it hands out then is left to its lease."""
        kinds, seconds = list(self._handlers), self.options.lease_seconds
        asking = asyncio.create_task(self._jobs.claim(kinds, limit=limit, lease_seconds=seconds))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({asking}, timeout=self.options.claim_seconds)
            return asking.result() if asking.done() else None
        finally:
            await _cancel([asking])
            await _cancel([stopping])

    def _start(self, job: Job, claimed_at: float) -> None:
        execution = Execution(
            job,
            self._handlers[job.kind],
            jobs=self._jobs,
            lease_seconds=self.options.lease_seconds,
            claimed_at=claimed_at,
            turn=Turn(self._turns),
        )
        self._log.info("job.claimed", job_id=str(job.id), kind=job.kind, attempt=job.attempt)
        self._held[asyncio.create_task(execution.run())] = execution

    def _next_pause(self) -> float:
        pause = self._pause
        self._pause = min(pause * 2, self.options.poll_max)
        # Jitter, so that workers started together do not ask together for ever.
        return pause * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret

    async def _wait(self, seconds: float | None) -> None:
        """Wait for the first of: a job ending, a wake-up, a stop, the time."""
        signals = [asyncio.create_task(event.wait()) for event in (self._woken, self._stopping)]
        # With no room a wake-up is no reason to go on: nothing could be claimed.
        watched = signals if seconds is not None else signals[1:]
        try:
            await asyncio.wait({*self._held, *watched}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(signals)
        if self._woken.is_set():
            self._pause = self.options.poll_min
        self._collect()

    def _collect(self) -> None:
        for task in [task for task in self._held if task.done()]:
            del self._held[task]
            if not task.cancelled():
                self.summary.add(task.result())

    async def _drain(self) -> None:
        """Finish what is held within `finish_seconds`, then give back the rest, then leave it to its leases."""
        if self._held:
            self._log.info("worker.draining", held=len(self._held))
            await self._finish(self.options.finish_seconds)
        for execution in self._held.values():
            execution.give_back()
        if self._held:
            await asyncio.wait(self._held, timeout=self.options.return_seconds)
            self._collect()
        await _cancel(self._held)

    async def _finish(self, seconds: float) -> None:
        hurry = asyncio.create_task(self._hurrying.wait())
        ends_at = time.monotonic() + seconds
        while self._held and not hurry.done() and (left := ends_at - time.monotonic()) > 0:
            await asyncio.wait({*self._held, hurry}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            self._collect()
        await _cancel([hurry])


async def _cancel(tasks: Iterable[asyncio.Task[object]] | Iterable[asyncio.Task[Outcome]]) -> None:
    doomed = list(tasks)
    for task in doomed:
        task.cancel()
    await asyncio.gather(*doomed, return_exceptions=True)
