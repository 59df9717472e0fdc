"""Structured logs: stable event names with ids and numbers, JSON where no person is watching.

Only the fields named here are let through. CRM text, prompts, names, tokens and messages of foreign exceptions (which
quote their input) have no field to travel in.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

__all__ = ["FIELDS", "configure_logging", "get_logger"]

FIELDS = frozenset(
    {
        "attempt",
        "claimed",
        "client_id",
        "code",
        "concurrency",
        "delay_seconds",
        "detail_code",
        "draft_id",
        "error",
        "event",
        "held",
        "job_id",
        "kind",
        "kinds",
        "lease_seconds",
        "level",
        "model",
        "once",
        "provider",
        "request_id",
        "seconds",
        "signal",
        "state",
        "status",
        "timestamp",
        "user_id",
    }
)


def configure_logging(*, level: int = logging.INFO, stream: TextIO | None = None, as_json: bool | None = None) -> None:
    """Send logs to `stream` (standard error by default), as JSON unless it is a terminal."""
    target = stream or sys.stderr
    if as_json is None:
        as_json = not target.isatty()
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=target.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_known_fields,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Forgiving(target))),
        cache_logger_on_first_use=False,
    )


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return a logger; bind ids to it, nothing else."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


class _Forgiving:
    """A stream whose reader may go away: a full disk or a closed pipe must not cost anybody a job."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def _only_known_fields(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    kept: EventDict = {}
    for name, value in event_dict.items():
        if name in FIELDS:
            kept[name] = type(value).__name__ if isinstance(value, BaseException) else value
    return kept
