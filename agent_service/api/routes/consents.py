"""What clients and users agreed to. Who may say so, SQL decides: a client's owner, the user themself, an admin."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from agent_service.api.models import Consent, RecordConsent
from agent_service.api.problems import documented
from agent_service.api.services import App, Person

__all__ = ["router"]

router = APIRouter(prefix="/api/ai/consents", tags=["consents"])


@router.get("", responses=documented(401, 403, 404))
async def list_consents(
    services: App,
    caller: Person,
    client_id: Annotated[UUID | None, Query(alias="clientId")] = None,
    user_id: Annotated[UUID | None, Query(alias="userId")] = None,
) -> list[Consent]:
    """List what a client or a user agreed to and took back, newest first. Name one of the two."""
    params = {"p_client_id": _text(client_id), "p_subject_user_id": _text(user_id)}
    rows = await services.supabase.rpc("list_consents", params, token=caller.token)
    return [Consent.model_validate(row) for row in rows]


@router.post("", status_code=201, responses=documented(401, 403, 404))
async def record_consent(body: RecordConsent, services: App, caller: Person) -> Consent:
    """Record that consent was given or taken back. Whoever takes back processing is left alone at once."""
    params = {
        "p_kind": body.kind,
        "p_granted": body.granted,
        "p_client_id": _text(body.client_id),
        "p_subject_user_id": _text(body.user_id),
        "p_reason": body.reason,
    }
    return Consent.model_validate(await services.supabase.rpc("record_consent", params, token=caller.token))


def _text(subject: UUID | None) -> str | None:
    return None if subject is None else str(subject)
