"""Drafts that can wait, through the provider's batch interface: half the price, an answer within a day.

Nothing is remembered here. The custom ids are in the database before the provider hears of them; whoever polls next
collects the results, and a job whose result never comes is simply due again.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from uuid import UUID

from pydantic import SecretStr

from agent_service.checking import checked_draft
from agent_service.drafts import brief_of
from agent_service.errors import (
    AgentError,
    ConfigurationError,
    Fault,
    ProviderError,
    ProviderRefusedError,
    RetryableError,
)
from agent_service.execution import Execution, Handler
from agent_service.failures import fail_code_of
from agent_service.jobs import Batch, BatchItem, Job, Jobs
from agent_service.lease import Lease
from agent_service.llm.protocol import BatchAnswer, Prompt, Provider
from agent_service.logging import get_logger
from agent_service.writing import make_prompt

__all__ = ["Batching"]

LEASE_SECONDS = 120
MOST = 50  # the server's own bound


@dataclass(frozen=True, slots=True)
class _Ready:
    """A job whose prompt is written and paid for."""

    token: SecretStr
    prompt: Prompt
    context_version: str | None


@dataclass(slots=True)
class Batching:
    """Sends and collects batches of draft jobs. handler: for jobs that must not wait."""

    jobs: Jobs
    provider: Provider
    handler: Handler
    ended: Counter[str] = field(default_factory=Counter)

    async def send(self) -> int:
        """Claim what is due and hand it in as one batch; returns how many jobs were claimed."""
        claimed = await self.jobs.claim(["draft"], limit=MOST, lease_seconds=LEASE_SECONDS)
        ready: dict[UUID, _Ready] = {}
        await asyncio.gather(*(self._now(job) if job.interactive else self._prepare(job, ready) for job in claimed))
        if ready:
            await self._hand_in(ready)
        return len(claimed)

    async def _now(self, job: Job) -> None:
        outcome = await Execution(job, self.handler, jobs=self.jobs, lease_seconds=LEASE_SECONDS).run()
        self.ended[outcome.state] += 1

    async def _prepare(self, job: Job, ready: dict[UUID, _Ready]) -> None:
        """Read the job's client and set its money aside; a job that cannot be in the batch ends with its reason."""
        async with Lease(job, self.jobs, lease_seconds=LEASE_SECONDS) as lease:
            try:
                brief, told, _ = await brief_of(job, lease, self.jobs)
                if told is None or job.model is None:
                    raise ConfigurationError([Fault("model_routes", "names no model for it.", "Call set_model_route.")])
                prompt = make_prompt(job, brief, told)
                await lease.call(lambda token: self._reserve(token, prompt))
                ready[job.id] = _Ready(lease.token, prompt, brief.context.context_version)
            except AgentError as error:
                self.ended[await self._fail(job, lease, error)] += 1

    async def _fail(self, job: Job, lease: Lease, error: AgentError) -> str:
        code, retry_after = fail_code_of(error), error.retry_after if isinstance(error, RetryableError) else None
        get_logger().warning("job.attempt_failed", job_id=str(job.id), error=error, code=code)
        try:
            return await self.jobs.fail(lease.token, code, retry_after=retry_after)
        except AgentError:
            return "unsettled"

    async def _reserve(self, token: SecretStr, prompt: Prompt) -> None:
        await self.jobs.reserve(
            token,
            provider=self.provider.name,
            model=prompt.model,
            input_tokens=prompt.input_tokens,
            output_tokens=prompt.max_output_tokens,
            is_batch=True,
        )

    async def _hand_in(self, ready: Mapping[UUID, _Ready]) -> None:
        listed = [(item.token, item.context_version) for item in ready.values()]
        batch_id, custom_ids = await self.jobs.start_batch(self.provider.name, listed)
        try:
            made = await self.provider.start_batch({custom_ids[key]: item.prompt for key, item in ready.items()})
        except (ProviderError, ProviderRefusedError) as error:
            get_logger().warning("batch.not_taken", error=error, held=len(ready))
            await self.jobs.submit_batch(batch_id, None, usage=error.usage)
            self.ended["queued"] += len(ready)
            return
        await self.jobs.submit_batch(batch_id, made)
        self.ended["sent"] += len(ready)

    async def collect(self) -> None:
        """Turn the results of batches that ended into drafts."""
        for batch in await self.jobs.poll_batches(self.provider.name):
            try:
                answers = await self.provider.read_batch(batch.provider_batch_id)
            except RetryableError as error:
                get_logger().warning("batch.not_read", error=error)
                continue
            except ProviderRefusedError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                get_logger().warning("batch.gone", error=error, held=len(batch.items))
                answers = []
            if answers is not None:
                await self._collect(batch, {answer.custom_id: answer for answer in answers})

    async def _collect(self, batch: Batch, answers: dict[str, BatchAnswer]) -> None:
        for item in batch.items:
            answer = answers.get(str(item.custom_id))
            job = await self.jobs.claim_one(item.job_id, lease_seconds=LEASE_SECONDS) if answer else None
            if answer is not None and job is not None:
                await self._take(job, item, answer)
        await self.jobs.end_batch(batch.batch_id)

    async def _take(self, job: Job, item: BatchItem, answer: BatchAnswer) -> None:
        async def handle(job: Job, lease: Lease) -> UUID:
            if answer.completion is None:
                raise answer.error or AgentError
            brief, _, snapshot = await brief_of(job, lease, self.jobs)
            text = checked_draft(answer.completion, brief)
            # The draft was written from the context of then: that is what it is judged by later.
            snapshot["contextVersion"] = item.context_version
            usage = dataclasses.asdict(answer.completion.usage)
            return await lease.call(lambda token: self.jobs.complete_draft(token, text, snapshot=snapshot, usage=usage))

        outcome = await Execution(job, handle, jobs=self.jobs, lease_seconds=LEASE_SECONDS).run()
        self.ended[outcome.state] += 1
