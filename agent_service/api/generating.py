"""A draft written while somebody waits: the job is asked for as the user, claimed as a worker and done right here.

The job stays a job. If this process dies a worker finishes it; if the reader leaves it is cancelled and settled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sized
from typing import Any
from uuid import UUID

from agent_service.api.auth import Caller
from agent_service.api.models import Draft
from agent_service.api.problems import ProblemError, problem_of
from agent_service.api.services import Services
from agent_service.api.sse import format_event
from agent_service.drafts import handle_draft
from agent_service.errors import AgentError, UnexpectedAnswerError
from agent_service.execution import Execution
from agent_service.jobs import Job
from agent_service.lease import Lease
from agent_service.llm.protocol import DraftBrief, DraftText
from agent_service.logging import get_logger

__all__ = ["Generation", "find_draft", "find_request"]

LEASE_SECONDS = 60
# How long a draft that another process writes is waited for, and how often it is looked for.
FOLLOW_SECONDS = 120.0
FOLLOW_EVERY = 0.5
CANCEL_SECONDS = 0.5
Row = dict[str, Any]


class Generation:
    """One request on its way to a draft. `run` it once as a task; `events` are what a stream tells of it."""

    def __init__(self, services: Services, caller: Caller, request: Row) -> None:
        self.request = request
        self._services = services
        self._caller = caller
        self._told: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._execution: Execution | None = None
        self._work: asyncio.Task[Draft | ProblemError | None] = services.do_beside(self._run())
        self._has_left = False

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield the events until the draft is stored or nothing more will come."""
        while (event := await self._told.get()) is not None:
            yield event

    async def result(self) -> Draft | None:
        """Return the draft; None if it is still being written elsewhere. Raises ProblemError if there will be none."""
        result = await asyncio.shield(self._work)
        if isinstance(result, ProblemError):
            raise result
        return result

    def leave(self) -> None:
        """The reader is gone: stop the model and cancel the request; at the end of the process let a worker have it."""
        if self._work.done() or self._has_left:
            return
        self._has_left = True
        if not self._services.stopping.is_set():
            self._services.do_beside(self._abandon())
        elif self._execution is not None:
            self._execution.give_back()
        else:
            self._work.cancel()

    async def _abandon(self) -> None:
        """Cancel the request, so that no worker takes it up; then stop, which settles what the attempt has cost."""
        self._count("left")
        cancelling = asyncio.create_task(self._cancel())
        await asyncio.wait({cancelling}, timeout=CANCEL_SECONDS)  # the model is not kept on for a slow database
        if self._execution is not None:
            self._execution.give_back()
        else:
            self._work.cancel()
        await asyncio.wait({self._work, cancelling})

    async def _run(self) -> Draft | ProblemError | None:
        try:
            return await self._generate()
        except (AgentError, ProblemError) as error:
            problem = problem_of(error) if isinstance(error, AgentError) else error
            self._tell("problem", problem.problem.model_dump(by_alias=True, exclude_none=True))
            if not self._has_left:
                self._count("failed")
            return problem
        finally:
            self._told.put_nowait(None)

    async def _generate(self) -> Draft | None:
        row = self.request
        self._tell("accepted", {"requestId": row["id"], "clientId": row["client_id"], "state": row["state"]})
        if (job := await self._claim()) is not None:
            self._execution = Execution(job, self._handle, jobs=self._services.jobs, lease_seconds=LEASE_SECONDS)
            await self._execution.run()
        row = await self._follow()
        if row["state"] == "done":
            draft = await self._draft()
            self._tell("draft", draft.model_dump(mode="json", by_alias=True))
            self._count("done")
            return draft
        if row["state"] in ("failed", "cancelled"):
            sentence = row["error"] or "It was cancelled."
            raise ProblemError(409, f"request_{row['state']}", sentence, reference=str(row["id"]))
        self._tell("queued", {"requestId": row["id"], "state": row["state"]})
        self._count("queued")
        return None

    async def _claim(self) -> Job | None:
        """None: somebody has it already, or the worker key does not let us; a worker will do it either way."""
        try:
            return await self._services.jobs.claim_one(UUID(self.request["job_id"]), lease_seconds=LEASE_SECONDS)
        except AgentError as error:
            get_logger().error("api.claim_failed", error=error, status=error.status, detail_code=error.detail_code)
            return None

    async def _handle(self, job: Job, lease: Lease) -> UUID:
        return await handle_draft(
            job,
            lease,
            jobs=self._services.jobs,
            providers=self._services.providers,
            on_brief=self._on_brief,
            on_text=self._on_text,
            on_written=self._on_written,
        )

    async def _on_brief(self, brief: DraftBrief) -> None:
        context = brief.context
        used: dict[str, Sized] = {
            "contacts": context.contacts,
            "activities": context.recent_activities,
            "deals": context.active_deals,
            "tasks": context.pending_tasks,
            "orders": context.order_history,
        }
        counts = {kind: len(records) for kind, records in used.items()}
        told = {"contextVersion": context.context_version, "language": brief.language, "records": counts}
        self._tell("context", told)

    async def _on_text(self, text: str | None) -> None:
        self._tell("restart", {}) if text is None else self._tell("text", {"delta": text})

    async def _on_written(self, text: DraftText) -> None:
        self._tell("checks", {**text.grounding, "notes": list(text.notes), "provider": text.provider})

    async def _follow(self) -> Row:
        """Return the request as it is once it is closed, or when it has been waited for long enough."""
        ends_at = time.monotonic() + FOLLOW_SECONDS
        while True:
            row = await find_request(self._services, self._caller, self.request["id"])
            over = time.monotonic() >= ends_at or self._services.stopping.is_set() or self._has_left
            if row["state"] not in ("queued", "running") or over:
                return row
            await asyncio.sleep(FOLLOW_EVERY)

    async def _draft(self) -> Draft:
        draft = await find_draft(self._services, self._caller, self.request["id"])
        if draft is None:  # deleted in this very moment
            raise UnexpectedAnswerError
        return draft

    async def _cancel(self) -> None:
        try:
            params = {"p_request_id": self.request["id"]}
            await self._services.supabase.rpc("cancel_request", params, token=self._caller.token)
        except AgentError as error:
            # It is left to its lease then, and a worker writes what nobody waits for.
            get_logger().warning("api.cancel_failed", error=error, status=error.status, detail_code=error.detail_code)

    def _tell(self, name: str, data: Row) -> None:
        self._told.put_nowait(format_event(name, data))

    def _count(self, state: str) -> None:
        self._services.metrics.generations.labels(state).inc()


async def find_request(services: Services, caller: Caller, request_id: str) -> Row:
    """Return a request of the caller's. Raises ProblemError (404)."""
    rows = await services.supabase.select("ai_draft_requests", token=caller.token, id=request_id)
    if not rows:
        raise ProblemError(404, "request_not_found", "There is no such request of yours.")
    return rows[0]


async def find_draft(services: Services, caller: Caller, request_id: str) -> Draft | None:
    """Return the draft that a request led to, if there is one."""
    rows = await services.supabase.select("ai_drafts", "id", token=caller.token, request_id=request_id)
    if not rows:
        return None
    return Draft.model_validate(
        await services.supabase.rpc("get_draft", {"p_draft_id": rows[0]["id"]}, token=caller.token)
    )
