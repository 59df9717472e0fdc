"""What administrators do for the people whom data is about: hold, hand out, erase."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from agent_service.api.models import CLIENT, Wire, Write
from agent_service.api.problems import documented
from agent_service.api.services import Admin, App

__all__ = ["router"]

router = APIRouter(prefix="/api/ai/admin", tags=["admin"])


class LegalHold(Wire):
    """Somebody whose AI data must stay."""

    id: UUID
    client_id: UUID | None = None
    user_id: UUID | None = None
    reason: str
    set_by: UUID
    set_at: dt.datetime
    lifted_by: UUID | None = None
    lifted_at: dt.datetime | None = None


class SetLegalHold(Write):
    """A hold on a client or a user, one of the two; isHeld false lifts it."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"clientId": CLIENT, "isHeld": True, "reason": "Case 12/345."}}
    )

    is_held: bool
    client_id: UUID | None = None
    user_id: UUID | None = None
    reason: str | None = Field(default=None, max_length=500)


class OfClient(Write):
    """The client whom it is about."""

    model_config = ConfigDict(json_schema_extra={"example": {"clientId": CLIENT}})

    client_id: UUID

    @property
    def params(self) -> dict[str, str]:
        """As SQL takes it."""
        return {"p_client_id": str(self.client_id)}


class Export(Wire):
    """Rows by table, as they are in the database."""

    client_id: UUID
    exported_at: dt.datetime
    tables: dict[str, list[dict[str, Any]]]


@router.get("/legal-holds", responses=documented(401, 403))
async def list_legal_holds(services: App, caller: Admin) -> list[LegalHold]:
    """List all holds, the lifted ones too."""
    rows = await services.supabase.rpc("list_legal_holds", {}, token=caller.token)
    return [LegalHold.model_validate(row) for row in rows]


@router.put("/legal-holds", status_code=204, responses=documented(401, 403, 404))
async def set_legal_hold(body: SetLegalHold, services: App, caller: Admin) -> None:
    """Set or lift a hold: retention, erasure and deleting leave the data alone while there is one."""
    params = {
        "p_is_held": body.is_held,
        "p_client_id": str(body.client_id) if body.client_id else None,
        "p_subject_user_id": str(body.user_id) if body.user_id else None,
        "p_reason": body.reason,
    }
    await services.supabase.rpc("set_legal_hold", params, token=caller.token)


@router.post("/erasures", responses=documented(401, 403, 404, 409))
async def erase_client(body: OfClient, services: App, caller: Admin) -> dict[str, int]:
    """Erase what AI wrote and was asked about a client; says how many rows of each table."""
    counts: dict[str, int] = await services.supabase.rpc("erase_client_ai_data", body.params, token=caller.token)
    return counts


@router.post("/exports", responses=documented(401, 403, 404))
async def export_client(body: OfClient, services: App, caller: Admin) -> Export:
    """Hand out every row of ours about a client, for the person who asked what is kept about them."""
    return Export.model_validate(await services.supabase.rpc("export_client_data", body.params, token=caller.token))
