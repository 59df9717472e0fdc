"""The scene of all attacks: a small CRM of a careless owner, people, workers' keys, jobs in every state, drafts."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg

from agent_service.devstack.users import hash_password
from tests.world import World, make_world, read_claims

CRM_TABLES = ("clients", "contacts", "activities", "deals", "tasks", "orders")
GUARDED = ("profiles", *CRM_TABLES)

CARELESSNESS = (Path(__file__).parent / "sql/careless_host.sql").read_text()


class Scene(SimpleNamespace):
    """Names of what is there, to be used in attacks; the rows are in the database that it was built in.

    `claims` and `tokens` are by principal, `values` what SQL in `given` may name.
    """

    claims: dict[str, dict[str, Any]]
    tokens: dict[str, str]

    def __getattr__(self, name: str) -> Any:  # only for type checkers: SimpleNamespace has what is there
        raise AttributeError(name)

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("claims", "tokens")}


@dataclass(frozen=True)
class Marker:
    """A text that only these principals may ever be shown."""

    text: str
    seen_by: tuple[str, ...]


def markers(scene: Scene) -> list[Marker]:
    everyday = ("admin", "service_role")  # the sample CRM shows them every client
    return [
        Marker("hush-Acme", ("owner", "agent", "agent_fresh", "agent_admin", *everyday)),
        Marker("hush-Apex", ("owner", *everyday)),
        Marker("hush-Bolt", ("colleague", "agent_beside", *everyday)),
        Marker("hush-Nemo", ("anonymous", *everyday)),
        Marker("words-for-ada", ("owner",)),
        Marker("words-for-bob", ("colleague",)),
        Marker(scene.secret, ()),
    ]


def build(owner: psycopg.Connection[Any]) -> Scene:
    """Fill a migrated database."""
    owner.execute(CARELESSNESS)
    return _Builder(owner).build()


class _Builder:
    def __init__(self, owner: psycopg.Connection[Any]) -> None:
        self.world: World = make_world(owner)
        self.scene = Scene(claims={}, tokens={})

    def build(self) -> Scene:
        world, scene = self.world, self.scene
        for name in ("stan", "nemo", "ben"):
            world.add_user(name)
        world.conn.execute("update auth.users set encrypted_password = %s", [hash_password("only-for-tests")])
        world.conn.execute("update auth.users set is_anonymous = true where id = %s", [world.users["nemo"]])
        for client, owner in (("Apex", "ada"), ("Nemo", "nemo"), ("Ban", "ben")):
            world.add_client(client, owner)
        for client in world.clients:
            self._add_rows(client)
        self._add_drafts()
        self._add_jobs()
        self._add_people()
        self._add_workers()
        scene.persons_token = world.value(
            "select agent.sign_jwt(%s)", json.dumps({"sub": str(scene.owner), "job": str(scene.agent_job), "fence": 1})
        )
        scene.claiming_jti = world.worker_jti  # the key that all these jobs were claimed with
        scene.hidden_job = uuid.uuid4()  # of no row yet
        world.conn.execute(
            "update auth.users set banned_until = now() + interval '1 day' where id = %s", [scene.banned]
        )
        # What was built is no change: no sweep is due.
        world.conn.execute("delete from agent.client_changes")
        scene.secret = world.value("select decrypted_secret from vault.decrypted_secrets where name = 'test_secret'")
        return scene

    def _add_rows(self, client: str) -> None:
        world, name, hush = self.world, client.lower(), f"hush-{client}"
        client_id = world.clients[client]
        setattr(self.scene, name, client_id)
        world.conn.execute("update clients set company = %s where id = %s", [hush, client_id])
        world.conn.execute("update contacts set title = %s where client_id = %s", [hush, client_id])
        contact = world.value("select id from contacts where client_id = %s", client_id)
        deal = world.value("insert into deals (client_id, title) values (%s, %s) returning id", client_id, hush)
        task = world.value("insert into tasks (client_id, title) values (%s, %s) returning id", client_id, hush)
        world.conn.execute(
            "insert into activities (client_id, type, content) values (%s, 'note', %s)", [client_id, hush]
        )
        world.conn.execute(
            "insert into orders (client_id, order_number, product, total) values (%s, %s, %s, 1)",
            [client_id, f"N-{client}", hush],
        )
        for kind, row_id in (("contact", contact), ("deal", deal), ("task", task)):
            setattr(self.scene, f"{name}_{kind}", row_id)

    def _add_drafts(self) -> None:
        """Open drafts of Ada's (two), of Bob's, and of two people who cannot have asked for them."""
        for name, who, client, draft_type, purpose in (
            ("draft", "ada", "Acme", "memo", "check_in"), ("mail", "ada", "Acme", "email", "deal_update"),
            ("bobs_draft", "bob", "Bolt", "memo", "check_in"), ("nemos_draft", "nemo", "Nemo", "memo", "check_in"),
            ("bens_draft", "ben", "Ban", "memo", "check_in"),
        ):  # fmt: skip
            self._note(name, self._write(who, client, draft_type, purpose))

    def _write(self, who: str, client: str, draft_type: str, purpose: str) -> uuid.UUID:
        if who == "nemo":  # an anonymous sign-in gets no draft by asking
            return self.world.value(
                "insert into ai_drafts (client_id, draft_type, content, created_by, purpose, language, "
                "generated_content, provider, expires_at) "
                "values (%s, %s, 'c', %s, %s, 'en', 'c', 'offline', now() + '1 day') returning id",
                *(self.world.clients[client], draft_type, self.world.users[who], purpose),
            )
        job = self._claim(who, client, draft_type, purpose)
        return self.world.complete(job, p_content=f"words-for-{who}")

    def _note(self, name: str, draft_id: uuid.UUID) -> None:
        setattr(self.scene, name, draft_id)
        shown = self.world.value("select content_hash from ai_drafts where id = %s", draft_id)
        setattr(self.scene, f"{name}_hash", shown)

    def _claim(self, who: str, client: str, draft_type: str, purpose: str) -> dict[str, Any]:
        request = self.world.request(who, client, p_draft_type=draft_type, p_purpose=purpose)
        return self._claim_job(request["job_id"])

    def _claim_job(self, job_id: uuid.UUID) -> dict[str, Any]:
        (job,) = self.world.worker.rpc("claim_job", p_job_id=job_id, p_lease_seconds=300)
        return job

    def _add_jobs(self) -> None:
        """One job in each state that a token can outlive, and two in the queue."""
        world = self.world
        self._agent("agent", self._claim("ada", "Acme", "email", "follow_up"))
        self._agent("agent_beside", self._claim("bob", "Bolt", "email", "follow_up"))

        self._agent("agent_admin", self._claim("eve", "Acme", "email", "follow_up"))
        done = self._claim("ada", "Apex", "email", "follow_up")
        self._agent("agent_after", done)
        self._note("done_draft", world.complete(done, p_content="words-for-ada"))

        stale = self._claim("ada", "Acme", "note", "check_in")
        self._agent("agent_stale", stale)
        world.conn.execute("update agent.jobs set due_at = now() where id = %s", [stale["job_id"]])
        self._agent("agent_fresh", self._claim_job(stale["job_id"]))

        for name, code in (("agent_requeued", "provider_unavailable"), ("agent_failed", "refused")):
            job = self._claim("ada", "Acme", "task", "custom" if code == "refused" else "task_reminder")
            self._agent(name, job)
            world.worker.rpc("fail_job", p_job_token=job["token"], p_code=code)

        asked = world.request("ada", "Acme", p_draft_type="memo", p_purpose="custom", p_hints="hints")
        self.scene.queued_job, self.scene.queued_request = asked["job_id"], asked["id"]

    def _agent(self, name: str, job: dict[str, Any]) -> None:
        self.scene.tokens[name] = job["token"]
        self.scene.claims[name] = read_claims(job["token"])
        setattr(self.scene, f"{name}_job", job["job_id"])
        setattr(self.scene, f"{name}_request", job["payload"]["request_id"])
        setattr(self.scene, f"{name}_session", self.scene.claims[name]["session_id"])

    def _add_people(self) -> None:
        names = {
            "owner": "ada",
            "colleague": "bob",
            "admin": "eve",
            "stranger": "stan",
            "anonymous": "nemo",
            "banned": "ben",
        }  # fmt: skip
        for principal, name in names.items():
            setattr(self.scene, principal, self.world.users[name])
            setattr(self.scene, f"{principal}_session", self.world.sessions[name])
            claims = self.world.person(name, is_anonymous=name == "nemo").claims
            self.scene.claims[principal] = {"role": "authenticated", **claims}
        self.scene.claims["anon"] = {"role": "anon"}
        self.scene.claims["service_role"] = {"role": "service_role"}

    def _add_workers(self) -> None:
        for name, spoil in (
            ("worker", None), ("worker_expired", "update agent.worker_keys set expires_at = now() where jti = %s"),
            ("worker_revoked", "select agent.revoke_worker_key(%s)"),
        ):  # fmt: skip
            token = self.world.value("select agent.mint_worker_key(%s, 1)", name)
            self.scene.tokens[name], self.scene.claims[name] = token, read_claims(token)
            setattr(self.scene, f"{name}_jti", self.scene.claims[name]["jti"])
            if spoil:
                self.world.conn.execute(spoil, [self.scene.claims[name]["jti"]])  # type: ignore[call-overload]
