"""The principals of the scene, by name."""

from __future__ import annotations

from tests.attacks.model import Who

OWNER = Who("owner")
COLLEAGUE = Who("colleague")
ADMIN = Who("admin")
STRANGER = Who("stranger")
ANONYMOUS = Who("anonymous")
BANNED = Who("banned")
ANON = Who("anon")
SERVICE_ROLE = Who("service_role")
# The job's token while its job runs, after it, beside it (another user's), and once the lease has moved on.
AGENT = Who("agent")
AGENT_AFTER = Who("agent_after")
AGENT_BESIDE = Who("agent_beside")
AGENT_ADMIN = Who("agent_admin")
AGENT_STALE = Who("agent_stale")
AGENT_FRESH = Who("agent_fresh")
AGENT_REQUEUED = Who("agent_requeued")
AGENT_FAILED = Who("agent_failed")
AGENTS = (AGENT, AGENT_AFTER, AGENT_BESIDE, AGENT_STALE)
ENDED = (AGENT_AFTER, AGENT_STALE, AGENT_REQUEUED, AGENT_FAILED)
WORKER = Who("worker")
WORKER_EXPIRED = Who("worker_expired")
WORKER_REVOKED = Who("worker_revoked")
WORKER_UNKNOWN = WORKER.but(jti="00000000-0000-4000-8000-000000000000")
DEAD_WORKERS = (WORKER_EXPIRED, WORKER_REVOKED, WORKER_UNKNOWN)
USERS = (OWNER, COLLEAGUE, ADMIN, STRANGER, ANONYMOUS)
# What a token may carry under `act` and be an agent's all the same.
ACTS = (None, {}, [], False, "", {"sub": ""})
EVERYBODY = (OWNER, ADMIN, AGENT, AGENT_AFTER, ANON, SERVICE_ROLE, WORKER)
