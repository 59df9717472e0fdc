"""Runs the application: uvicorn, told to let streams end."""

from __future__ import annotations

from types import FrameType

import uvicorn
from fastapi import FastAPI

from agent_service.api.services import Services

__all__ = ["Server", "make_server"]


class Server(uvicorn.Server):
    """Upon SIGTERM or SIGINT takes no new connection, ends streams that have no end, and lets the others finish."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """As uvicorn's, and tell the streams."""
        super().handle_exit(sig, frame)
        services: Services | None = getattr(self._app.state, "services", None)
        if services is not None:
            services.stop()


def make_server(app: FastAPI, *, host: str, port: int, grace_seconds: int) -> Server:
    """Return a server that is not running yet. grace_seconds: for streams and requests that are under way."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,  # addresses and paths with ids; /metrics counts
        server_header=False,
        timeout_graceful_shutdown=grace_seconds,
        timeout_keep_alive=75,  # longer than a proxy keeps an idle connection, so that it never meets a closed one
    )
    return Server(app, config)
