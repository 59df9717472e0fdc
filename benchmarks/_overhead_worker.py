"""The worker of `overhead.py`, in a process of its own: the real one, with the moments of every draft noted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr

from agent_service.context import ClientContext
from agent_service.drafts import handle_draft
from agent_service.jobs import Job, Jobs, Reservation
from agent_service.lease import Lease
from agent_service.llm.anthropic import AnthropicProvider
from agent_service.llm.offline import OfflineProvider
from agent_service.llm.protocol import Completion, DraftText, Prompt
from agent_service.logging import configure_logging
from agent_service.supabase import Supabase
from agent_service.writing import OnText, Providers
from tests.double import KEY
from workers.runner import Runner, RunnerOptions

Moment = tuple[float, float]


def now() -> Moment:
    """The clock, which is the same for all processes of a machine, and this process's processor time."""
    return time.monotonic(), time.process_time()


@dataclass
class Trace:
    """The moments of one draft. request_id: what the double calls the model's request."""

    moments: dict[str, Moment]
    request_id: str = ""

    def note(self, name: str) -> None:
        self.moments[name] = now()


@dataclass
class Work:
    """What a worker did. idle and peak: bytes of its memory before the first job, and at most."""

    traces: list[Trace] = field(default_factory=list)
    cpu: float = 0.0
    idle: int = 0
    peak: int = 0

    @property
    def stored(self) -> list[float]:
        """When drafts were stored, in order."""
        return sorted(trace.moments["stored"][0] for trace in self.traces)


_trace: ContextVar[Trace] = ContextVar("trace")


class TracedJobs(Jobs):
    """The worker's calls; the moments before and after each."""

    def __init__(self, supabase: Supabase, worker_key: SecretStr) -> None:
        super().__init__(supabase, worker_key)
        self.claims: dict[uuid.UUID, tuple[Moment, Moment]] = {}

    async def claim(self, kinds: Sequence[str], *, limit: int, lease_seconds: int) -> list[Job]:
        asked = now()
        jobs = await super().claim(kinds, limit=limit, lease_seconds=lease_seconds)
        answered = now()
        self.claims |= {job.id: (asked, answered) for job in jobs}
        return jobs

    async def context(
        self, token: SecretStr, client_id: uuid.UUID, *, days: int
    ) -> tuple[ClientContext, dict[str, Any]]:
        _trace.get().note("context")
        read = await super().context(token, client_id, days=days)
        _trace.get().note("read")
        return read

    async def reserve(self, token: SecretStr, **what: Any) -> Reservation:  # noqa: ANN401 - as it comes
        _trace.get().note("reserve")
        reservation = await super().reserve(token, **what)
        _trace.get().note("reserved")
        return reservation

    async def complete_draft(
        self, token: SecretStr, text: DraftText, *, snapshot: Mapping[str, Any], usage: Mapping[str, Any]
    ) -> uuid.UUID:
        _trace.get().note("complete")
        draft = await super().complete_draft(token, text, snapshot=snapshot, usage=usage)
        _trace.get().note("stored")
        return draft


class TracedProvider(AnthropicProvider):
    """The model; the moments of its first and its last text."""

    async def stream(self, prompt: Prompt, *, deadline: float) -> AsyncGenerator[str | Completion, None]:
        trace, last = _trace.get(), 0.0
        async with contextlib.aclosing(super().stream(prompt, deadline=deadline)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Completion):
                    trace.request_id = piece.usage.request_id or ""
                    trace.note("answered")
                    # Not noted with each piece: the processor time costs a system call.
                    trace.moments["last"] = (last, trace.moments["answered"][1])
                else:
                    last = time.monotonic()
                    if "first" not in trace.moments:
                        trace.note("first")
                yield piece


async def _read(text: str) -> None:
    """A reader who does nothing with it: what it costs to have one."""


def work_until_empty(env: Mapping[str, str], model_url: str, concurrency: int, *, read: bool = False) -> Work:
    """Be one worker until nothing is due. The entry point of a process of its own. read: drafts are shown meanwhile."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        configure_logging(level=logging.INFO, stream=nowhere)
        return asyncio.run(_work_until_empty(env, model_url, concurrency, _read if read else None))


async def _work_until_empty(env: Mapping[str, str], model_url: str, concurrency: int, on_text: OnText | None) -> Work:
    work, provider = Work(), TracedProvider(SecretStr(KEY), base_url=model_url)
    providers = Providers(OfflineProvider(), provider)
    async with Supabase(
        env["SUPABASE_URL"], SecretStr(env["SUPABASE_PUBLISHABLE_KEY"]), max_connections=2 * concurrency + 2
    ) as supabase:
        jobs = TracedJobs(supabase, SecretStr(env["AGENT_WORKER_KEY"]))

        async def handle(job: Job, lease: Lease) -> uuid.UUID:
            asked, answered = jobs.claims.pop(job.id)
            trace = Trace({"claim": asked, "claimed": answered})
            _trace.set(trace)
            draft = await handle_draft(job, lease, jobs=jobs, providers=providers, on_text=on_text)
            work.traces.append(trace)
            work.peak = max(work.peak, _memory())
            return draft

        work.idle = _memory()
        started = time.process_time()
        runner = Runner(jobs, {"draft": handle}, RunnerOptions(concurrency=concurrency, once=True))
        summary = await runner.run()
        work.cpu = time.process_time() - started
        await providers.aclose()
    assert set(summary.ended) == {"done"}, summary
    assert all("answered" in trace.moments for trace in work.traces), "a draft was not the model's"
    return work


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)
