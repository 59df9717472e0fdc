"""A gateway over a database of its own, and the people who call it."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from psycopg import sql

from agent_service.devstack.gateway.app import create_gateway
from agent_service.devstack.keys import StackKeys

SCHEMA = Path(__file__).with_name("schema.sql")
USER_A = "00000000-0000-4000-8000-00000000000a"
USER_B = "00000000-0000-4000-8000-00000000000b"


@dataclass
class Api:
    """A running gateway, with a client of it and an owner's connection to the database behind it."""

    url: str
    keys: StackKeys
    client: httpx.Client
    owner: psycopg.Connection[Any]
    tokens: dict[str, str]

    def request(
        self,
        method: str,
        path: str,
        *,
        who: str | None = "anon",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send exactly this path and query; `who` names a token, None sends no Authorization."""
        sent = {"apikey": self.keys.publishable_key, **(headers or {})}
        if who is not None:
            sent.setdefault("authorization", f"Bearer {self.tokens[who]}".strip())
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        return self.client.request(method, f"{self.url}/rest/v1{path}", content=body, headers=sent)


def make_tokens(keys: StackKeys) -> dict[str, str]:
    """Tokens by what is the matter with them."""
    now = int(time.time())
    user = {"role": "authenticated", "sub": USER_A, "aud": "authenticated", "iat": now, "exp": now + 600}

    def signed(**changes: Any) -> str:
        return keys.sign_user_token({name: value for name, value in {**user, **changes}.items() if value is not None})

    def encoded(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    def part(value: dict[str, Any]) -> str:
        return encoded(json.dumps(value).encode())

    def hs256(secret: str, kid: str) -> str:
        signed_part = f"{part({'alg': 'HS256', 'kid': kid})}.{part(user)}"
        return f"{signed_part}.{encoded(hmac.digest(secret.encode(), signed_part.encode(), 'sha256'))}"

    return {
        "anon": keys.publishable_key,
        "service": keys.secret_key,
        "user_a": signed(),
        "user_b": signed(sub=USER_B),
        "expired": signed(exp=now - 60),
        "roleless": signed(role=None),
        "no_such_role": signed(role="nobody_here"),
        "superuser": signed(role="supabase_admin"),
        "agent": hs256(keys.agent_secret, keys.agent_kid),
        "two_parts": "one.two",
        "empty": "",
    }


@contextmanager
def serve(app: Any) -> Iterator[str]:
    """Run an ASGI application in a thread; yields its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=3))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def make_database(template: Any, name: str) -> str:
    """Clone the template, add the tables of the vectors and their own pre-request hook; returns the owner's DSN."""
    server = template.server
    owner = server.dsn("postgres", name)
    names = {"name": sql.Identifier(name), "template": sql.Identifier(template.name)}
    with psycopg.connect(server.dsn("supabase_admin"), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {name} template {template} owner postgres").format(**names))
        hook = "alter role authenticator in database {name} set pgrst.db_pre_request = 'public.before_request'"
        admin.execute(sql.SQL(hook).format(**names))
    with psycopg.connect(owner) as connection:
        connection.execute(SCHEMA.read_bytes())
    return str(owner)


@contextmanager
def running(template: Any, name: str, **options: Any) -> Iterator[Api]:
    owner = make_database(template, name)
    keys = StackKeys.generate()
    app = create_gateway(
        dsn=template.server.dsn("authenticator", name),
        auth_dsn=template.server.dsn("supabase_auth_admin", name),
        keys=keys,
        url="http://localhost",
        **options,
    )
    with serve(app) as url, httpx.Client() as client, psycopg.connect(owner, autocommit=True) as connection:
        yield Api(url, keys, client, connection, make_tokens(keys))


@pytest.fixture(scope="session")
def api(template_db: Any) -> Iterator[Api]:
    with running(template_db, "gateway_vectors") as running_api:
        yield running_api


@pytest.fixture(scope="session")
def api15(template_db15: Any) -> Iterator[Api]:
    with running(template_db15, "gateway_vectors") as running_api:
        yield running_api
