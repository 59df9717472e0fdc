"""The server of `api.py`, in a process of its own: the real application, and beside it the least that one could do.

`/bench/empty` answers nothing. `/bench/proxy/<function>` hands the body and the caller's token to PostgREST and the
answer back, unread: no verification, no limits, no models.
"""

from __future__ import annotations

import logging
import sys

import httpx
from fastapi import FastAPI, Request, Response

from agent_service.api import create_app
from agent_service.api.serving import make_server
from agent_service.logging import configure_logging
from agent_service.settings import WORKER_FIELDS, load_settings


def add_peers(app: FastAPI, url: str, key: str) -> None:
    """Add the two endpoints that the figures are compared with."""
    http = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=100, max_keepalive_connections=100))

    @app.get("/bench/empty")
    async def empty() -> dict[str, str]:
        return {}

    @app.post("/bench/proxy/{function}")
    async def proxy(function: str, request: Request) -> Response:
        headers = {
            "apikey": key,
            "Authorization": request.headers["authorization"],
            "Content-Type": "application/json",
        }
        answer = await http.post(f"{url}/rest/v1/rpc/{function}", content=await request.body(), headers=headers)
        return Response(answer.content, answer.status_code, media_type="application/json")


def main() -> None:
    """Serve on the port that is the first argument until SIGTERM."""
    configure_logging(level=logging.ERROR)
    settings = load_settings(WORKER_FIELDS)
    assert settings.supabase_url
    assert settings.supabase_publishable_key
    app = create_app(settings)
    add_peers(app, settings.supabase_url, settings.supabase_publishable_key.get_secret_value())
    make_server(app, host="127.0.0.1", port=int(sys.argv[1]), grace_seconds=5).run()


if __name__ == "__main__":
    main()
