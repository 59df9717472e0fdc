"""For those who run it: is it up, what does it do, and do what is due."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from pydantic import SecretStr

from agent_service._jwt import unverified_claims
from agent_service.api.metrics import MEDIA_TYPE
from agent_service.api.models import Wire
from agent_service.api.problems import ProblemError, documented
from agent_service.api.services import App

__all__ = ["router"]

router = APIRouter(tags=["operations"])


class Health(Wire):
    """That this process answers."""

    status: str
    version: str


class Ticked(Wire):
    """What one tick did: jobs by how they ended."""

    ended: dict[str, int]


@router.get("/healthz")
async def get_health() -> Health:
    """Whether this process answers. It asks nobody else: a database that is away is no reason to restart it."""
    return Health(status="ok", version=version("account-manager-agent"))


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus's format."}},
)
async def get_metrics(services: App) -> Response:
    """Figures for Prometheus, without personal data."""
    return Response(services.metrics.render(), media_type=MEDIA_TYPE)


@router.post("/workers/tick", responses=documented(401, 403))
async def tick(
    services: App,
    seconds: Annotated[int, Query(ge=1, le=300, description="Take no new job after so many.")] = 50,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Ticked:
    """Do the jobs that are due, for Supabase Cron. The caller's worker key is what reaches Supabase."""
    if services.tick is None:
        raise ProblemError(501, "not_built", "This server runs no workers.", hint="Run account-agent work.")
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ProblemError(401, "not_signed_in", "This is for workers.", hint="Send AGENT_WORKER_KEY as Bearer.")
    # Read, not believed: PostgREST verifies the key. This only turns away what can never be one.
    if unverified_claims(key.strip()).get("role") != "agent_worker":
        raise ProblemError(403, "worker_required", "This is for workers.", hint="Send AGENT_WORKER_KEY as Bearer.")
    return Ticked(ended=dict(await services.tick(SecretStr(key.strip()), seconds, services.stopping)))
