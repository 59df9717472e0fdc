"""`account-agent serve`: run the HTTP API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Annotated

import typer
from pydantic import SecretStr

from agent_service.api import ApiOptions, Tick, create_app
from agent_service.api.serving import make_server
from agent_service.jobs import Jobs
from agent_service.logging import configure_logging
from agent_service.mail import server_of
from agent_service.settings import WORKER_FIELDS, Settings, load_settings
from agent_service.supabase import Supabase
from agent_service.writing import providers_of
from workers import draft, send, sweep
from workers.maintenance import tend
from workers.runner import Runner, RunnerOptions

__all__ = ["serve"]

TICK_CONCURRENCY = 4
# Past its time a tick finishes what it has begun: giving a draft back each minute would pay for it each minute.
TICK_OPTIONS = RunnerOptions(concurrency=TICK_CONCURRENCY, once=True, finish_seconds=120)


def serve(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for all, behind a proxy with TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    grace_seconds: Annotated[int, typer.Option(min=1, max=600, help="After SIGTERM, for streams under way.")] = 25,
    max_body: Annotated[int, typer.Option(min=1024, help="Bytes of a request.")] = 256 << 10,
    max_connections: Annotated[int, typer.Option(min=1, max=1000, help="Connections to Supabase.")] = 100,
) -> None:
    """Run the HTTP API that the CRM frontend calls (docs/api.md)."""
    configure_logging(level=logging.INFO)
    settings = load_settings(WORKER_FIELDS)
    options = ApiOptions(max_body=max_body, max_connections=max_connections)
    app = create_app(settings, options=options, tick=make_tick(settings))
    make_server(app, host=host, port=port, grace_seconds=grace_seconds).run()


def make_tick(settings: Settings) -> Tick:
    """Return what `POST /workers/tick` does: as `account-agent work --once`, with the key that it is given."""

    server = server_of(settings.smtp_url) if settings.smtp_url is not None else None

    async def tick(key: SecretStr, seconds: float, stopping: asyncio.Event) -> Mapping[str, int]:
        assert settings.supabase_url and settings.supabase_publishable_key  # noqa: S101, PT018
        connections = 2 * TICK_CONCURRENCY + 2
        async with Supabase(
            settings.supabase_url, settings.supabase_publishable_key, max_connections=connections
        ) as supabase:
            jobs, providers = Jobs(supabase, key), providers_of(settings)
            handlers = {draft.KIND: draft.make_handler(jobs, providers), sweep.KIND: sweep.make_handler(jobs)}
            if server is not None:  # else mails wait for a worker that has one
                handlers[send.KIND] = send.make_handler(jobs, server)
            runner = Runner(jobs, handlers, TICK_OPTIONS)
            over = asyncio.get_running_loop().call_later(seconds, runner.stop)
            ending = asyncio.create_task(_give_back(runner, stopping))
            try:
                await tend(jobs, settings.agent_alert_webhook)
                summary = await runner.run()
            finally:
                over.cancel()
                ending.cancel()
                await providers.aclose()
        if summary.fatal is not None:
            raise summary.fatal
        return summary.ended

    return tick


async def _give_back(runner: Runner, stopping: asyncio.Event) -> None:
    """At the end of the process, let other workers have at once what is not finished."""
    await stopping.wait()
    runner.stop()
    runner.stop()
