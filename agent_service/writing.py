"""Having a draft written: money set aside, the model asked, its answer checked, a template where there is none.

Every failure has one ending. An interactive request is tried again at once while that promises something, then it gets
the offline writer's text; a background job goes back to the queue and waits. What may not be tried at all (no budget,
AI switched off, access lost) ends the job with its reason.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tenacity
from pydantic import SecretStr

from agent_service.checking import checked_draft
from agent_service.errors import (
    AnswerUnusableError,
    LeaseLostError,
    ProviderError,
    ProviderRefusedError,
    RetryableError,
)
from agent_service.failures import fail_code_of
from agent_service.jobs import Job, Jobs, ToldPrompt
from agent_service.lease import LONGEST_PAUSE, Lease
from agent_service.llm.anthropic import AnthropicProvider
from agent_service.llm.offline import OfflineProvider
from agent_service.llm.partial import ContentStream
from agent_service.llm.protocol import Completion, DraftBrief, DraftOutput, DraftText, Prompt, Provider
from agent_service.logging import get_logger
from agent_service.prompts.building import build_turn
from agent_service.settings import Settings

__all__ = ["OnText", "Providers", "Written", "make_prompt", "providers_of", "write_draft"]

# None takes back what came: it is written anew.
OnText = Callable[[str | None], Awaitable[None]]
INTERACTIVE_TRIES = 3
# What is left of a job's deadline for handing in, or for the template, when a call is given up.
RESERVE_SECONDS = 10.0
# The schema of the answer and what the API puts around a prompt.
OVERHEAD_TOKENS = 500


@dataclass(frozen=True, slots=True)
class Providers:
    """Who writes: a model, if this installation has one, and the offline writer that stands in for it."""

    offline: OfflineProvider
    model: Provider | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        if self.model is not None:
            await self.model.aclose()


def providers_of(settings: Settings) -> Providers:
    """Return those who write: a model where one is set up, and always the offline writer."""
    if not settings.has_model:
        return Providers(OfflineProvider())
    key = settings.anthropic_api_key or SecretStr("none")
    return Providers(OfflineProvider(), AnthropicProvider(key, base_url=settings.anthropic_base_url))


@dataclass(frozen=True, slots=True)
class Written:
    """A draft and what goes into the books with it."""

    text: DraftText
    usage: Mapping[str, Any]


async def write_draft(  # noqa: PLR0913 - a claim and what to do in it
    job: Job,
    lease: Lease,
    *,
    jobs: Jobs,
    providers: Providers,
    brief: DraftBrief,
    told: ToldPrompt | None,
    on_text: OnText | None = None,
) -> Written:
    """Have a draft written. Raises AgentError where neither a model nor a template may write it.

    on_text: is given the content as it comes, and None where a try came to nothing; the checked draft replaces it.
    """
    if providers.model is None or told is None or job.model is None:
        return await _write_offline(providers.offline, brief, {})
    asking = _Asking(job, lease, jobs, providers.model, on_text)
    try:
        return await asking.ask(brief, told)
    except (ProviderError, ProviderRefusedError) as error:
        error.usage = asking.failed if asking.failed is not None else error.usage
        if not job.interactive:
            raise
        code = fail_code_of(error)
        get_logger().warning("draft.template_instead", job_id=str(job.id), code=code, error=error)
        return await _write_offline(providers.offline, brief, {"failed_code": code, "failed": error.usage})


def make_prompt(job: Job, brief: DraftBrief, told: ToldPrompt) -> Prompt:
    """Return what the job's model is asked."""
    turn = build_turn(brief, instructions=told.instructions)
    return Prompt(
        model=job.model or "",
        system=told.system,
        user=turn.text,
        max_output_tokens=job.limits.max_output_tokens,
        # At two bytes a token, which no text of a prompt reaches: what is set aside is never less than it costs.
        input_tokens=len((turn.text + told.system).encode()) // 2 + OVERHEAD_TOKENS,
        schema=told.output_schema,
        brief=brief,
    )


async def _write_offline(provider: OfflineProvider, brief: DraftBrief, usage: Mapping[str, Any]) -> Written:
    prompt = Prompt(model="", system="", user="", brief=brief)
    output, completion = await provider.structured(prompt, DraftOutput, deadline=RESERVE_SECONDS)
    text = DraftText(
        subject=output.subject,
        content=output.content,
        language=completion.language or brief.language,
        provider=completion.provider,
        model=completion.model,
        details=output.details.model_dump(exclude_none=True),
        facts=completion.facts,
        notes=completion.notes,
        usage=completion.usage,
    )
    return Written(text, {**dataclasses.asdict(completion.usage), **usage})


class _Asking:
    """The tries of one claim. failed: what the newest one cost that came to nothing, until it is settled."""

    def __init__(self, job: Job, lease: Lease, jobs: Jobs, provider: Provider, on_text: OnText | None) -> None:
        self.failed: Mapping[str, Any] | None = None
        self._job, self._lease, self._jobs, self._provider = job, lease, jobs, provider
        self._on_text = on_text
        self._ends_at = time.monotonic() + job.limits.deadline_seconds - RESERVE_SECONDS
        self._code: str | None = None

    async def ask(self, brief: DraftBrief, told: ToldPrompt) -> Written:
        """Return the first answer that can be used."""
        prompt = make_prompt(self._job, brief, told)
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(ProviderError),
            wait=self._pause,
            stop=self._is_over,
            reraise=True,
        )
        return await retrying(self._try, prompt, brief)

    async def _try(self, prompt: Prompt, brief: DraftBrief) -> Written:
        told = None if self._code is None else {**(self.failed or {}), "failed_code": self._code}
        await self._lease.call(
            lambda token: self._jobs.reserve(
                token,
                provider=self._provider.name,
                model=prompt.model,
                input_tokens=prompt.input_tokens,
                output_tokens=prompt.max_output_tokens,
                usage=told,
            )
        )
        self.failed = None
        try:
            completion = await self._lease.within(self._complete(prompt))
            text = checked_draft(completion, brief)
        except (ProviderError, ProviderRefusedError) as error:
            self.failed, self._code = error.usage, fail_code_of(error)
            if self._on_text is not None:
                await self._on_text(None)
            raise
        return Written(text, dataclasses.asdict(completion.usage))

    async def _complete(self, prompt: Prompt) -> Completion:
        deadline = max(1.0, self._ends_at - time.monotonic())
        if self._on_text is None:
            return await self._provider.complete(prompt, deadline=deadline)
        shown = ContentStream()
        async for piece in self._provider.stream(prompt, deadline=deadline):
            if isinstance(piece, Completion):
                return piece
            if text := shown.feed(piece):
                await self._on_text(text)
        raise AnswerUnusableError

    def _pause(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RetryableError) and error.retry_after is not None:
            return error.retry_after
        return tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE)(state)

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        """A background job waits in the queue; a person does not wait for long, they get the template."""
        if state.attempt_number >= (INTERACTIVE_TRIES if self._job.interactive else 1):
            return True
        error = state.outcome.exception() if state.outcome else None
        pause = (error.retry_after or 0.0) if isinstance(error, RetryableError) else 0.0
        return pause > LONGEST_PAUSE or isinstance(error, LeaseLostError) or time.monotonic() + pause >= self._ends_at
