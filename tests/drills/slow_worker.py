"""The real worker with a writer that takes its time, so that a kill finds it in the middle of something."""

from __future__ import annotations

import asyncio
import logging
import random

from pydantic import SecretStr

from agent_service.drafts import draft_handler
from agent_service.jobs import Jobs
from agent_service.llm.anthropic import AnthropicProvider
from agent_service.llm.offline import OfflineProvider, OfflineWriter
from agent_service.llm.protocol import DraftBrief, DraftText
from agent_service.logging import configure_logging
from agent_service.supabase import Supabase
from agent_service.writing import Providers
from tests.double import KEY
from workers.runner import Runner, RunnerOptions

POLL_SECONDS = 1.0
AT_ONCE = 4


class SlowWriter:
    """The offline writer after a wait of up to `seconds`, and no less than `least`."""

    def __init__(self, seconds: float, *, least: float = 0.0) -> None:
        self._seconds = seconds
        self._least = least
        self._writer = OfflineWriter()

    async def write(self, brief: DraftBrief, /) -> DraftText:
        await asyncio.sleep(random.uniform(self._least, self._seconds))
        return await self._writer.write(brief)


def run(
    url: str, publishable_key: str, worker_key: str, *, lease_seconds: int, write_seconds: float, model_url: str | None
) -> None:
    """Work until killed, with a model if there is one. The entry point of a process of its own."""
    configure_logging(level=logging.ERROR)
    writer = OfflineProvider(SlowWriter(write_seconds))
    model = AnthropicProvider(SecretStr(KEY), base_url=model_url) if model_url else None
    asyncio.run(_run(url, publishable_key, worker_key, lease_seconds, Providers(writer, model)))


async def _run(url: str, publishable_key: str, worker_key: str, lease_seconds: int, providers: Providers) -> None:
    async with Supabase(url, SecretStr(publishable_key)) as supabase:
        jobs = Jobs(supabase, SecretStr(worker_key))
        options = RunnerOptions(concurrency=AT_ONCE, lease_seconds=lease_seconds, poll_max=POLL_SECONDS)
        await Runner(jobs, {"draft": draft_handler(jobs, providers)}, options).run()
