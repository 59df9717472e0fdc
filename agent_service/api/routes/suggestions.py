"""What the agent proposes, and what a person makes of it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from agent_service.api.auth import Caller
from agent_service.api.cursors import read_cursor, write_cursor
from agent_service.api.models import Wire, Write
from agent_service.api.problems import ProblemError, documented
from agent_service.api.services import App, Person, Services

__all__ = ["router"]

router = APIRouter(prefix="/api/ai/suggestions", tags=["suggestions"])
REFUSALS = documented(401, 403, 404, 409, 429)
SuggestionId = Annotated[UUID, Path(alias="id")]
Priority = Literal["low", "medium", "high"]
SuggestionType = Literal["follow_up", "deal_action", "task_create", "upsell", "at_risk", "check_in"]


class Record(Wire):
    """A record of the CRM that a suggestion rests on."""

    table: str
    id: UUID


class Evidence(Wire):
    """What a suggestion rests on. `expected` and `actual`: what was to be, and what is."""

    rows: list[Record] = Field(default_factory=list)
    expected: dict[str, JsonValue] = Field(default_factory=dict)
    actual: dict[str, JsonValue] = Field(default_factory=dict)


class Suggestion(Wire):
    """A next step for a client, and why."""

    id: UUID
    client_id: UUID
    client_name: str
    suggestion_type: str
    priority: Priority
    title: str
    description: str | None = None
    reasoning: str | None = None
    action_data: dict[str, JsonValue] | None = Field(
        default=None, description="What accepting does; `kind` says which."
    )
    evidence: Evidence
    rule_key: str
    source: Literal["rule", "ai"]
    score: float = Field(description="0 to 100.")
    factors: dict[str, float] = Field(description="What the score is made of, each 0 to 1.")
    rank_words: str = Field(description="Why it ranks where it does, for people.")
    status: str
    snoozed_until: dt.datetime | None = None
    created_at: dt.datetime
    updated_at: dt.datetime


class SuggestionPage(Wire):
    """Suggestions, the highest score first."""

    items: list[Suggestion]
    next: str | None = Field(default=None, description="`after` of the following page.")


class Resolved(Wire):
    """What became of a suggestion."""

    id: UUID
    status: Literal["pending", "accepted", "dismissed"]
    snoozed_until: dt.datetime | None = None
    result: dict[str, JsonValue] | None = Field(default=None, description="What accepting created: its kind and id.")


class Dismiss(Write):
    """A no."""

    reason: str | None = Field(default=None, max_length=500)


class Snooze(Write):
    """Later."""

    model_config = ConfigDict(json_schema_extra={"example": {"until": "2026-12-01T08:00:00Z"}})

    until: AwareDatetime


class Asked(BaseModel):
    """Which suggestions, and which page of them."""

    priority: Priority | None = None
    suggestion_type: SuggestionType | None = Field(default=None, alias="type")
    include_snoozed: bool = Field(default=False, alias="includeSnoozed")
    limit: int = Field(default=20, ge=1, le=100)
    after: str | None = Field(default=None, max_length=300, description="`next` of the page before.")


@router.get("", responses=documented(401, 403))
async def list_suggestions(services: App, caller: Person, asked: Annotated[Asked, Query()]) -> SuggestionPage:
    """List what is proposed to the caller, for all their clients."""
    return await _page(services, caller, None, asked)


@router.get("/{id}", responses=documented(401, 403, 404))
async def list_client_suggestions(
    client_id: Annotated[UUID, Path(alias="id", description="Of the client.")],
    services: App,
    caller: Person,
    asked: Annotated[Asked, Query()],
) -> SuggestionPage:
    """List what is proposed for one client. It is evaluated first if something has changed, so that none is missing."""
    return await _page(services, caller, client_id, asked)


@router.post("/{id}/accept", responses=REFUSALS)
async def accept_suggestion(suggestion_id: SuggestionId, services: App, caller: Person) -> Resolved:
    """Do what is proposed: ask for the draft, create the task, log the activity or move the deal. Once."""
    return await _resolve(services, caller, "accept_suggestion", p_suggestion_id=str(suggestion_id))


@router.post("/{id}/undo", responses=REFUSALS)
async def undo_suggestion(suggestion_id: SuggestionId, services: App, caller: Person) -> Resolved:
    """Take back what accepting or dismissing did. 409 moved_on where somebody has gone on from there."""
    return await _resolve(services, caller, "undo_suggestion", p_suggestion_id=str(suggestion_id))


@router.post("/{id}/dismiss", responses=REFUSALS)
async def dismiss_suggestion(
    suggestion_id: SuggestionId, services: App, caller: Person, body: Dismiss | None = None
) -> Resolved:
    """Say no. It stays away while its evidence is the same."""
    reason = None if body is None else body.reason
    return await _resolve(services, caller, "dismiss_suggestion", p_suggestion_id=str(suggestion_id), p_reason=reason)


@router.post("/{id}/snooze", responses=REFUSALS)
async def snooze_suggestion(suggestion_id: SuggestionId, body: Snooze, services: App, caller: Person) -> Resolved:
    """Put it off, until a time within a year."""
    return await _resolve(
        services, caller, "snooze_suggestion", p_suggestion_id=str(suggestion_id), p_until=body.until.isoformat()
    )


async def _page(services: Services, caller: Caller, client_id: UUID | None, asked: Asked) -> SuggestionPage:
    params = {
        "p_client_id": None if client_id is None else str(client_id),
        "p_priority": asked.priority,
        "p_type": asked.suggestion_type,
        "p_include_snoozed": asked.include_snoozed,
        "p_limit": asked.limit,
        **_after(asked.after),
    }
    page = await services.supabase.rpc("list_suggestions", params, token=caller.token)
    return SuggestionPage.model_validate({**page, "next": write_cursor(page["next"])})


def _after(cursor: str | None) -> dict[str, Any]:
    place = read_cursor(cursor, field="after")
    if place is None:
        return {}
    try:
        return {"p_after_score": float(place["after_score"]), "p_after_id": str(UUID(place["after_id"]))}
    except (KeyError, TypeError, ValueError, AttributeError):
        hint = "Leave it out."
        raise ProblemError(400, "invalid_argument", "after is not the next of a page.", hint=hint) from None


async def _resolve(services: Services, caller: Caller, function: str, **params: object) -> Resolved:
    return Resolved.model_validate(await services.supabase.rpc(function, params, token=caller.token))
