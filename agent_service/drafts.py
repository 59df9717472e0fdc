"""The draft job: read the client as the user, have it written, hand it in."""

from __future__ import annotations

import dataclasses
import time
from uuid import UUID

from agent_service.context import ClientContext
from agent_service.errors import UnexpectedAnswerError
from agent_service.execution import Handler
from agent_service.jobs import DraftPayload, Job, Jobs
from agent_service.lease import Lease
from agent_service.llm.protocol import DraftBrief, Writer

__all__ = ["CONTEXT_DAYS", "draft_handler", "handle_draft"]

# A draft to a client who has been silent for months must still know what was said last. The server bounds the size.
CONTEXT_DAYS = 366
DEFAULT_LANGUAGE = "en"


def draft_handler(jobs: Jobs, writer: Writer) -> Handler:
    """Return `handle_draft` bound to a project and a writer."""

    async def handle(job: Job, lease: Lease) -> UUID:
        return await handle_draft(job, lease, jobs=jobs, writer=writer)

    return handle


async def handle_draft(job: Job, lease: Lease, *, jobs: Jobs, writer: Writer) -> UUID:
    """Do one draft job and return the draft's id.

    All reading and writing is done with the job's own token, that is as the user who asked. Raises AgentError; the
    caller turns it into a failure code.
    """
    payload = _payload_of(job)
    client_id = job.client_id
    if client_id is None:
        raise UnexpectedAnswerError("This draft job names no client.")
    context, snapshot = await lease.call(lambda token: jobs.context(token, client_id, days=CONTEXT_DAYS))
    brief = DraftBrief(
        draft_type=payload.draft_type,
        purpose=payload.purpose,
        language=_language_of(payload, context),
        context=context,
        hints=payload.hints,
        contact_id=payload.contact_id,
        deal_id=payload.deal_id,
        task_id=payload.task_id,
        model=job.model,
        max_output_tokens=job.limits.max_output_tokens,
    )
    started = time.monotonic()
    text = await writer.write(brief)
    usage = dataclasses.asdict(text.usage)
    if usage["latency_ms"] is None:
        usage["latency_ms"] = round((time.monotonic() - started) * 1000)
    return await lease.call(lambda token: jobs.complete_draft(token, text, snapshot=snapshot, usage=usage))


def _payload_of(job: Job) -> DraftPayload:
    try:
        return DraftPayload.model_validate(job.payload)
    except ValueError:
        # From None: pydantic quotes its input, here the user's hints.
        raise UnexpectedAnswerError("This version does not understand what the draft job asks for.") from None


def _language_of(payload: DraftPayload, context: ClientContext) -> str:
    return payload.language or context.client.preferred_language or DEFAULT_LANGUAGE
