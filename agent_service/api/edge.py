"""What every request passes through, before routing and after: security headers, figures, and the last catch."""

from __future__ import annotations

import time
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_service.api.metrics import Metrics
from agent_service.api.problems import ProblemError, problem_response
from agent_service.logging import get_logger

__all__ = ["Edge"]

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # JSON and text only: whatever a browser is made to show of it may load and run nothing.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
}


@dataclass(frozen=True, slots=True)
class Edge:
    """Middleware. Pure ASGI: Starlette's BaseHTTPMiddleware would hide from a stream that its reader has left."""

    app: ASGIApp
    metrics: Metrics
    max_body: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, whatever happens inside."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            if _length(scope) > self.max_body:  # what comes without a length FastAPI counts
                fault = ProblemError(413, "content_too_large", "The request is too large.")
                return await problem_response(fault)(scope, receive, sending)
            await self.app(scope, receive, sending)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not show its insides
            get_logger().error("api.crashed", error=error)
            if not status:
                fault = ProblemError(500, "internal_error", "Something went wrong here.", hint="Try again.")
                await problem_response(fault)(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self.metrics.requests.labels(scope["method"] if route != "none" else "any", route, status).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - started)


def _length(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else 0
