"""The signing secret changes while workers run and people ask: is a job lost, is what the old one signed dead?"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import psycopg
from pydantic import SecretStr

from agent_service.devstack.stack import Devstack
from agent_service.drafts import draft_handler
from agent_service.errors import AgentError
from agent_service.jobs import Heartbeat, Job, Jobs
from agent_service.llm.offline import OfflineProvider
from agent_service.supabase import Supabase
from agent_service.writing import Providers
from tests.drills.crash import PASSWORD, SUBJECTS
from tests.drills.figures import count, doubled
from tests.drills.slow_worker import SlowWriter
from workers.runner import Runner, RunnerOptions, Summary

NEW = "the-new-kid"
OPEN = "select count(*) from agent.jobs where state in ('queued', 'running')"
# What must be answered: to whom, and at which step.
EXPECTED = {
    "new worker key, on standby, not trusted yet": "401 PGRST301",
    "new worker key, on standby, trusted": "accepted",
    "old worker key, in the overlap": "accepted",
    "old job token, in the overlap": "accepted",
    "old worker key, retired": "401 worker_key_refused",
    "old job token, retired": "403 invalid_job_token",
    "old worker key, revoked": "401 PGRST301",
    "old job token, revoked": "401 PGRST301",
    "new worker key, alone": "accepted",
}


@dataclass(frozen=True)
class Size:
    """How large a drill is. phase_seconds: how long it stays in each step. in_order: False lets the new secret sign
    before the gateway trusts it, which is what adding it on standby avoids.
    """

    phase_seconds: float
    asked_per_second: float = 1.5
    workers: int = 3
    users: int = 10
    clients: int = 8
    lease_seconds: int = 10
    write_seconds: float = 8.0
    in_order: bool = True


@dataclass
class Report:
    """What a drill found. lost, doubled, failed and again (claims beyond the first) should be 0.

    moved: heartbeats that took a running job from the old key to the new one; answers: what came of keys and tokens.
    """

    asked: int = 0
    done: int = 0
    lost: int = 0
    doubled: int = 0
    failed: int = 0
    again: int = 0
    moved: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    answers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return vars(self) | {"ended": dict(self.ended)}

    @property
    def found(self) -> bool:
        """Whether it found what it must not, or never got to see what it is about."""
        return self.lost + self.doubled + self.failed + self.again > 0 or self.answers != EXPECTED or self.moved == 0


def run(size: Size) -> Report:
    """Run one rotation on a throw-away stack."""
    with Devstack(None) as stack, psycopg.connect(stack.database_url, autocommit=True) as database:
        database.execute(
            "update public.ai_settings "
            "set open_jobs_per_user = 1000, daily_jobs_per_user = 10000, drafts_per_minute = 1000"
        )
        return asyncio.run(_Drill(size, stack, database).run())


class _Watched(Jobs):
    """The worker's own calls, with a note of which key signed what it was given."""

    def __init__(self, supabase: Supabase, key: str, drill: _Drill) -> None:
        super().__init__(supabase, SecretStr(key))
        self._drill = drill

    async def claim(self, kinds: Any, *, limit: int, lease_seconds: int) -> list[Job]:
        jobs = await super().claim(kinds, limit=limit, lease_seconds=lease_seconds)
        for job in jobs:
            self._drill.tokens[_kid(job.token)] = job.token
        return jobs

    async def heartbeat(self, token: SecretStr, *, lease_seconds: int) -> Heartbeat:
        beat = await super().heartbeat(token, lease_seconds=lease_seconds)
        self._drill.report.moved += _kid(token) != _kid(beat.token)
        return beat


class _Drill:
    def __init__(self, size: Size, stack: Devstack, database: psycopg.Connection[Any]) -> None:
        self.report = Report()
        self.tokens: dict[str, SecretStr] = {}
        self._size = size
        self._stack = stack
        self._database = database
        self._crew: dict[Runner, asyncio.Task[Summary]] = {}
        self._over = False

    async def run(self) -> Report:
        """Ask and work all the time; rotate in between."""
        started = time.monotonic()
        async with Supabase(self._stack.url, SecretStr(self._stack.publishable_key)) as self._supabase:
            people = await self._people()
            asking = asyncio.create_task(self._ask(people))
            self._hire(*[self._stack.worker_key()] * self._size.workers)
            await self._pause()
            await (self._rotate() if self._size.in_order else self._blunder())
            await self._pause()
            self._over = True
            await asking
            await self._drain()
            await self._dismiss(list(self._crew))
        self._look()
        self.report.seconds = round(time.monotonic() - started, 1)
        return self.report

    async def _rotate(self) -> None:
        """In the order of docs/operations.md."""
        old_kid, old_key = self._stack.keys.agent_kid, self._stack.worker_key()
        secret = secrets.token_hex(32)
        self._sql("select vault.create_secret(%s, 'the new secret')", secret)
        self._sql("select agent.add_standby_key(%s, 'the new secret')", NEW)
        keys = [str(self._sql("select agent.mint_worker_key('new', 1, %s)", NEW)) for _ in range(self._size.workers)]
        await self._try("new worker key, on standby, not trusted yet", keys[0])
        self._stack.trust_key(NEW, secret)
        await self._try("new worker key, on standby, trusted", keys[0])
        await self._try("old worker key, in the overlap", old_key)
        old_crew = list(self._crew)
        self._hire(*keys)
        await self._dismiss(old_crew)
        await self._pause()

        self._sql("select agent.promote_signing_key(%s)", NEW)
        await self._try_job_token("old job token, in the overlap", old_kid)
        # As long as the longest lease: by then every job has had a heartbeat, or is somebody else's.
        await asyncio.sleep(self._size.lease_seconds)
        self._sql("select agent.retire_signing_key(%s)", old_kid)
        await self._try("old worker key, retired", old_key)
        await self._answer(
            "old job token, retired", self._jobs(keys[0]).heartbeat(self.tokens[old_kid], lease_seconds=10)
        )
        await self._pause()
        self._stack.revoke_key(old_kid)
        await self._try("old worker key, revoked", old_key)
        await self._try_job_token("old job token, revoked", old_kid)
        await self._try("new worker key, alone", keys[0])

    async def _blunder(self) -> None:
        """The control: the new secret signs, and the gateway has never heard of it."""
        self._sql("select vault.create_secret(%s, 'the new secret')", secrets.token_hex(32))
        self._sql("select agent.add_signing_key(%s, 'the new secret')", NEW)

    async def _try(self, what: str, key: str) -> None:
        """Ask with a worker key for work of which there is none."""
        await self._answer(what, self._jobs(key).claim(["none"], limit=1, lease_seconds=10))

    async def _try_job_token(self, what: str, kid: str) -> None:
        """Read with the last job token under this key id; whether its job still runs is SQL's answer, not the key's."""
        nobody = {"p_client_id": str(uuid.UUID(int=0))}
        await self._answer(what, self._supabase.rpc("get_client_context", nobody, token=self.tokens[kid]))

    async def _answer(self, what: str, call: Awaitable[object]) -> None:
        try:
            await call
        except AgentError as error:
            code = error.detail_code or error.code or type(error).__name__
            reached_the_job = code in ("stale_fence", "agent_refused")
            self.report.answers[what] = "accepted" if reached_the_job else f"{error.status} {code}"
        else:
            self.report.answers[what] = "accepted"

    def _jobs(self, key: str) -> Jobs:
        return Jobs(self._supabase, SecretStr(key))

    def _hire(self, *keys: str) -> None:
        options = RunnerOptions(concurrency=4, lease_seconds=self._size.lease_seconds, poll_max=1.0)
        for key in keys:
            jobs = _Watched(self._supabase, key, self)
            writer = SlowWriter(self._size.write_seconds, least=self._size.write_seconds / 2)
            runner = Runner(jobs, {"draft": draft_handler(jobs, Providers(OfflineProvider(writer)))}, options)
            self._crew[runner] = asyncio.create_task(runner.run())

    async def _dismiss(self, crew: list[Runner]) -> None:
        """Let them finish what they hold, as SIGTERM does."""
        for runner in crew:
            runner.stop()
        for runner in crew:
            self.report.ended.update((await self._crew.pop(runner)).ended)

    async def _people(self) -> Iterator[tuple[SecretStr, uuid.UUID, tuple[str, str]]]:
        """Everything that can be asked for, in turns: who asks, about which client, for what."""
        asks = []
        for number in range(self._size.users):
            email = f"drill{number}@example.com"
            owner = self._stack.create_user(email, PASSWORD, full_name=f"Drill {number}")
            token = await self._sign_in(email)
            for _ in range(self._size.clients):
                client = self._sql("insert into public.clients (name, owner_id) values ('C', %s) returning id", owner)
                asks.append((token, client))
        return ((token, client, subject) for subject, (token, client) in itertools.product(SUBJECTS, asks))

    async def _sign_in(self, email: str) -> SecretStr:
        async with httpx.AsyncClient(headers={"apikey": self._stack.publishable_key}) as http:
            url = f"{self._stack.url}/auth/v1/token?grant_type=password"
            answer = await http.post(url, json={"email": email, "password": PASSWORD})
        return SecretStr(answer.raise_for_status().json()["access_token"])

    async def _ask(self, people: Iterator[tuple[SecretStr, uuid.UUID, tuple[str, str]]]) -> None:
        for token, client, (draft_type, purpose) in people:
            if self._over:
                return
            asked = {"p_client_id": str(client), "p_draft_type": draft_type, "p_purpose": purpose}
            await self._supabase.rpc("request_draft", asked, token=token)
            self.report.asked += 1
            await asyncio.sleep(1 / self._size.asked_per_second)

    async def _pause(self) -> None:
        await asyncio.sleep(self._size.phase_seconds)

    async def _drain(self) -> None:
        ends_at = time.monotonic() + self._size.write_seconds + 3 * self._size.lease_seconds
        while time.monotonic() < ends_at:
            if not count(self._database, OPEN):
                return
            await asyncio.sleep(0.2)

    def _look(self) -> None:
        report = self.report
        report.done = count(self._database, "select count(*) from public.ai_draft_requests where state = 'done'")
        report.failed = count(self._database, "select count(*) from agent.jobs where state in ('failed', 'cancelled')")
        report.lost = report.asked - report.failed - report.done
        report.doubled = doubled(self._database)
        report.again = count(self._database, "select coalesce(sum(attempts - 1), 0) from agent.jobs")

    def _sql(self, query: str, *values: object) -> Any:
        row = self._database.execute(query, values).fetchone()  # type: ignore[call-overload]
        return row and row[0]


def _kid(token: SecretStr) -> str:
    return str(jwt.get_unverified_header(token.get_secret_value())["kid"])
