"""A small CRM and those who call it: each in one transaction, with role, claims and request set as PostgREST does."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

SECRET = "only-for-tests-" + "x" * 40


@dataclass
class Caller:
    """Somebody who sends requests: a role, its claims, and a connection."""

    conn: psycopg.Connection[Any]
    role: str
    claims: dict[str, Any] = field(default_factory=dict)
    hook: bool = True  # False: as if somebody had unset pgrst.db_pre_request

    @contextmanager
    def transaction(self, path: str = "/", headers: dict[str, str] | None = None) -> Iterator[psycopg.Cursor[Any]]:
        """A transaction as PostgREST opens it, the pre-request hook included."""
        with self.conn.transaction(), self.conn.cursor(row_factory=dict_row) as cursor:
            cursor.execute(
                "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true), "
                "set_config('request.method', 'POST', true), set_config('request.path', %s, true), "
                "set_config('request.headers', %s, true)",
                (self.role, json.dumps({"role": self.role, **self.claims}), path, json.dumps(headers or {})),
            )
            if self.hook:
                cursor.execute("select agent.check_request()")
            yield cursor

    def sql(self, query: str, *params: Any, path: str = "/") -> list[dict[str, Any]]:
        """Run one statement; rows as dicts, or none for a statement without a result."""
        with self.transaction(path) as cursor:
            cursor.execute(query, params)
            return cursor.fetchall() if cursor.description else [{"rowcount": cursor.rowcount}]

    def rpc(self, function: str, **arguments: Any) -> Any:
        """Call a public function by named arguments, as POST /rpc/<function> does; rows as dicts."""
        named = ", ".join(f"{name} => %({name})s" for name in arguments)
        values = {
            k: json.dumps(v) if isinstance(v, dict | list) and k != "p_kinds" else v for k, v in arguments.items()
        }
        with self.transaction(f"/rpc/{function}") as cursor:
            cursor.execute(f"select * from public.{function}({named})", values)
            return cursor.fetchall()


@dataclass
class World:
    """A small CRM: ada and bob own a client each, eve is an admin, and a worker holds a live key."""

    conn: psycopg.Connection[Any]
    users: dict[str, uuid.UUID] = field(default_factory=dict)
    sessions: dict[str, uuid.UUID] = field(default_factory=dict)
    clients: dict[str, uuid.UUID] = field(default_factory=dict)

    def person(self, name: str, **claims: Any) -> Caller:
        base = {
            "sub": str(self.users[name]), "aud": "authenticated", "is_anonymous": False,
            "session_id": str(self.sessions[name]),
        }  # fmt: skip
        return Caller(self.conn, "authenticated", {**base, **claims})

    def add_user(self, name: str, *, role: str = "user") -> uuid.UUID:
        user = self.users[name] = uuid.uuid4()
        self.conn.execute("insert into auth.users (id, email) values (%s, %s)", (user, f"{name}@example.com"))
        self.conn.execute(
            "insert into public.profiles (id, full_name, email, role) values (%s, %s, %s, %s)",
            (user, name.title(), f"{name}@example.com", role),
        )
        row = self.conn.execute(
            "insert into auth.sessions (id, user_id) values (gen_random_uuid(), %s) returning id", (user,)
        )
        self.sessions[name] = row.fetchone()[0]  # type: ignore[index]
        return user

    def add_client(self, name: str, owner: str | None) -> uuid.UUID:
        client = self.clients[name] = uuid.uuid4()
        self.conn.execute(
            "insert into public.clients (id, name, company, owner_id) values (%s, %s, %s, %s)",
            (client, name, f"{name} Ltd", self.users[owner] if owner else None),
        )
        self.conn.execute(
            "insert into public.contacts (client_id, name, email, is_primary) values (%s, %s, %s, true)",
            (client, f"{name} Contact", f"contact@{name.lower()}.example"),
        )
        return client

    def caller(self, role: str, /, *, hook: bool = True, **claims: Any) -> Caller:
        """Whoever sends a token with this role and these claims, or none at all (anon)."""
        return Caller(self.conn, role, claims, hook)

    @property
    def worker(self) -> Caller:
        return self.caller("agent_worker", jti=str(self.worker_jti))

    worker_jti: uuid.UUID = field(default_factory=uuid.uuid4)

    def agent(self, job: dict[str, Any], /, *, hook: bool = True, **claims: Any) -> Caller:
        """The agent with the token of a claimed job, its claims taken from the token itself."""
        return Caller(self.conn, "authenticated", {**read_claims(job["token"]), **claims}, hook)

    def request(self, who: str = "ada", client: str = "Acme", **arguments: Any) -> dict[str, Any]:
        asked = {"p_client_id": self.clients[client], "p_draft_type": "email", "p_purpose": "follow_up", **arguments}
        return self.person(who).rpc("request_draft", **asked)[0]

    def ask(self, who: str, client: str, count: int) -> list[uuid.UUID]:
        """The jobs of `count` requests, each about a deal of its own."""
        jobs = []
        for number in range(count):
            deal = self.value(
                "insert into public.deals (client_id, title) values (%s, %s) returning id",
                self.clients[client],
                f"Deal {number}",
            )
            jobs.append(self.request(who, client, p_deal_id=deal)["job_id"])
        return jobs

    def claim(
        self, limit: int = 1, lease: int = 60, kinds: tuple[str, ...] = ("draft", "send")
    ) -> list[dict[str, Any]]:
        return self.worker.rpc("claim_jobs", p_kinds=list(kinds), p_limit=limit, p_lease_seconds=lease)

    def complete(self, job: dict[str, Any], **arguments: Any) -> uuid.UUID:
        written = {
            "p_content": "Hello, here is the news.",
            "p_subject": "News",
            "p_context": {"contextVersion": "v1"},
            **arguments,
        }
        return self.agent(job).rpc("complete_draft_job", **written)[0]["complete_draft_job"]

    def draft(self, who: str = "ada", client: str = "Acme", **arguments: Any) -> dict[str, Any]:
        """A pending draft, by the whole way: requested, claimed, completed."""
        self.request(who, client, **arguments)
        draft_id = self.complete(self.claim()[0])
        return self.one("select * from public.ai_drafts where id = %s", draft_id)

    def one(self, query: str, *params: Any) -> Any:
        """One row as the database's owner: for looking, not for acting."""
        with self.conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, params).fetchone()

    def value(self, query: str, *params: Any) -> Any:
        row = self.conn.execute(query, params).fetchone()
        return row[0] if row else None


def read_claims(token: str) -> dict[str, Any]:
    import jwt  # noqa: PLC0415

    return jwt.decode(token, options={"verify_signature": False})


@contextmanager
def refused(
    sqlstate: str, detail: str | None = None, match: str | None = None
) -> Iterator[pytest.ExceptionInfo[psycopg.Error]]:
    """The block raises this SQLSTATE, and its detail starts with this code."""
    with pytest.raises(psycopg.Error, match=match) as caught:
        yield caught
    assert caught.value.sqlstate == sqlstate, f"{caught.value.sqlstate}: {caught.value}"
    if detail is not None:
        assert (caught.value.diag.message_detail or "").split(":")[0] == detail, caught.value.diag.message_detail


def make_world(db: psycopg.Connection[Any]) -> World:
    """Ada owns Acme, Bob owns Bolt, Eve is an admin; a signing key and a worker key are in place."""
    if not db.execute("select exists (select from agent.signing_keys)").fetchone()[0]:  # type: ignore[index]
        db.execute("select vault.create_secret(%s, 'test_secret')", (SECRET,))
        db.execute("select agent.add_signing_key('test-kid', 'test_secret')")
    made = World(db)
    made.add_user("ada")
    made.add_user("bob")
    made.add_user("eve", role="admin")
    made.add_client("Acme", "ada")
    made.add_client("Bolt", "bob")
    made.worker_jti = uuid.UUID(read_claims(made.value("select agent.mint_worker_key('tests', 1)"))["jti"])
    return made
