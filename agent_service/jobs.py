"""The worker's side of the job table: claim, keep, complete, fail."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from agent_service.context import ClientContext
from agent_service.errors import UnexpectedAnswerError
from agent_service.llm.protocol import DraftText, DraftType, Purpose
from agent_service.supabase import Supabase

__all__ = [
    "Batch",
    "BatchItem",
    "DraftPayload",
    "FailCode",
    "Heartbeat",
    "Job",
    "JobState",
    "Jobs",
    "Limits",
    "Mail",
    "Reservation",
    "SendOutcome",
    "ToldPrompt",
]

T = TypeVar("T")

FailCode = Literal[
    "provider_unavailable",
    "provider_rate_limited",
    "provider_refused",
    "unusable_output",
    "database_unavailable",
    "internal_error",
    "returned",
    "client_not_found",
    "user_inactive",
    "access_lost",
    "invalid_output",
    "refused",
    "too_large",
    "configuration",
    "ai_off",
    "consent_withdrawn",
    "budget_exhausted",
    "cancelled",
    "draft_edited",
    "mail_deferred",
    "mail_not_set_up",
]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
SendOutcome = Literal["sent", "deferred", "refused", "unknown"]


class _Answer(BaseModel):
    """Fields that a newer server adds are let pass: workers and migrations are not deployed in one instant."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class Limits(_Answer):
    """Bounds of one attempt: tokens the model may write, seconds until it is given up."""

    max_output_tokens: int = 1024
    deadline_seconds: float = 120.0


class ToldPrompt(_Answer):
    """The version of a prompt that a job's model is told."""

    system: str
    instructions: str
    output_schema: dict[str, Any]


class DraftPayload(_Answer):
    """What a draft job is about."""

    request_id: UUID | None = None
    draft_type: DraftType
    purpose: Purpose
    hints: str | None = None
    language: str | None = None
    contact_id: str | None = None
    deal_id: str | None = None
    task_id: str | None = None
    default_language: str = "en"
    prompt: ToldPrompt | None = None


class Job(_Answer):
    """A claimed job. `token` acts for its user, for its client, until the lease ends."""

    id: UUID = Field(validation_alias=AliasChoices("job_id", "id"))
    kind: str
    user_id: UUID
    client_id: UUID | None = None
    attempt: int
    max_attempts: int
    interactive: bool = False
    fence: int
    token: SecretStr
    lease_expires_at: dt.datetime
    payload: dict[str, Any] = Field(default_factory=dict)
    prompt_version_id: UUID | None = None
    model: str | None = None
    limits: Limits = Field(default_factory=Limits)


class Reservation(_Answer):
    """Money set aside for one attempt. is_degraded: a budget is used up by 80 %."""

    interaction_id: UUID
    reserved_usd: Decimal
    is_degraded: bool = False


class BatchItem(_Answer):
    """A job in a batch. custom_id: of its attempt. context_version: of what its prompt was built from."""

    custom_id: UUID
    job_id: UUID
    context_version: str | None = None


class Batch(_Answer):
    """A batch to ask the provider about."""

    batch_id: UUID
    provider_batch_id: str
    items: list[BatchItem]


class Heartbeat(_Answer):
    """A lease extended, and the token that goes with it."""

    token: SecretStr
    lease_expires_at: dt.datetime


class Mail(_Answer):
    """What begin_send_job answers: `begun` with the parts of a mail, once; else `refused` or `unknown` and the code."""

    state: Literal["begun", "refused", "unknown"]
    code: str | None = None
    send_id: UUID | None = None
    from_address: str = ""
    from_name: str | None = None
    reply_to: str | None = None
    to: str = ""
    subject: str | None = None
    content: str = ""
    language: str = "en"
    signature: str | None = None
    message_id: str = ""
    references: tuple[str, ...] = ()


_JOBS = TypeAdapter(list[Job])
_RESERVATIONS = TypeAdapter(list[Reservation])
_BATCHES = TypeAdapter(list[Batch])
_STARTED = TypeAdapter(list[dict[str, UUID]])
_HEARTBEATS = TypeAdapter(list[Heartbeat])
_STATE: TypeAdapter[JobState] = TypeAdapter(JobState)
_ID = TypeAdapter(UUID)
_MAIL = TypeAdapter(Mail)


class Jobs:
    """The job functions of one Supabase project, called with a worker's key or a job's own token.

    Every method raises what `Supabase.rpc` raises, and UnexpectedAnswerError if the answer has another shape.
    """

    def __init__(self, supabase: Supabase, worker_key: SecretStr) -> None:
        self._supabase = supabase
        self._key = worker_key

    async def claim(self, kinds: Sequence[str], *, limit: int, lease_seconds: int) -> list[Job]:
        """Take up to `limit` (1-50) due jobs of these kinds. Empty means that none is due."""
        params = {"p_kinds": list(kinds), "p_limit": limit, "p_lease_seconds": lease_seconds}
        return _read(_JOBS, await self._supabase.rpc("claim_jobs", params, token=self._key))

    async def claim_one(self, job_id: UUID, *, lease_seconds: int) -> Job | None:
        """Take this job if nobody has it."""
        params = {"p_job_id": str(job_id), "p_lease_seconds": lease_seconds}
        jobs = _read(_JOBS, await self._supabase.rpc("claim_job", params, token=self._key))
        return jobs[0] if jobs else None

    async def heartbeat(self, token: SecretStr, *, lease_seconds: int) -> Heartbeat:
        """Extend a lease. StaleFenceError: the job is no longer ours. LeaseLimitError: held for too long."""
        params = {"p_job_token": token.get_secret_value(), "p_lease_seconds": lease_seconds}
        rows = _read(_HEARTBEATS, await self._supabase.rpc("heartbeat_job", params, token=self._key))
        if len(rows) != 1:
            raise UnexpectedAnswerError
        return rows[0]

    async def reserve(  # noqa: PLR0913 - one attempt is all of it
        self,
        token: SecretStr,
        *,
        provider: str,
        model: str,
        input_tokens: int,
        output_tokens: int,
        usage: Mapping[str, Any] | None = None,
        is_batch: bool = False,
    ) -> Reservation:
        """Set aside what one attempt may cost at most. usage: of the try before this one in the same claim.

        BudgetExhaustedError: there is no money left. ProviderUnavailableError: the provider is known to be away.
        """
        params = {
            "p_job_token": token.get_secret_value(),
            "p_provider": provider,
            "p_model": model,
            "p_input_tokens": input_tokens,
            "p_output_tokens": output_tokens,
            "p_usage": usage,
            "p_is_batch": is_batch,
        }
        rows = _read(_RESERVATIONS, await self._supabase.rpc("reserve_budget", params, token=self._key))
        if len(rows) != 1:
            raise UnexpectedAnswerError
        return rows[0]

    async def fail(
        self,
        token: SecretStr,
        code: FailCode,
        *,
        retry_after: float | None = None,
        usage: Mapping[str, Any] | None = None,
    ) -> JobState:
        """Say that a job did not work out; returns its new state: queued (again), failed or cancelled."""
        params = {
            "p_job_token": token.get_secret_value(),
            "p_code": code,
            "p_retry_after_seconds": None if retry_after is None else min(round(retry_after), 86400),
            "p_usage": usage,
        }
        return _read(_STATE, await self._supabase.rpc("fail_job", params, token=self._key))

    async def sweep(self) -> None:
        """Close what was left open, remove what is too old and chain the audit log, once for all workers together."""
        for task in ("sweep", "retention", "audit"):
            await self._supabase.rpc("run_maintenance", {"p_task": task}, token=self._key)

    async def alerts(self, delivered: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the alerts that nobody was told yet, after noting those that were."""
        return await self._undelivered("alerts", delivered)

    async def anchors(self, delivered: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the anchors of the audit log that are not kept outside yet, after noting those that are."""
        return await self._undelivered("anchors", delivered)

    async def _undelivered(self, task: str, delivered: Sequence[str]) -> list[dict[str, Any]]:
        params = {"p_task": task, "p_delivered": list(delivered)}
        answer = await self._supabase.rpc("run_maintenance", params, token=self._key)
        if not isinstance(answer, dict) or not isinstance(answer.get(task), list):
            raise UnexpectedAnswerError
        return list(answer[task])

    async def start_batch(
        self, provider: str, jobs: Sequence[tuple[SecretStr, str | None]]
    ) -> tuple[UUID, dict[UUID, str]]:
        """Record a batch of jobs (token, context version) before it is made; returns its id and custom ids by job."""
        listed = [{"token": token.get_secret_value(), "context_version": version} for token, version in jobs]
        params = {"p_provider": provider, "p_jobs": listed}
        rows = _read(_STARTED, await self._supabase.rpc("start_batch", params, token=self._key))
        return rows[0]["batch_id"], {row["job_id"]: str(row["custom_id"]) for row in rows}

    async def submit_batch(
        self, batch_id: UUID, provider_batch_id: str | None, *, usage: Mapping[str, Any] | None = None
    ) -> None:
        """Say what the provider calls the batch; None if it did not take it, and what that cost if it is known."""
        params = {"p_batch_id": str(batch_id), "p_provider_batch_id": provider_batch_id, "p_usage": usage}
        await self._supabase.rpc("submit_batch", params, token=self._key)

    async def poll_batches(self, provider: str) -> list[Batch]:
        """Return the batches that it is time to ask about."""
        return _read(_BATCHES, await self._supabase.rpc("poll_batches", {"p_provider": provider}, token=self._key))

    async def end_batch(self, batch_id: UUID) -> None:
        """Say that all results are in: jobs without one are due again."""
        await self._supabase.rpc("end_batch", {"p_batch_id": str(batch_id)}, token=self._key)

    async def context(self, token: SecretStr, client_id: UUID, *, days: int) -> tuple[ClientContext, dict[str, Any]]:
        """Return what the job's user may see of its client, as a model and as it came (for the draft's snapshot)."""
        params = {"p_client_id": str(client_id), "p_days": days}
        raw = await self._supabase.rpc("get_client_context", params, token=token)
        if not isinstance(raw, dict):
            raise UnexpectedAnswerError
        return _read(TypeAdapter(ClientContext), raw), raw

    async def complete_draft(
        self, token: SecretStr, text: DraftText, *, snapshot: Mapping[str, Any], usage: Mapping[str, Any]
    ) -> UUID:
        """Write the draft and close the job, in one transaction. Again with the same fence: the same id."""
        facts = [{"kind": fact.kind, "id": fact.id, "label": fact.label} for fact in text.facts]
        params = {
            "p_content": text.content,
            "p_subject": text.subject,
            "p_details": dict(text.details),
            "p_language": text.language,
            "p_context": snapshot,
            "p_provider": text.provider,
            "p_model": text.model,
            "p_usage": usage,
            "p_grounding": {"facts": facts, "notes": list(text.notes), **text.grounding},
        }
        return _read(_ID, await self._supabase.rpc("complete_draft_job", params, token=token))

    async def begin_send(self, token: SecretStr) -> Mail:
        """Note that a mail is about to be sent, and get it. Never call it again for one claim: that ends as unknown."""
        return _read(_MAIL, await self._supabase.rpc("begin_send_job", {}, token=token))

    async def complete_send(self, token: SecretStr, outcome: SendOutcome, *, reply: str | None = None) -> UUID:
        """Say what the mail server did with the mail. Again with the same fence after `sent`: the same id."""
        params = {"p_outcome": outcome, "p_reply": reply}
        return _read(_ID, await self._supabase.rpc("complete_send_job", params, token=token))

    async def complete_sweep(self, token: SecretStr) -> UUID:
        """Have the user's clients evaluated that changed or are due. Again with the same fence: nothing more."""
        answer = await self._supabase.rpc("complete_sweep_job", {}, token=token)
        return _read(_ID, answer.get("job_id") if isinstance(answer, dict) else None)


def _read(adapter: TypeAdapter[T], data: object) -> T:
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        # From None: pydantic's text quotes the answer, tokens and CRM text with it.
        places = ", ".join(sorted({".".join(str(step) for step in item["loc"]) for item in error.errors()})[:5])
        raise UnexpectedAnswerError(
            f"The server's answer is not what this version understands (at {places or 'the top'}).",
            hint="Are all migrations applied?",
        ) from None
