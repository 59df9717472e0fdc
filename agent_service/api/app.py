"""The application: everything put together, and its life from start to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

from agent_service.api.auth import Verifier
from agent_service.api.contexts import Contexts
from agent_service.api.edge import Edge
from agent_service.api.metrics import Metrics
from agent_service.api.problems import Problem, add_handlers
from agent_service.api.routes import (
    admin,
    consents,
    context,
    drafts,
    generate,
    intelligence,
    live,
    operations,
    privacy,
    rules,
    suggestions,
)
from agent_service.api.services import Services, Tick
from agent_service.jobs import Jobs
from agent_service.settings import Settings
from agent_service.supabase import Supabase
from agent_service.writing import Providers, providers_of

__all__ = ["ApiOptions", "Tick", "create_app"]

AUTH_SECONDS = 5.0
SETTLE_SECONDS = 5.0
DESCRIPTION = (
    "Drafts for a CRM on Supabase: an agent writes, a person approves. Send your Supabase access token as Bearer."
)
EXPOSED = ("ETag", "Retry-After", "WWW-Authenticate")


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How the API behaves. max_body: bytes of a request. max_connections: to PostgREST."""

    max_body: int = 256 << 10
    max_connections: int = 100


def create_app(
    settings: Settings,
    *,
    options: ApiOptions | None = None,
    providers: Providers | None = None,
    tick: Tick | None = None,
) -> FastAPI:
    """Return the ASGI application. settings: WORKER_FIELDS at least. tick: does a worker's work, where there is one."""
    chosen = options or ApiOptions()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _services(settings, chosen, providers or providers_of(settings), metrics) as services:
            services.tick = tick
            app.state.services = services
            yield
            services.stopping.set()
            await services.settle(SETTLE_SECONDS)

    app = FastAPI(
        title="Account manager agent",
        version=version("account-manager-agent"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    for module in (
        context,
        generate,
        drafts,
        suggestions,
        intelligence,
        live,
        consents,
        admin,
        rules,
        privacy,
        operations,
    ):
        app.include_router(module.router, max_body_size=chosen.max_body)
    add_handlers(app)
    app.add_middleware(Edge, metrics=metrics, max_body=chosen.max_body)
    # The outermost: a page must be able to read a refusal as well.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST", "PATCH", "PUT"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID"],
        expose_headers=EXPOSED,
        max_age=86400,
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _services(
    settings: Settings, options: ApiOptions, providers: Providers, metrics: Metrics
) -> AsyncIterator[Services]:
    # load_settings(WORKER_FIELDS) has seen to these three.
    assert settings.supabase_url and settings.supabase_publishable_key and settings.agent_worker_key  # noqa: S101, PT018
    key = settings.supabase_publishable_key
    auth_url = f"{settings.supabase_url.rstrip('/')}/auth/v1"
    async with (
        Supabase(settings.supabase_url, key, max_connections=options.max_connections) as supabase,
        httpx.AsyncClient(timeout=AUTH_SECONDS, follow_redirects=False) as http,
    ):
        try:
            yield Services(
                supabase=supabase,
                jobs=Jobs(supabase, settings.agent_worker_key),
                providers=providers,
                verifier=Verifier(http, auth_url=auth_url, publishable_key=key, issuer=settings.issuer),
                contexts=Contexts(supabase, metrics),
                metrics=metrics,
            )
        finally:
            await providers.aclose()


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Our own way to refuse a request and to sign in, where FastAPI would describe its own."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = schema.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        problem = Problem.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
        for path, item in schema["paths"].items():
            for operation in item.values():
                if path.startswith(("/api/", "/workers/")):
                    operation["security"] = [{"bearer": []}]
        app.openapi_schema = schema
    return app.openapi_schema
