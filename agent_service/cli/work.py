"""`account-agent work`: run a worker, or drain the queue once and exit."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Mapping
from typing import Annotated

import typer

from agent_service.batching import Batching
from agent_service.errors import ConfigurationError
from agent_service.execution import Handler
from agent_service.jobs import Jobs
from agent_service.logging import configure_logging, get_logger
from agent_service.mail import MailServer, server_of
from agent_service.settings import WORKER_FIELDS, Settings, load_settings
from agent_service.supabase import Supabase
from agent_service.writing import Providers, providers_of
from workers import draft, send, sweep
from workers.batch import BatchRunner
from workers.listener import listen
from workers.maintenance import maintain, tend
from workers.runner import Runner, RunnerOptions, Summary

__all__ = ["work"]

EXIT_DRAINED = 0
EXIT_FAILED = 1
EXIT_NO_SERVER = 2
KINDS = (draft.KIND, send.KIND, sweep.KIND)


def work(
    *,
    once: Annotated[bool, typer.Option("--once", help="Do what is due, then exit (for cron).")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=200, help="Jobs worked on side by side.")] = 4,
    kinds: Annotated[list[str] | None, typer.Option("--kinds", help="Only these kinds of job; repeatable.")] = None,
    batch: Annotated[
        bool, typer.Option("--batch", help="Send what can wait in batches: half the price, an answer within a day.")
    ] = False,
    lease_seconds: Annotated[int, typer.Option(min=10, max=300, help="How long a claim lasts unrenewed.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every job, not only trouble.")] = False,
) -> None:
    """Do the jobs that are due: write drafts, send mails, look for what to suggest, each under its user's rights.

    Exit codes with --once: 0 nothing is due any more, 1 a job failed for good, 2 wrong settings or no server.
    """
    configure_logging(level=logging.WARNING if once and not verbose else logging.INFO)
    if unknown := sorted(set(kinds or ()) - set(KINDS)):
        raise typer.BadParameter(f"{', '.join(unknown)}: there are jobs of kind {', '.join(KINDS)}.")
    try:
        settings = load_settings(WORKER_FIELDS)
        server = server_of(settings.smtp_url) if settings.smtp_url else None
    except ConfigurationError as error:
        _say(str(error), {"error": str(error)}, as_json=as_json, failed=True)
        raise typer.Exit(EXIT_NO_SERVER) from None

    if batch and not settings.has_model:
        raise typer.BadParameter("--batch needs a model: set ANTHROPIC_API_KEY.")
    if send.KIND in (kinds or ()) and server is None:
        raise typer.BadParameter("send needs a mail server: set SMTP_URL.")
    options = RunnerOptions(concurrency=concurrency, lease_seconds=lease_seconds, once=once)
    summary = asyncio.run(_run(settings, server, set(kinds or KINDS), options, batch=batch))
    _say(_sentence(summary, once=once), _report(summary), as_json=as_json, failed=summary.fatal is not None)
    if summary.fatal is not None or (once and summary.ended["unsettled"]):
        raise typer.Exit(EXIT_NO_SERVER)
    if once and summary.ended["failed"]:
        raise typer.Exit(EXIT_FAILED)


async def _run(
    settings: Settings, server: MailServer | None, kinds: set[str], options: RunnerOptions, *, batch: bool
) -> Summary:
    # load_settings(WORKER_FIELDS) has seen to these three.
    assert settings.supabase_url and settings.supabase_publishable_key and settings.agent_worker_key  # noqa: S101, PT018
    connections = 2 * options.concurrency + 2  # each job may be working and in a heartbeat; and the claims
    async with Supabase(
        settings.supabase_url, settings.supabase_publishable_key, max_connections=connections
    ) as supabase:
        jobs = Jobs(supabase, settings.agent_worker_key)
        providers = providers_of(settings)
        handlers = _handlers(server, kinds, jobs, providers)
        runner: Runner | BatchRunner = Runner(jobs, handlers, options)
        if batch and providers.model is not None:
            runner = BatchRunner(
                Batching(jobs, providers.model, draft.make_handler(jobs, providers)), once=options.once
            )
        _stop_on_signals(runner)
        beside: list[asyncio.Task[None]] = []
        if options.once:
            await tend(jobs, settings.agent_alert_webhook, settings.agent_anchor_file)
        else:
            beside.append(asyncio.create_task(maintain(jobs, settings.agent_alert_webhook, settings.agent_anchor_file)))
            if settings.agent_listen_url is not None:
                beside.append(asyncio.create_task(listen(settings.agent_listen_url, runner.wake)))
        try:
            return await runner.run()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await providers.aclose()


def _handlers(server: MailServer | None, kinds: set[str], jobs: Jobs, providers: Providers) -> dict[str, Handler]:
    """Those that this installation can do: without SMTP_URL mails wait for a worker that has it."""
    handlers = {draft.KIND: draft.make_handler(jobs, providers), sweep.KIND: sweep.make_handler(jobs)}
    if server is not None:
        handlers[send.KIND] = send.make_handler(jobs, server)
    return {kind: handler for kind, handler in handlers.items() if kind in kinds}


def _stop_on_signals(runner: Runner | BatchRunner) -> None:
    def stop(number: signal.Signals) -> None:
        get_logger().info("worker.signal", signal=number.name)
        runner.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)


def _report(summary: Summary) -> dict[str, object]:
    return {
        "ended": dict(sorted(summary.ended.items())),
        "codes": dict(sorted(summary.codes.items())),
        "seconds": round(summary.seconds, 3),
        "error": str(summary.fatal) if summary.fatal else None,
    }


def _sentence(summary: Summary, *, once: bool) -> str:
    words = {
        "done": "done",
        "sent": "sent in a batch",
        "queued": "to be tried again",
        "returned": "given back",
        "failed": "failed for good",
        "cancelled": "cancelled",
        "lost": "left to another worker",
        "unsettled": "left to their lease",
    }
    counts = [f"{summary.ended[state]} {word}" for state, word in words.items() if summary.ended[state]]
    why = ", ".join(sorted(set(summary.codes)))
    told = ", ".join(counts) or "no job was due"
    if summary.fatal is not None:
        return f"Stopped: {summary.fatal} ({told})"
    start = "Queue drained" if once else "Stopped"
    return f"{start}: {told}{f' ({why})' if why else ''}, {summary.seconds:.1f} s."


def _say(text: str, report: Mapping[str, object], *, as_json: bool, failed: bool) -> None:
    """Results go to standard output; a reason for not running to standard error, unless a program reads."""
    typer.echo(json.dumps(report) if as_json else text, err=failed and not as_json)
