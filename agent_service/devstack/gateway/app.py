"""The development gateway: the parts of Supabase's HTTP edge that the official clients need, on one port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from agent_service.devstack.gateway.auth import auth_routes
from agent_service.devstack.gateway.database import Database
from agent_service.devstack.gateway.rest import Rest
from agent_service.devstack.keys import StackKeys

__all__ = ["create_gateway"]

GUARDED = ("/rest/v1", "/auth/v1")
OPEN = "/auth/v1/.well-known/"
EXPOSED = (
    "Content-Location",
    "Content-Profile",
    "Content-Range",
    "Content-Type",
    "Location",
    "Preference-Applied",
    "Proxy-Status",
    "X-Supabase-Api-Version",
)


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """Middleware: turns an API key into the JWT it stands for, as Supabase's local gateway does.

    A user's token in Authorization wins. Unlike the local gateway, and like hosted Supabase, a request without a
    known apikey is refused.
    """

    app: ASGIApp
    keys: StackKeys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the Authorization header that the services behind expect."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(GUARDED) or path.startswith(OPEN):
            return await self.app(scope, receive, send)
        token = self._token(Headers(scope=scope).get("apikey"))
        if isinstance(token, Response):
            return await token(scope, receive, send)
        authorization = Headers(scope=scope).get("authorization")
        if authorization is None or authorization.startswith("Bearer sb_"):
            scope = {**scope, "headers": list(scope["headers"])}
            MutableHeaders(scope=scope)["authorization"] = f"Bearer {token}"
        return await self.app(scope, receive, send)

    def _token(self, apikey: str | None) -> str | Response:
        keys = self.keys
        if apikey is None:
            hint = "No `apikey` request header was found."
            return JSONResponse({"message": "No API key found in request", "hint": hint}, 401)
        if apikey in (keys.publishable_key, keys.anon_jwt):
            return keys.anon_jwt
        if apikey in (keys.secret_key, keys.service_role_jwt):
            return keys.service_role_jwt
        hint = "Send the publishable key that `account-agent devstack env` prints."
        return JSONResponse({"message": "Invalid API key", "hint": hint}, 401)


def create_gateway(  # noqa: PLR0913 - what the Supabase CLI configures, by its names
    *,
    dsn: str,
    auth_dsn: str,
    keys: StackKeys,
    url: str,
    schemas: Sequence[str] = ("public", "graphql_public"),
    extra_search_path: Sequence[str] = ("public", "extensions"),
    max_rows: int | None = 1000,
    pool_size: int = 10,
    pool_timeout: float = 10,
    rest: ASGIApp | None = None,
) -> Starlette:
    """Return the ASGI application.

    `dsn` logs in as authenticator, `auth_dsn` as Auth's own role; `url` is where clients reach the gateway. Connections
    are opened when the application starts. `pool_timeout` is in seconds. `rest` answers below
    /rest/v1 in place of our own.
    """
    database = Database(dsn, schemas, extra_search_path, size=pool_size, timeout=pool_timeout)
    auth_pool: AsyncConnectionPool = AsyncConnectionPool(auth_dsn, min_size=0, max_size=4, open=False)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with database.opened(), auth_pool:
            yield

    return Starlette(
        routes=[
            Mount("/rest/v1", rest or Rest(database, keys, max_rows=max_rows)),
            Mount("/auth/v1", routes=auth_routes(pool=auth_pool, keys=keys, issuer=f"{url}/auth/v1")),
            Route("/functions/v1/{name:path}", _no_function, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            Route("/realtime/v1/{name:path}", _no_realtime),
            WebSocketRoute("/realtime/v1/{name:path}", _refuse_socket),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "HEAD"],
                allow_headers=["*"],
                expose_headers=EXPOSED,
                max_age=86400,
            ),
            Middleware(ApiKeys, keys=keys),
        ],
        lifespan=lifespan,
    )


async def _no_function(request: Request) -> Response:
    name = request.path_params["name"]
    return JSONResponse({"code": "NOT_FOUND", "message": f"The devstack runs no edge functions, so not '{name}'."}, 404)


async def _no_realtime(_: Request) -> Response:
    return JSONResponse({"code": "NOT_FOUND", "message": "Realtime is not part of the devstack."}, 404)


async def _refuse_socket(socket: WebSocket) -> None:
    # A refusal, since clients take a socket that accepts and stays silent for a working subscription.
    await socket.send_denial_response(await _no_realtime(Request({**socket.scope, "type": "http", "method": "GET"})))
