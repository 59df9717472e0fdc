"""What the routes share: one project, one pool of connections, one of everything; and who is calling."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from pydantic import SecretStr

from agent_service.api.auth import Caller, Verifier
from agent_service.api.contexts import Contexts
from agent_service.api.metrics import Metrics
from agent_service.api.problems import ProblemError
from agent_service.jobs import Jobs
from agent_service.supabase import Supabase
from agent_service.writing import Providers

__all__ = ["Admin", "App", "Person", "Services", "Tick"]

# Does what is due with a worker's key, taking nothing new after so many seconds, and gives back what it holds when the
# event says that the process ends; returns how many jobs ended how.
Tick = Callable[[SecretStr, float, asyncio.Event], Awaitable[Mapping[str, int]]]


@dataclass(slots=True)
class Services:
    """One application's. stopping: set when the process is asked to end; endless streams then do."""

    supabase: Supabase
    jobs: Jobs
    providers: Providers
    verifier: Verifier
    contexts: Contexts
    metrics: Metrics
    tick: Tick | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    listeners: Counter[object] = field(default_factory=Counter)
    _beside: set[asyncio.Task[Any]] = field(default_factory=set)

    def stop(self) -> None:
        """Say that the process is to end. From anywhere, a signal's handler too."""
        self.loop.call_soon_threadsafe(self.stopping.set)

    def do_beside(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        """Do something that goes on when the request is over."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task

    async def settle(self, seconds: float) -> None:
        """Wait for what is done beside, then drop it."""
        if self._beside:
            await asyncio.wait(self._beside, timeout=seconds)
        for task in [*self._beside]:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


App = Annotated[Services, Depends(_services)]


Authorization = Annotated[str | None, Header(include_in_schema=False)]


async def _person(services: App, authorization: Authorization = None) -> Caller:
    try:
        return await services.verifier.verify(authorization)
    except ProblemError as refusal:
        services.metrics.refused_tokens.labels(refusal.problem.code).inc()
        raise


Person = Annotated[Caller, Depends(_person)]


async def _admin(services: App, caller: Person) -> Caller:
    """Row-level security shows the settings to admins alone; what an admin does, SQL checks again."""
    if not await services.supabase.select("ai_settings", "id", token=caller.token):
        raise ProblemError(403, "not_an_admin", "This is for administrators.")
    return caller


Admin = Annotated[Caller, Depends(_admin)]
