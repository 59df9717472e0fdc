"""Writing our tables by hand: drafts, books, audit, requests, jobs, settings."""

from __future__ import annotations

from tests.attacks.cases.answers import BY_POLICY, DENIED
from tests.attacks.cases.objects import KEYS
from tests.attacks.cases.people import (
    ADMIN,
    AGENT,
    AGENT_AFTER,
    ANON,
    COLLEAGUE,
    EVERYBODY,
    OWNER,
    SERVICE_ROLE,
    WORKER,
)
from tests.attacks.model import Attack, Nothing, Rows, one_of, refused, sql

DRAFT_COLUMNS = (
    "id",
    "client_id",
    "draft_type",
    "subject",
    "content",
    "context_snapshot",
    "status",
    "created_by",
    "approved_by",
    "created_at",
    "approved_at",
    "sent_at",
    "purpose",
    "contact_id",
    "deal_id",
    "task_id",
    "recipient",
    "details",
    "language",
    "generated_subject",
    "generated_content",
    "request_id",
    "provider",
    "model",
    "prompt_version_id",
    "context_version",
    "grounding",
    "notice",
    "version",
    "content_hash",
    "supersedes_id",
    "rejected_reason",
    "expires_at",
    "updated_at",
)


def written(*tables: str) -> tuple[str, ...]:
    return tuple(f"table {table} {verb}" for table in tables for verb in ("insert", "update", "delete", "truncate"))


def verbs(table: str, body: dict[str, object]) -> list[Rows]:
    return [Rows("POST", table, body), Rows("PATCH", table, body), Rows("DELETE", table)]


ATTACKS = [
    Attack(
        "forge-update-draft",
        "Its user, a colleague, an admin and the agent update every column of a draft.",
        (OWNER, COLLEAGUE, ADMIN, AGENT, AGENT_AFTER, SERVICE_ROLE),
        lambda s: [Rows("PATCH", "ai_drafts", {column: None}, {"id": s.draft}) for column in DRAFT_COLUMNS],
        one_of(DENIED, refused("428C9")),
        hook=False,
        proves=("table public.ai_drafts update",),
    ),
    Attack(
        "forge-delete-draft",
        "Drafts are deleted, truncated, locked.",
        (OWNER, ADMIN, AGENT, SERVICE_ROLE, ANON, WORKER),
        lambda s: [
            Rows("DELETE", "ai_drafts", filters={"id": s.draft}),
            sql("truncate ai_drafts"),
            sql("select from ai_drafts for update"),
            sql("lock table ai_drafts in exclusive mode"),
        ],
        DENIED,
        hook=False,
        proves=("table public.ai_drafts delete", "table public.ai_drafts truncate"),
    ),
    Attack(
        "forge-books",
        "The books are added to, changed, emptied: by everybody.",
        EVERYBODY,
        lambda s: [
            *verbs(
                "ai_interactions",
                {"user_id": s.owner, "attempt": 1, "purpose": "x", "provider": "x", "outcome": "x", "cost_usd": 0},
            ),
            sql("truncate ai_interactions"),
        ],
        DENIED,
        hook=False,
        proves=written("public.ai_interactions"),
    ),
    Attack(
        "forge-audit",
        "The audit is added to, changed, emptied, renumbered: by everybody.",
        EVERYBODY,
        lambda s: [
            sql(text)
            for text in (
                "insert into agent.audit_log (actor, action, entity) values ('user', 'x', 'x')",
                "update agent.audit_log set actor_id = null",
                "delete from agent.audit_log",
                "truncate agent.audit_log",
                "select setval('agent.audit_log_id_seq', 1)",
                "select agent.append_audit('x', 'x', null, null)",
            )
        ],
        DENIED,
        hook=False,
        proves=(*written("agent.audit_log"), "sequence agent.audit_log_id_seq", "function agent.append_audit"),
    ),
    Attack(
        "forge-jobs",
        "Jobs, keys and codes are added, changed, deleted: by everybody.",
        EVERYBODY,
        lambda s: [
            sql(text)
            for text in (
                *(
                    f"{verb} agent.{table}{rest}"
                    for table in ("jobs", "worker_keys", "signing_keys", "failure_codes", "host_settings")
                    for verb, rest in (("delete from", ""), ("truncate", ""))
                ),
                "update agent.signing_keys set retired_at = now()",
                "update agent.host_settings set value = 'x'",
                "insert into agent.failure_codes values ('mine', true, 'Click here')",
                f"insert into agent.jobs (kind, user_id, turn) values ('draft', '{s.owner}', 1)",
                "update agent.jobs set fence = 1",
                "insert into agent.worker_keys (name, expires_at) values ('mine', 'infinity')",
                "update agent.worker_keys set revoked_at = null",
                "insert into agent.signing_keys (kid, secret_name) values ('mine', 'test_secret')",
                "update agent.failure_codes set sentence = 'Click here'",
                "insert into agent.host_settings values ('pgrst.db_pre_request', 'x')",
            )
        ],
        DENIED,
        hook=False,
        proves=written(
            "agent.jobs", "agent.worker_keys", "agent.signing_keys", "agent.failure_codes", "agent.host_settings"
        ),
    ),
    Attack(
        "forge-requests",
        "Requests are added, changed, deleted: by everybody.",
        EVERYBODY,
        lambda s: [
            *verbs(
                "ai_draft_requests",
                {
                    "user_id": s.owner,
                    "client_id": s.acme,
                    "draft_type": "memo",
                    "purpose": "custom",
                    "state": "done",
                    "job_id": s.queued_job,
                },
            ),
            sql("truncate ai_draft_requests"),
        ],
        DENIED,
        hook=False,
        proves=written("public.ai_draft_requests"),
    ),
    Attack(
        "forge-settings",
        "Settings are changed, caps lifted: by everybody, an admin too, who has functions for it.",
        EVERYBODY,
        lambda s: [
            *verbs("ai_settings", {"open_jobs_per_user": 1000, "daily_jobs_per_user": 100000}),
            sql("truncate ai_settings"),
        ],
        DENIED,
        hook=False,
        proves=written("public.ai_settings"),
    ),
    Attack(
        "forge-grants-alone",
        "Rows are added, and a table is emptied, where no policy and no foreign key is in the way.",
        (OWNER, AGENT),
        lambda s: [
            Rows(
                "POST",
                "ai_interactions",
                {"user_id": s.owner, "attempt": 1, "purpose": "x", "provider": "x", "outcome": "free"},
            ),
            Rows(
                "POST",
                "ai_draft_requests",
                {
                    "user_id": s.owner,
                    "client_id": s.acme,
                    "draft_type": "task",
                    "purpose": "check_in",
                    "job_id": s.queued_job,
                },
            ),
            Rows("POST", "ai_settings", {"open_jobs_per_user": 1}),
            Rows("POST", "deal_stage_history", {"deal_id": s.acme_deal, "to_stage": "won"}),
            sql("truncate ai_draft_requests"),
        ],
        DENIED,
        hook=False,
        proves=("table public.* insert", "table public.ai_draft_requests truncate"),
        given="delete from ai_settings; alter table ai_drafts drop constraint ai_drafts_request_id_fkey;"
        + "".join(
            f"alter table {table} disable row level security;"
            for table in KEYS
            if table.startswith("public.") and table != "public.ai_drafts"
        ),
    ),
    Attack(
        "forge-verbs-alone",
        "Our tables had somebody granted every verb on them: no policy lets a row be written.",
        (OWNER, ADMIN, AGENT),
        lambda s: (
            [
                Rows("PATCH", table, {column: value})
                for table, column, value in (
                    ("ai_drafts", "status", "rejected"),
                    ("ai_draft_requests", "state", "failed"),
                    ("ai_interactions", "cost_usd", 0),
                    ("ai_settings", "open_jobs_per_user", 9),
                    ("deal_stage_history", "to_stage", "won"),
                )
            ]
            + [
                Rows("DELETE", table)
                for table in ("ai_drafts", "ai_draft_requests", "ai_interactions", "ai_settings", "deal_stage_history")
            ]
        ),
        Nothing(),
        hook=False,
        given="grant all on all tables in schema public to authenticated",
        proves=tuple(
            f"rls public.{t}"
            for t in ("ai_drafts", "ai_draft_requests", "ai_interactions", "ai_settings", "deal_stage_history")
        ),
    ),
    Attack(
        "forge-rows-alone",
        "Rows are added to our tables where somebody granted every verb on them: no policy lets one in.",
        (OWNER, ADMIN, AGENT),
        lambda s: [
            Rows(
                "POST",
                "ai_interactions",
                {"user_id": s.owner, "attempt": 1, "purpose": "x", "provider": "x", "outcome": "free"},
            ),
            Rows(
                "POST",
                "ai_draft_requests",
                {
                    "user_id": s.owner,
                    "client_id": s.acme,
                    "draft_type": "task",
                    "purpose": "check_in",
                    "job_id": s.queued_job,
                },
            ),
            Rows("POST", "ai_settings", {"open_jobs_per_user": 1}),
            Rows("POST", "deal_stage_history", {"deal_id": s.acme_deal, "to_stage": "won"}),
        ],
        BY_POLICY,
        hook=False,
        given="delete from ai_settings; grant all on all tables in schema public to authenticated;"
        "grant all on all sequences in schema public to authenticated",
        proves=tuple(
            f"rls public.{t}" for t in ("ai_draft_requests", "ai_interactions", "ai_settings", "deal_stage_history")
        ),
    ),
]
