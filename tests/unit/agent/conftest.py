"""A small HTTP server that speaks the worker's functions, with faults on order: the clients under test stay whole."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_service.drafts import draft_handler
from agent_service.jobs import Jobs
from agent_service.llm.offline import OfflineProvider
from agent_service.llm.protocol import DraftText
from agent_service.supabase import Supabase
from agent_service.writing import Providers
from workers.runner import Runner, RunnerOptions

PUBLISHABLE_KEY = "sb_publishable_for_tests"
CONTEXT = json.loads((Path(__file__).parent / "context.json").read_text(encoding="utf-8"))


def make_jwt(**claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'HS256'})}.{part(claims)}.{part('signature')}"


WORKER_KEY = make_jwt(role="agent_worker", jti=str(uuid.uuid4()), exp=4_000_000_000)


def problem(status, detail_code=None, *, code=None, message="No.", headers=None):
    body = {"code": code or f"PT{status}", "message": message, "details": detail_code, "hint": None}
    return JSONResponse(body, status_code=status, headers=headers)


class FakeSupabase:
    """Jobs in memory, fenced as the real ones are. `faults[name]` is a list of answers given before the real one.

    A fault is a Response, a number (seconds to wait first), "lost": do it, but answer 502, or "late": do it, but answer
    after 0.8 s.
    """

    def __init__(self):
        self.jobs = {}
        self.calls = []
        self.faults = defaultdict(list)
        self.drafts = {}
        self.lock = threading.Lock()
        self.url = None
        self.context = CONTEXT
        self.worker_key = WORKER_KEY
        self._start()

    def _start(self, port=0):
        app = Starlette(routes=[Route("/rest/v1/rpc/{name}", self._rpc, methods=["GET", "POST"]),
                                Route("/rest/v1/{table}", self._table, methods=["GET"])])  # fmt: skip
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.bind(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            app, log_level="critical", date_header=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def stop(self):
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def restart(self):
        self._start(int(self.url.rpartition(":")[2]))

    def add_job(self, **payload):
        job_id = str(uuid.uuid4())
        self.jobs[job_id] = {
            "state": "queued", "fence": 0, "attempts": 0, "max_attempts": 3, "due": 0.0, "deadline": 120,
            "kind": "draft",
            "payload": {"draft_type": "email", "purpose": "follow_up", "language": None, "hints": None} | payload,
        }  # fmt: skip
        return job_id

    def names(self):
        return [name for name, _, _ in self.calls]

    def wait_for(self, condition, seconds=10):
        limit = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < limit, "it did not happen in time"
            time.sleep(0.01)

    async def _table(self, request: Request) -> Response:
        self.calls.append((request.path_params["table"], dict(request.query_params), dict(request.headers)))
        queue = self.faults[request.path_params["table"]]
        return queue.pop(0) if queue else JSONResponse([{"id": 1}])

    async def _rpc(self, request: Request) -> Response:
        name = request.path_params["name"]
        params = await request.json()
        self.calls.append((name, params, dict(request.headers)))
        fault = self.faults[name].pop(0) if self.faults[name] else None
        if isinstance(fault, Response):
            return fault
        if isinstance(fault, int | float):
            await asyncio.sleep(fault)
        with self.lock:
            answer = getattr(self, f"_{name}")(params, request.headers["authorization"].removeprefix("Bearer "))
        if fault == "late":
            await asyncio.sleep(0.8)
        return problem(502) if fault == "lost" else answer

    def _token(self, job_id):
        return make_jwt(role="authenticated", act={"sub": "agent_worker"}, job=job_id, fence=self.jobs[job_id]["fence"],
                        nonce=str(uuid.uuid4()))  # fmt: skip

    def _job_of(self, token):
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        job = self.jobs[claims["job"]]
        return claims["job"], job if job["fence"] == claims["fence"] else None

    def _claim_jobs(self, params, bearer):
        assert bearer == WORKER_KEY
        rows = []
        for job_id, job in self.jobs.items():
            if job["state"] == "queued" and job["due"] <= time.monotonic() and len(rows) < params["p_limit"]:
                job["state"], job["fence"], job["attempts"] = "running", job["fence"] + 1, job["attempts"] + 1
                rows.append({
                    "job_id": job_id, "kind": job["kind"], "user_id": str(uuid.uuid4()), "client_id": str(uuid.uuid4()),
                    "attempt": job["attempts"], "max_attempts": job["max_attempts"], "interactive": False,
                    "fence": job["fence"], "token": self._token(job_id), "lease_expires_at": self._end(params),
                    "payload": job["payload"], "prompt_version_id": None, "model": None, "a_new_column": 1,
                    "limits": {"max_output_tokens": 1024, "deadline_seconds": job["deadline"]},
                })  # fmt: skip
        return JSONResponse(rows)

    @staticmethod
    def _end(params):
        return (datetime.now(UTC) + timedelta(seconds=params["p_lease_seconds"])).isoformat()

    def _heartbeat_job(self, params, bearer):
        assert bearer == WORKER_KEY
        job_id, job = self._job_of(params["p_job_token"])
        if job is None or job["state"] != "running":
            return problem(409, "stale_fence")
        return JSONResponse([{"token": self._token(job_id), "lease_expires_at": self._end(params)}])

    def _fail_job(self, params, bearer):
        assert bearer == WORKER_KEY
        _, job = self._job_of(params["p_job_token"])
        if job is None:
            return problem(409, "stale_fence")
        if job["state"] == "running":
            code = params["p_code"]
            retryable = code in {"returned", "internal_error", "provider_unavailable", "provider_rate_limited",
                                 "database_unavailable"}  # fmt: skip
            again = retryable and (code == "returned" or job["attempts"] < job["max_attempts"])
            job["state"] = "queued" if again else "cancelled" if code == "user_inactive" else "failed"
            job["attempts"] -= code == "returned"
            job["due"] = time.monotonic() + (0 if code == "returned" else 60)
            job["code"] = code
        return JSONResponse(job["state"])

    def _get_client_context(self, params, bearer):
        _, job = self._job_of(bearer)
        return JSONResponse(self.context) if job and job["state"] == "running" else problem(409, "stale_fence")

    def _complete_draft_job(self, params, bearer):
        job_id, job = self._job_of(bearer)
        if job is None or job["state"] not in ("running", "done"):
            return problem(409, "stale_fence")
        job["state"] = "done"
        return JSONResponse(self.drafts.setdefault(job_id, {"id": str(uuid.uuid4()), **params})["id"])


@pytest.fixture(autouse=True)
def _own_logs():
    """A command under test sends logs to a stream that is closed after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def fake() -> Iterator[FakeSupabase]:
    server = FakeSupabase()
    yield server
    server.stop()


@pytest.fixture
def supabase(fake):
    return Supabase(fake.url, SecretStr(PUBLISHABLE_KEY))


@pytest.fixture
def worker_env(fake, monkeypatch):
    monkeypatch.setenv("SUPABASE_URL", fake.url)
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", PUBLISHABLE_KEY)
    monkeypatch.setenv("AGENT_WORKER_KEY", WORKER_KEY)
    monkeypatch.delenv("AGENT_LISTEN_URL", raising=False)


@pytest.fixture
def jwt():
    return make_jwt


@pytest.fixture
def answer():
    return problem


@pytest.fixture
def context_json():
    return json.loads(json.dumps(CONTEXT))


class StubWriter:
    """A writer that waits, or fails, or answers."""

    def __init__(self, *, seconds=0.0, error=None):
        self.seconds, self.error = seconds, error
        self.briefs = []
        self.running = self.most = 0

    async def write(self, brief):
        self.briefs.append(brief)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        if self.error:
            raise self.error
        return DraftText(subject="S", content="C", language="en", provider="stub", model="stub/1")


@pytest.fixture
def stub_writer():
    return StubWriter


@pytest.fixture
def runner_for(fake):
    """`async with runner_for(writer, **options) as runner`, by default with `once` and short pauses."""

    @asynccontextmanager
    async def make(writer=None, **options):
        async with Supabase(fake.url, SecretStr(PUBLISHABLE_KEY)) as supabase:
            jobs = Jobs(supabase, SecretStr(WORKER_KEY))
            settings = {"once": True, "poll_min": 0.02, "poll_max": 0.1} | options
            yield Runner(
                jobs, {"draft": draft_handler(jobs, Providers(OfflineProvider(writer)))}, RunnerOptions(**settings)
            )

    return make


@pytest.fixture
def drain(runner_for):
    """Run until nothing is due, and return the summary."""

    async def run(*args, **options):
        async with runner_for(*args, **options) as runner:
            return await runner.run()

    return lambda *args, **options: asyncio.run(run(*args, **options))
