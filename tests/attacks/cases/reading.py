"""Reading outside one's client, or after one's job."""

from __future__ import annotations

from tests.attacks.cases.answers import AGENT_REFUSED, DENIED, INVALID, NO_CLIENT, STALE
from tests.attacks.cases.people import (
    AGENT,
    AGENT_AFTER,
    AGENT_BESIDE,
    AGENT_FAILED,
    AGENT_REQUEUED,
    AGENT_STALE,
    AGENTS,
    ANON,
    ANONYMOUS,
    COLLEAGUE,
    ENDED,
    OWNER,
    SERVICE_ROLE,
    STRANGER,
    WORKER,
)
from tests.attacks.model import Attack, Call, Rows, one_of, refused, rpc, sql
from tests.attacks.scene import CRM_TABLES, GUARDED, Scene

OTHER_CLIENT = refused("PT403", "agent_refused", "not the client of the job")
OURS = (
    "ai_drafts", "ai_draft_requests", "ai_interactions", "ai_settings", "deal_stage_history", "ai_budgets",
    "ai_prompts", "ai_prompt_versions", "ai_alerts", "ai_draft_revisions", "ai_consents", "ai_sends",
    "agent_suggestions", "client_insights",
)  # fmt: skip
AGENT_TABLES = (
    "jobs", "failure_codes", "audit_log", "signing_keys", "worker_keys", "host_settings", "model_prices",
    "model_routes", "ai_switches", "ledger", "maintenance_runs", "request_slots", "providers", "batches", "batch_items",
    "legal_holds", "data_tables", "audit_anchors", "suggestion_rules", "sweeps", "client_watches", "client_changes",
    "refused_evidence", "stage_statistics",
)  # fmt: skip
# A row in each table of ours that has none in the scene.
FILLED = """
insert into agent.host_settings values ('x', 'x');
insert into agent.ai_switches (scope, subject, reason) values ('role', 'x', 'x');
insert into agent.ledger (scope, user_id, period, starts_on) values ('user', %(owner)s, 'day', '2026-01-01');
insert into agent.maintenance_runs (task) values ('x');
insert into agent.request_slots (user_id, kind, taken_at) values (%(owner)s, 'x', array[now()]);
insert into agent.providers (provider) values ('x');
insert into agent.batches (provider) values ('x');
insert into agent.batch_items (custom_id, batch_id, job_id) select id, id, id from agent.batches;
insert into public.ai_draft_revisions (draft_id, version, content, details, edited_by)
values (%(draft)s, 9, 'x', '{}', %(owner)s);
insert into public.ai_sends (draft_id, user_id, channel, state, content_hash, ended_at)
values (%(mail)s, %(owner)s, 'mailto', 'undone', 'x', now());
insert into public.ai_alerts (kind, dedupe_key, severity, message) values ('error_rate', 'x', 'critical', 'x');
insert into public.ai_consents (client_id, kind, granted) values (%(apex)s, 'training', true);
insert into agent.legal_holds (client_id, reason, set_by) values (%(nemo)s, 'x', %(owner)s);
insert into agent.audit_anchors (count, head_hash) values (1, 'x');
insert into public.agent_suggestions (client_id, assigned_to, suggestion_type, title, rule_key, score, dedupe_key)
values (%(acme)s, %(owner)s, 'follow_up', 'x', 'x', 1, 'x');
insert into public.client_insights (client_id, user_id, insights, computed_from)
values (%(acme)s, %(owner)s, '{}', '{}');
insert into agent.sweeps (user_id) values (%(owner)s);
insert into agent.client_watches (client_id, user_id) values (%(acme)s, %(owner)s);
insert into agent.client_changes (client_id, user_id) values (%(acme)s, %(owner)s);
insert into agent.refused_evidence (user_id, client_id, dedupe_key) values (%(owner)s, %(acme)s, 'x');
insert into agent.stage_statistics (stage, samples, won, lost) values ('x', 1, 1, 1);
"""
ALL_OURS = (*(f"agent.{table}" for table in AGENT_TABLES), *(f"public.{table}" for table in OURS))
NO_POLICY_FOR_AGENTS = "".join(f"drop policy {table}_select_agent on public.{table};" for table in CRM_TABLES)
# A function that each policy of the host's could call, here run for every row of clients that is looked at.
INSIDE = (
    "create or replace function public.careless() returns boolean language plpgsql as $$ begin {}; return true; end $$"
)


def context(client: object, **more: object) -> Call:
    return rpc("get_client_context", p_client_id=client, **more)


def others(s: Scene, *relations: str, but: str = "acme") -> list[Call]:
    """What can be seen that belongs to other clients than this one."""
    client = vars(s)[but]
    return [
        sql(
            f"select string_agg(t::text, ' ') from {name} as t where "
            f"{'id' if name.endswith('clients') else 'client_id'} is distinct from '{client}'"
        )
        for name in relations
    ]


def own(table: str, column: str, who: str = "auth.uid()") -> str:
    return f"select string_agg(t::text, ' ') from {table} as t where {column} is distinct from {who}"


ACME = tuple(f"public.{table}" for table in CRM_TABLES)
BY_VIEW = tuple(f"crm.{table}" for table in CRM_TABLES)

ATTACKS = [
    Attack(
        "read-context-other",
        "The agent reads another client of its user, of somebody else, and one that does not exist: one answer.",
        (AGENT, AGENT_BESIDE),
        lambda s: [context(client) for client in (s.apex, s.nemo, s.owner, None)],
        OTHER_CLIENT,
    ),
    Attack(
        "read-context-other-alone",
        "The agent reads another client of its user where no policy hides it.",
        (AGENT,),
        lambda s: [context(s.apex)],
        OTHER_CLIENT,
        hook=False,
        given=NO_POLICY_FOR_AGENTS,
        proves=("guard public.get_client_context: agent_refused",),
    ),
    Attack(
        "read-context-ended",
        "The agent reads its client after its job, on a stale fence, once its job is queued again or failed.",
        ENDED,
        lambda s: [context(s.acme), context(s.apex)],
        STALE,
    ),
    Attack(
        "read-context-ended-no-hook",
        "The agent reads its client after its job where nobody asks the pre-request hook.",
        ENDED,
        lambda s: [context(s.acme), context(s.apex)],
        OTHER_CLIENT,
        hook=False,
        proves=("code agent.current_job_client_id: running",),
    ),
    Attack(
        "read-context-banned",
        "The agent reads for a user who has been banned since.",
        (AGENT,),
        lambda s: [context(s.acme)],
        refused("PT403", "user_inactive"),
        given="update auth.users set banned_until = 'infinity' where id = %(owner)s",
        proves=("guard agent.check_request_v1: user_inactive",),
    ),
    Attack(
        "read-context-no-access",
        "The agent reads its client after its user lost it.",
        (AGENT,),
        lambda s: [context(s.acme)],
        NO_CLIENT,
        given="update clients set owner_id = %(colleague)s where id = %(acme)s",
    ),
    Attack(
        "read-context-as-user",
        "A colleague, a stranger, an anonymous sign-in read somebody else's client: as one that does not exist.",
        (COLLEAGUE, STRANGER, ANONYMOUS),
        lambda s: [context(s.acme), context(s.apex), context(s.owner)],
        NO_CLIENT,
        proves=("view crm.clients", "guard public.get_client_context: client_not_found"),
    ),
    Attack(
        "read-context-not-signed-in",
        "Somebody without a sign-in, service_role and a worker read a client.",
        (ANON, SERVICE_ROLE, WORKER),
        lambda s: [context(s.acme)],
        DENIED,
        hook=False,
        proves=("function public.get_client_context",),
    ),
    Attack(
        "read-context-days",
        "A window that reads the whole history, or breaks the sum.",
        (OWNER, AGENT),
        lambda s: [context(s.acme, p_days=days) for days in (0, -1, 367, 2147483647, None)],
        INVALID,
        proves=("guard public.get_client_context: invalid_argument: p_days",),
    ),
    Attack(
        "read-rest",
        "The agent reads each table over REST, its own client's rows too.",
        AGENTS,
        lambda s: [Rows("GET", table) for table in (*GUARDED, *OURS)],
        AGENT_REFUSED,
        proves=("hook", "guard agent.check_request_v1: agent_refused"),
    ),
    Attack(
        "read-by-argument",
        "A request names a contact, a deal or a task of another client, one's own or not.",
        (OWNER,),
        lambda s: [
            rpc(
                "request_draft",
                p_client_id=s.acme,
                p_draft_type="memo",
                p_purpose="follow_up",
                **{f"p_{kind}_id": vars(s)[f"{client}_{kind}"]},
            )
            for kind in ("contact", "deal", "task")
            for client in ("apex", "bolt")
        ],
        INVALID,
        proves=("fault public.request_draft: *", "fault public.request_draft: *", "fault public.request_draft: *"),
    ),
    Attack(
        "read-then-write",
        "While it reads, a host's own policy writes for the agent: the request is read-only.",
        (AGENT,),
        lambda s: [context(s.acme)],
        refused("25006"),
        given=INSIDE.format("insert into public.notes (body) values ('x')"),
        proves=("code agent.check_request: read only", "code agent.check_request_v1: read only"),
        over_http=refused("25006"),
    ),
    Attack(
        "read-then-unlock",
        "While it reads, a host's own policy makes the transaction writable again.",
        (AGENT,),
        lambda s: [context(s.acme)],
        one_of(refused("25001"), refused("25006")),
        given=INSIDE.format("set local transaction_read_only = off; insert into public.notes (body) values ('x')"),
        proves=("code agent.check_request: read only",),
    ),
    Attack(
        "read-then-count",
        "While it reads, a host's own policy takes a sequence's next value.",
        (AGENT,),
        lambda s: [context(s.acme)],
        refused("25006"),
        given="create sequence public.tickets; grant all on sequence public.tickets to authenticated;"
        + INSIDE.format("perform nextval('public.tickets')"),
    ),
    Attack(
        "read-worker",
        "A worker's key reads tables and contexts over REST.",
        (WORKER,),
        lambda s: [context(s.acme), *(Rows("GET", table) for table in (*GUARDED, *OURS)), sql("select 1")],
        refused("PT403", "worker_refused"),
        proves=("hook", "guard agent.check_request_v1: worker_refused"),
    ),
    Attack(
        "read-stale-anything",
        "A token on a stale fence, of a job queued again, of a failed one, of none, tries its two functions.",
        (AGENT_STALE, AGENT_REQUEUED, AGENT_FAILED, AGENT.but(job=...), AGENT.but(fence=...)),
        lambda s: [context(s.acme), rpc("complete_draft_job", p_content="x", p_subject="x")],
        STALE,
    ),
    Attack(
        "read-hook-alone",
        "A token whose job is over where nothing but the hook looks: not the functions, not the policies.",
        (AGENT_STALE, AGENT_REQUEUED, AGENT_FAILED, AGENT_AFTER),
        lambda s: [context(s.acme)],
        STALE,
        given=NO_POLICY_FOR_AGENTS
        + "select testing.cut('public.get_client_context', 'agent.is_agent() and', 'false and'),"
        "testing.cut('agent.check_request_v1', 'agent.is_active_user(v_job.user_id) is not true', 'false')",
        proves=(
            "guard agent.check_request_v1: stale_fence",
            "code agent.check_request_v1: no job",
            "code agent.check_request_v1: running",
        ),
    ),
]
