"""Asking for a draft and seeing it come."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response

from agent_service.api.auth import Caller
from agent_service.api.generating import Generation, find_draft, find_request
from agent_service.api.models import Draft, Generate, Regenerate, RequestState
from agent_service.api.problems import documented
from agent_service.api.services import App, Person, Services
from agent_service.api.sse import EventStream, until_gone, wants_events, with_pings
from agent_service.errors import UnexpectedAnswerError

__all__ = ["router"]

router = APIRouter(prefix="/api/ai", tags=["drafts"])
STREAM = (
    "event: accepted\ndata: {\"requestId\": \"…\", \"clientId\": \"…\", \"state\": \"queued\"}\n\n"
    "event: text\ndata: {\"delta\": \"Dear Dana,\"}\n\n"
    "event: draft\ndata: {\"id\": \"…\", \"contentHash\": \"…\"}\n\n"
)  # fmt: skip
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "With `Accept: text/event-stream`: accepted, context, text (and restart), checks, then draft, "
        "queued or problem.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": STREAM}},
    },
    201: {"description": "The draft.", "model": Draft},
    202: {"description": "A worker is still writing it: ask for the request again.", "model": RequestState},
    **documented(401, 403, 404, 409, 429),
}
RequestId = Annotated[UUID, Path(alias="requestId")]


@router.post("/drafts/generate", status_code=201, response_model=None, responses=ANSWERS)
async def generate(body: Generate, request: Request, services: App, caller: Person) -> Response:
    """Have a draft written, as JSON when it is done or, as a stream, while it is written.

    Streamed text is provisional: the draft event has the text that was checked and stored. Whoever leaves before that
    cancels the request; after a lost connection the draft is found by the requestId of the accepted event.
    """
    params = {f"p_{name}": value for name, value in body.model_dump(mode="json").items()}
    row = await services.supabase.rpc("request_draft", params | {"p_interactive": True}, token=caller.token)
    return await _answer(request, services, caller, _request_of(row))


@router.post("/drafts/{id}/regenerate", status_code=201, response_model=None, responses=ANSWERS)
async def regenerate(
    draft_id: Annotated[UUID, Path(alias="id")], body: Regenerate, request: Request, services: App, caller: Person
) -> Response:
    """Have another draft written in place of one, which stays as it is until then. Answers as `generate` does."""
    params = {f"p_{name}": value for name, value in body.model_dump(mode="json").items()}
    params |= {"p_draft_id": str(draft_id), "p_interactive": True}
    row = await services.supabase.rpc("regenerate_draft", params, token=caller.token)
    return await _answer(request, services, caller, _request_of(row))


@router.get("/requests/{requestId}", responses=documented(401, 403, 404))
async def get_request(request_id: RequestId, services: App, caller: Person) -> RequestState:
    """See what became of a request, with its draft once there is one."""
    return await _state(services, caller, str(request_id))


@router.post("/requests/{requestId}/cancel", responses=documented(401, 403, 404, 409))
async def cancel_request(request_id: RequestId, services: App, caller: Person) -> RequestState:
    """Give up waiting: the request ends without a draft, and the model is not asked any further."""
    await services.supabase.rpc("cancel_request", {"p_request_id": str(request_id)}, token=caller.token)
    return await _state(services, caller, str(request_id))


def _request_of(row: object) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UnexpectedAnswerError
    return row


async def _state(services: Services, caller: Caller, request_id: str) -> RequestState:
    row = await find_request(services, caller, request_id)
    draft = await find_draft(services, caller, request_id) if row["state"] == "done" else None
    return RequestState.model_validate({**row, "draft": draft})


async def _answer(request: Request, services: Services, caller: Caller, row: dict[str, Any]) -> Response:
    generation = Generation(services, caller, row)
    kind = "generate" if wants_events(request) else "json"
    streams = services.metrics.streams.labels(kind)
    streams.inc()

    def end() -> None:
        streams.dec()
        generation.leave()

    if kind == "generate":
        return EventStream(with_pings(generation.events()), on_end=end)
    try:
        return await _whole(request, services, caller, generation)
    finally:
        end()


async def _whole(request: Request, services: Services, caller: Caller, generation: Generation) -> Response:
    waiting = asyncio.ensure_future(generation.result())
    gone = asyncio.create_task(until_gone(request))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            return Response(status_code=499)  # nobody reads it
        if (draft := waiting.result()) is not None:
            return JSONResponse(draft.model_dump(mode="json", by_alias=True), 201)
        state = await _state(services, caller, str(generation.request["id"]))
        return JSONResponse(state.model_dump(mode="json", by_alias=True), 202)
    finally:
        gone.cancel()
        waiting.cancel()
