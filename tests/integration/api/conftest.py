"""The API as it is served: uvicorn on a port of its own, in front of the shared stack."""

import contextlib
import json
import socket
import threading
import time
import uuid
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from agent_service.api import ApiOptions, create_app
from agent_service.api.serving import make_server
from agent_service.cli.serve import make_tick
from agent_service.llm import anthropic
from agent_service.settings import Settings
from tests.double import KEY, Double, Pace
from tests.integration.agent.conftest import PASSWORD, new_person, on_stack, person, sql

__all__ = ["PASSWORD", "new_person", "on_stack", "person", "sql"]


def settings_of(stack, **more):
    values = {
        "supabase_url": stack.url,
        "supabase_publishable_key": stack.publishable_key,
        "agent_worker_key": stack.worker_key(),
        "agent_cors_origins": "https://crm.example",
    }
    return Settings(**values | more)


class Api:
    """A server in a thread. `base` is its URL."""

    def __init__(self, settings, *, options=None, tick=None, grace_seconds=10):
        self.app = create_app(settings, options=options, tick=tick or make_tick(settings))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.base = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.server = make_server(self.app, host="127.0.0.1", port=0, grace_seconds=grace_seconds)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],), daemon=True)

    @property
    def services(self):
        return self.app.state.services

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.005)
        return self

    def __exit__(self, *_):
        if self.thread.is_alive():
            self.services.stop()
            self.server.should_exit = True
            self.thread.join(timeout=20)
        self.listener.close()
        assert not self.thread.is_alive()

    def client(self, token=None, **options):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.base, headers=headers, timeout=30, **options)


@pytest.fixture(scope="session")
def api(stack):
    """The API with the offline writer, for many requests."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("update public.ai_settings set contexts_per_minute = 1000, drafts_per_minute = 1000")
    with Api(settings_of(stack)) as running:
        yield running


@pytest.fixture
def double():
    with Double(pace=Pace.lasting(1.5)) as double:
        yield double


@pytest.fixture
def model_api(stack, double, monkeypatch):
    """The API with a model, which the double plays; slow enough to be watched."""
    monkeypatch.setattr(anthropic, "ALLOW_REAL_REQUESTS", True)
    with Api(settings_of(stack, anthropic_api_key=KEY, anthropic_base_url=double.url)) as running:
        yield running


@dataclass
class Signed:
    """A person and their client of the API."""

    person: object
    http: httpx.Client

    @property
    def client_id(self):
        return str(self.person.client_id)


@pytest.fixture
def signed(api, new_person):
    """Return a function that signs a new person in."""
    with contextlib.ExitStack() as stack:

        def make(server=api):
            somebody = new_person()
            http = stack.enter_context(server.client(somebody.token.get_secret_value()))
            return Signed(somebody, http)

        yield make


@pytest.fixture
def ada(signed):
    return signed()


@pytest.fixture
def bob(signed):
    return signed()


@pytest.fixture
def admin(signed, sql):
    somebody = signed()
    sql.execute("update public.profiles set role = 'admin' where id = %s", [somebody.person.id])
    return somebody


@pytest.fixture
def anonymous(api, stack):
    """An anonymous sign-in, and its client."""
    email = f"{uuid.uuid4().hex[:10]}@example.com"
    stack.create_user(email, PASSWORD, full_name="Nobody", is_anonymous=True)
    with api.client(sign_in(stack, email)) as client:
        yield client


@pytest.fixture
def strangers(bob, admin, anonymous, api):
    """Who is not Ada: a colleague, an admin, an anonymous sign-in, and nobody at all."""
    with api.client() as nobody:
        yield [bob.http, admin.http, anonymous, nobody]


def sign_in(stack, email):
    answer = httpx.post(
        f"{stack.url}/auth/v1/token?grant_type=password",
        json={"email": email, "password": PASSWORD},
        headers={"apikey": stack.publishable_key},
    )
    return answer.json()["access_token"]


def sign_out(stack, somebody):
    """End all sessions of theirs; the token that they hold has not run out."""
    token = somebody.person.token.get_secret_value()
    headers = {"apikey": stack.publishable_key, "Authorization": f"Bearer {token}"}
    assert httpx.post(f"{stack.url}/auth/v1/logout?scope=global", headers=headers).status_code == 204


def asking(somebody, **more):
    return {"clientId": somebody.client_id, "draftType": "email", "purpose": "follow_up"} | more


def drafted(somebody, **more):
    answer = somebody.http.post("/api/ai/drafts/generate", json=asking(somebody, **more))
    assert answer.status_code == 201, answer.text
    return answer.json()


def events_of(response):
    """Yield (name, data, id) of a stream."""
    name = data = event_id = None
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            data = json.loads(line[6:])
        elif line.startswith("id: "):
            event_id = line[4:]
        elif not line and name:
            yield name, data, event_id
            name = data = event_id = None


__all__ += ["Api", "ApiOptions", "Signed", "asking", "drafted", "events_of", "settings_of", "sign_in", "sign_out"]
