"""The rules that suggest, for administrators."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field

from agent_service.api.models import Wire, Write
from agent_service.api.problems import documented
from agent_service.api.services import Admin, App

__all__ = ["router"]

router = APIRouter(prefix="/api/ai/admin/suggestion-rules", tags=["admin"])


class Rule(Wire):
    """A rule. `stance`: nothing that would grow is proposed beside a risk. `watches`: the records it looks at."""

    rule_key: str
    suggestion_type: str
    stance: str
    watches: str
    is_on: bool
    weight: float
    thresholds: dict[str, float | str]
    description: str
    updated_at: dt.datetime


class SetRule(Write):
    """What of a rule shall be different; the rest stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"thresholds": {"days": 10}}})

    is_on: bool | None = None
    weight: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    thresholds: dict[str, float | str] | None = Field(default=None, description="By the names that the rule has.")


@router.get("", responses=documented(401, 403))
async def list_rules(services: App, caller: Admin) -> list[Rule]:
    """List the rules."""
    rows = await services.supabase.rpc("list_suggestion_rules", {}, token=caller.token)
    return [Rule.model_validate(row) for row in rows]


@router.put("/{ruleKey}", status_code=204, responses=documented(401, 403, 404))
async def set_rule(
    rule_key: Annotated[str, Path(alias="ruleKey", max_length=60)], body: SetRule, services: App, caller: Admin
) -> None:
    """Switch a rule on or off, set its weight and thresholds. All clients are evaluated again."""
    params = {f"p_{name}": value for name, value in body.model_dump().items()}
    await services.supabase.rpc("set_suggestion_rule", {"p_rule_key": rule_key, **params}, token=caller.token)
