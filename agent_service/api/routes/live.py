"""Whether AI is there, and what has changed."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from fastapi import APIRouter, Header
from fastapi.responses import Response

from agent_service.api.changes import Changes, Cursor
from agent_service.api.models import Wire
from agent_service.api.problems import documented
from agent_service.api.services import App, Person
from agent_service.api.sse import EventStream, with_pings

__all__ = ["router"]

router = APIRouter(prefix="/api/ai", tags=["live"])
STREAM = (
    "event: ready\ndata: {}\n\n"
    "event: draft\ndata: {\"id\": \"…\", \"state\": \"pending\", \"version\": 1}\nid: 2026-11-23T09:00:00+00:00/…\n\n"
)  # fmt: skip


class Status(Wire):
    """Whether AI is there for the caller."""

    state: Literal["available", "degraded", "down", "off"]
    since: dt.datetime | None = None
    reason: str | None = None
    resumes_at: dt.datetime | None = None


@router.get("/status", responses=documented(401, 403))
async def get_status(services: App, caller: Person) -> Status:
    """Whether AI is available, degraded, down or off, since when and why."""
    return Status.model_validate(await services.supabase.rpc("agent_status", {}, token=caller.token))


@router.get(
    "/events",
    response_class=Response,
    responses={
        200: {
            "description": "ready, then draft and request for each change, problem before an end that has a reason. "
            "An event may come twice after a lost connection.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": STREAM}},
        },
        **documented(401, 403, 429),
    },
)
async def get_events(
    services: App,
    caller: Person,
    last_event_id: Annotated[str | None, Header(description="Go on behind this event.")] = None,
) -> Response:
    """Stream the caller's own changes as they happen; without Last-Event-ID from now on."""
    changes = Changes(services, caller, Cursor.parse(last_event_id) if last_event_id else None)
    await changes.open()
    streams = services.metrics.streams.labels("events")
    streams.inc()

    def end() -> None:
        streams.dec()
        changes.close()

    return EventStream(with_pings(changes.events()), on_end=end)
