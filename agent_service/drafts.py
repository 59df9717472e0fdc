"""The draft job: read the client as the user, have it written, hand it in."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from agent_service.errors import UnexpectedAnswerError
from agent_service.execution import Handler
from agent_service.jobs import DraftPayload, Job, Jobs, ToldPrompt
from agent_service.lease import Lease
from agent_service.llm.protocol import DraftBrief, DraftText
from agent_service.prompts.language import resolve_language
from agent_service.writing import OnText, Providers, write_draft

__all__ = ["CONTEXT_DAYS", "brief_of", "draft_handler", "handle_draft"]

# A draft to a client who has been silent for months must still know what was said last. The server bounds the size.
CONTEXT_DAYS = 366


def draft_handler(jobs: Jobs, providers: Providers) -> Handler:
    """Return `handle_draft` bound to a project and those who write."""

    async def handle(job: Job, lease: Lease) -> UUID:
        return await handle_draft(job, lease, jobs=jobs, providers=providers)

    return handle


async def handle_draft(  # noqa: PLR0913 - of which three are for those who watch
    job: Job,
    lease: Lease,
    *,
    jobs: Jobs,
    providers: Providers,
    on_brief: Callable[[DraftBrief], Awaitable[None]] | None = None,
    on_text: OnText | None = None,
    on_written: Callable[[DraftText], Awaitable[None]] | None = None,
) -> UUID:
    """Do one draft job and return the draft's id.

    All reading and writing is done with the job's own token, that is as the user who asked. Raises AgentError; the
    caller turns it into a failure code. on_brief: is given what the draft is written from; on_text: see `write_draft`;
    on_written: is given the checked draft before it is stored.
    """
    brief, told, snapshot = await brief_of(job, lease, jobs)
    if on_brief is not None:
        await on_brief(brief)
    started = time.monotonic()
    written = await write_draft(job, lease, jobs=jobs, providers=providers, brief=brief, told=told, on_text=on_text)
    if on_written is not None:
        await on_written(written.text)
    usage = dict(written.usage)
    if usage.get("latency_ms") is None:
        usage["latency_ms"] = round((time.monotonic() - started) * 1000)
    return await lease.hand_in(lambda token: jobs.complete_draft(token, written.text, snapshot=snapshot, usage=usage))


async def brief_of(job: Job, lease: Lease, jobs: Jobs) -> tuple[DraftBrief, ToldPrompt | None, dict[str, Any]]:
    """Return what a job's draft is to be written from, what its model is told, and the context as it came."""
    payload = _payload_of(job)
    client_id = job.client_id
    if client_id is None:
        raise UnexpectedAnswerError("This draft job names no client.")
    context, snapshot = await lease.call(lambda token: jobs.context(token, client_id, days=CONTEXT_DAYS))
    brief = DraftBrief(
        draft_type=payload.draft_type,
        purpose=payload.purpose,
        language=resolve_language(payload.language, context.client.preferred_language, payload.default_language),
        context=context,
        hints=payload.hints,
        contact_id=payload.contact_id,
        deal_id=payload.deal_id,
        task_id=payload.task_id,
    )
    return brief, payload.prompt, snapshot


def _payload_of(job: Job) -> DraftPayload:
    try:
        return DraftPayload.model_validate(job.payload)
    except ValueError:
        # From None: pydantic quotes its input, here the user's hints.
        raise UnexpectedAnswerError("This version does not understand what the draft job asks for.") from None
