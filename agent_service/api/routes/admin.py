"""What administrators see and set. SQL decides who is one."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Path
from pydantic import ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel, to_snake

from agent_service.api.models import Wire, Write
from agent_service.api.problems import documented
from agent_service.api.services import Admin, App
from agent_service.llm.protocol import DraftType, Purpose

__all__ = ["router"]

router = APIRouter(prefix="/api/ai/admin", tags=["admin"])
REFUSALS = documented(401, 403, 404)
Any_ = Literal["*"]


class Budget(Wire):
    """What may be spent; userId null and scope user: everybody without a budget of their own."""

    id: UUID
    scope: Literal["user", "organisation"]
    user_id: UUID | None = None
    period: Literal["day", "month"]
    limit_usd: float | None = None
    limit_tokens: int | None = None
    updated_at: dt.datetime


class SetBudget(Write):
    """A budget as it shall be; a limit that is left out is none."""

    model_config = ConfigDict(json_schema_extra={"example": {"scope": "user", "period": "month", "limitUsd": 20}})

    scope: Literal["user", "organisation"]
    period: Literal["day", "month"]
    user_id: UUID | None = None
    limit_usd: float | None = Field(default=None, ge=0, le=1_000_000, allow_inf_nan=False)
    limit_tokens: int | None = Field(default=None, ge=0, le=2**53)


class Alert(Wire):
    """Something that an administrator should know."""

    id: UUID
    kind: str
    severity: str
    message: str
    details: dict[str, Any] | None = None
    count: int
    created_at: dt.datetime
    updated_at: dt.datetime
    acknowledged_at: dt.datetime | None = None
    acknowledged_by: UUID | None = None


class Switch(Wire):
    """Where AI is off."""

    scope: Literal["organisation", "role", "user", "client"]
    subject: str
    reason: str
    switched_off_by: UUID | None = None
    switched_off_at: dt.datetime


class SetSwitch(Write):
    """AI off or on, for whom or what, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"scope": "role", "subject": "user", "isOn": False, "reason": "We are trying it out."}
        }
    )

    scope: Literal["organisation", "role", "user", "client"]
    subject: str = Field(max_length=100, description="`*`, a role, or the id of a user or client.")
    is_on: bool
    reason: str | None = Field(default=None, max_length=500, description="People read it.")


class Route(Wire):
    """Which model does which work."""

    kind: str
    draft_type: str
    purpose: str
    model: str
    degraded_model: str


class SetRoute(Write):
    """The same, as it shall be."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"draftType": "note", "model": "claude-haiku-5-5", "degradedModel": "claude-haiku-5-5"}
        }
    )

    kind: str = Field(default="draft", max_length=40)
    draft_type: DraftType | Any_ = "*"
    purpose: Purpose | Any_ = "*"
    model: str = Field(max_length=100)
    degraded_model: str = Field(max_length=100)


@router.get("/settings", responses=documented(401, 403))
async def get_settings(services: App, caller: Admin) -> dict[str, JsonValue]:
    """Read the organisation's settings."""
    (row,) = await services.supabase.select("ai_settings", token=caller.token)
    return _settings(row)


@router.patch("/settings", responses=documented(401, 403))
async def set_settings(
    body: Annotated[dict[str, JsonValue], Body(examples=[{"draftsPerMinute": 20}])], services: App, caller: Admin
) -> dict[str, JsonValue]:
    """Change settings: all that are sent or none."""
    sent = {to_snake(name): value for name, value in body.items()}
    return _settings(await services.supabase.rpc("set_ai_settings", {"p_settings": sent}, token=caller.token))


@router.get("/budgets", responses=documented(401, 403))
async def list_budgets(services: App, caller: Admin) -> list[Budget]:
    """List the budgets."""
    return [Budget.model_validate(row) for row in await services.supabase.select("ai_budgets", token=caller.token)]


@router.put("/budgets", responses=documented(401, 403))
async def set_budget(body: SetBudget, services: App, caller: Admin) -> Budget:
    """Set what a user, everybody without a budget of their own, or all together may spend."""
    params = {
        "p_scope": body.scope,
        "p_period": body.period,
        "p_limit_usd": body.limit_usd,
        "p_limit_tokens": body.limit_tokens,
        "p_subject": str(body.user_id) if body.user_id else None,
    }
    return Budget.model_validate(await services.supabase.rpc("set_budget", params, token=caller.token))


@router.get("/alerts", responses=documented(401, 403))
async def list_alerts(services: App, caller: Admin) -> list[Alert]:
    """List alerts, the newest first."""
    rows = await services.supabase.select("ai_alerts", token=caller.token)
    return sorted(map(Alert.model_validate, rows), key=lambda alert: alert.updated_at, reverse=True)


@router.post("/alerts/{alertId}/acknowledge", responses=REFUSALS)
async def acknowledge_alert(alert_id: Annotated[UUID, Path(alias="alertId")], services: App, caller: Admin) -> Alert:
    """Say that an alert was seen."""
    params = {"p_alert_id": str(alert_id)}
    return Alert.model_validate(await services.supabase.rpc("acknowledge_alert", params, token=caller.token))


@router.get("/switches", responses=documented(401, 403))
async def list_switches(services: App, caller: Admin) -> list[Switch]:
    """List where AI is off."""
    rows = await services.supabase.rpc("list_ai_switches", {}, token=caller.token)
    return [Switch.model_validate(row) for row in rows]


@router.put("/switches", status_code=204, responses=REFUSALS)
async def set_switch(body: SetSwitch, services: App, caller: Admin) -> None:
    """Switch AI off, with a reason, or on again; what is under way then ends without a draft."""
    params = {f"p_{name}": value for name, value in body.model_dump().items()}
    await services.supabase.rpc("set_ai_switch", params, token=caller.token)


@router.get("/routes", responses=documented(401, 403))
async def list_routes(services: App, caller: Admin) -> list[Route]:
    """List which model does which work; of several rows that fit, the most specific holds."""
    rows = await services.supabase.rpc("list_model_routes", {}, token=caller.token)
    return [Route.model_validate(row) for row in rows]


@router.put("/routes", status_code=204, responses=REFUSALS)
async def set_route(body: SetRoute, services: App, caller: Admin) -> None:
    """Say which model does which work, and which one instead while a budget is nearly used up."""
    params = {f"p_{name}": value for name, value in body.model_dump().items()}
    await services.supabase.rpc("set_model_route", params, token=caller.token)


def _settings(row: dict[str, Any]) -> dict[str, JsonValue]:
    return {to_camel(name): value for name, value in row.items() if name != "id"}
