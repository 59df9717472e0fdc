"""What a draft may rest on."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import Response

from agent_service.api.problems import documented
from agent_service.api.services import App, Person

__all__ = ["router"]

router = APIRouter(prefix="/api/ai", tags=["context"])
EXAMPLE = {
    "client": {"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "name": "Acme", "company": "Acme Ltd"},
    "contacts": [{"id": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "name": "Dana Reed", "isPrimary": True}],
    "recentActivities": [],
    "activeDeals": [],
    "pendingTasks": [],
    "orderHistory": [],
    "lastInteraction": "2026-11-20",
    "contextVersion": "5d41402abc4b2a76b9719d911017c592",
}
_ETAG = re.compile(r'"([0-9a-f]{32})"')


@router.get(
    "/context/{clientId}",
    response_class=Response,
    responses={
        200: {
            "description": "Everything about the client that the caller sees and a draft may rest on.",
            "headers": {"ETag": {"description": "The contextVersion.", "schema": {"type": "string"}}},
            "content": {"application/json": {"schema": {"type": "object"}, "example": EXAMPLE}},
        },
        304: {"description": "The reader has it already."},
        **documented(401, 403, 404, 429),
    },
)
async def get_context(
    client_id: Annotated[UUID, Path(alias="clientId")],
    services: App,
    caller: Person,
    days: Annotated[int, Query(ge=1, le=366, description="Activities of so many days.")] = 30,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Read a client's context. With If-None-Match an answer that the reader has is not sent, and does not count."""
    shown = _ETAG.search(if_none_match or "")
    loaded = await services.contexts.load(caller, client_id, days=days, shown=shown[1] if shown else None)
    # Kept by the browser alone, and asked for again each time: rights may have changed.
    headers = {"ETag": f'"{loaded.version}"', "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if loaded.body is None:
        return Response(status_code=304, headers=headers)
    return Response(loaded.body, media_type="application/json", headers=headers)
