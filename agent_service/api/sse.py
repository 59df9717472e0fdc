"""Server-sent events: written as the standard has them, and an end that is noticed when the reader leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

from fastapi import Request
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

__all__ = ["PING", "EventStream", "format_event", "until_gone", "wants_events", "with_pings"]

# A comment: proxies close connections on which nothing has moved for a minute or so.
PING = b": ping\n\n"
PING_SECONDS = 15.0
HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}


class EventStream(EventSourceResponse):
    """A stream of events; `on_end` is called once, also when the reader has left in the middle."""

    def __init__(self, events: AsyncGenerator[bytes, None], *, on_end: Callable[[], object]) -> None:
        super().__init__(events, headers=HEADERS)
        self._events = events
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the events or the reader are gone."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


def format_event(name: str, data: Mapping[str, Any], *, event_id: str | None = None) -> bytes:
    """Return one event with JSON for data."""
    return format_sse_event(event=name, data_str=json.dumps(data, ensure_ascii=False, default=str), id=event_id)


def wants_events(request: Request) -> bool:
    """Whether the caller asks for a stream."""
    return "text/event-stream" in request.headers.get("accept", "").lower()


async def until_gone(request: Request) -> None:
    """Return when the reader has left. Only after the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def with_pings(events: AsyncIterator[bytes], *, every: float = PING_SECONDS) -> AsyncGenerator[bytes, None]:
    """Yield the events, and a comment whenever nothing came for so long."""
    following = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            await asyncio.wait({following}, timeout=every)
            if not following.done():
                yield PING
                continue
            if (event := following.result()) is None:
                return
            yield event
            following = asyncio.ensure_future(anext(events, None))
    finally:
        following.cancel()
