"""How things stand with a client."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, JsonValue
from pydantic.alias_generators import to_camel

from agent_service.api.auth import Caller
from agent_service.api.problems import documented
from agent_service.api.services import App, Person, Services

__all__ = ["router"]

router = APIRouter(prefix="/api/ai/intelligence", tags=["intelligence"])
REFUSALS = documented(401, 403, 404)
ClientId = Annotated[UUID, Path(alias="clientId")]
Figures = dict[str, JsonValue]


class Intelligence(BaseModel):
    """The picture of a client, as docs/intelligence.md says. `insufficientData` is where one would guess."""

    client_id: UUID = Field(alias="clientId")
    computed_at: str = Field(alias="computedAt")
    computed_from: Figures = Field(alias="computedFrom", description="The records that it rests on.")
    communication: Figures
    deals: Figures
    engagement: Figures
    trend: Figures
    churn: Figures
    upsell: Figures
    risks: list[Figures]
    opportunities: list[Figures]
    summary: str | None = None


@router.get("/{clientId}", responses=REFUSALS)
async def get_intelligence(client_id: ClientId, services: App, caller: Person) -> Intelligence:
    """Read it; it is computed again where the client's records have changed."""
    return await _ask(services, caller, "get_client_intelligence", client_id)


@router.post("/{clientId}/refresh", responses=REFUSALS)
async def refresh_intelligence(client_id: ClientId, services: App, caller: Person) -> Intelligence:
    """Compute it now."""
    return await _ask(services, caller, "refresh_client_intelligence", client_id)


async def _ask(services: Services, caller: Caller, function: str, client_id: UUID) -> Intelligence:
    answer = await services.supabase.rpc(function, {"p_client_id": str(client_id)}, token=caller.token)
    return Intelligence.model_validate(_camel(answer))


def _camel(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Names in camelCase, values as they are: the keys of byType are types of the CRM."""
    if isinstance(value, dict):
        return {to_camel(name): _camel(item) if name != "by_type" else item for name, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list) else value
