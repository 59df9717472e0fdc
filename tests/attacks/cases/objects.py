"""Objects of one's own beside ours; probing for what exists; values that cannot be."""

from __future__ import annotations

from tests.attacks.cases.answers import BY_POLICY, DENIED
from tests.attacks.cases.completing import NOBODY
from tests.attacks.cases.drafting import draft
from tests.attacks.cases.money_values import IMPOSSIBLE_MONEY
from tests.attacks.cases.people import AGENT, AGENT_AFTER, ANON, COLLEAGUE, OWNER, SERVICE_ROLE, STRANGER, WORKER
from tests.attacks.cases.privacy_values import IMPOSSIBLE_PRIVACY
from tests.attacks.cases.sending_values import IMPOSSIBLE_SENDS
from tests.attacks.cases.suggesting_values import IMPOSSIBLE_SUGGESTIONS
from tests.attacks.model import Attack, Call, Nothing, Rows, one_of, refused, rpc, sql, sql_as_owner

# The tables of ours by their keys' types.
KEYS = {
    "agent.jobs": "uuid",
    "agent.failure_codes": "text",
    "agent.audit_log": "bigint",
    "agent.signing_keys": "text",
    "agent.worker_keys": "uuid",
    "agent.host_settings": "text",
    "public.ai_settings": "boolean",
    "public.ai_draft_requests": "uuid",
    "public.ai_drafts": "uuid",
    "public.ai_interactions": "uuid",
    "public.deal_stage_history": "bigint",
    "agent.model_prices": "text, text, timestamptz, integer",
    "agent.model_routes": "text, text, text",
    "agent.ai_switches": "text, text",
    "agent.ledger": "text, text, date, uuid",
    "agent.maintenance_runs": "text",
    "agent.request_slots": "uuid, text",
    "agent.providers": "text",
    "agent.batches": "uuid",
    "agent.batch_items": "uuid",
    "public.ai_budgets": "uuid",
    "public.ai_prompts": "uuid",
    "public.ai_prompt_versions": "uuid",
    "public.ai_alerts": "uuid",
    "public.ai_draft_revisions": "uuid",
    "public.ai_consents": "bigint",
    "public.ai_sends": "uuid",
    "public.agent_suggestions": "uuid",
    "public.client_insights": "uuid, uuid",
    "agent.suggestion_rules": "text",
    "agent.sweeps": "uuid",
    "agent.client_watches": "uuid, uuid",
    "agent.client_changes": "bigint",
    "agent.refused_evidence": "uuid, uuid, text",
    "agent.stage_statistics": "text",
    "agent.legal_holds": "uuid",
    "agent.data_tables": "text",
    "agent.audit_anchors": "uuid",
}

OF_DRAFT = "update public.ai_drafts set {} where id = '{{draft}}'"

OF_JOB = "update agent.jobs set {} where id = '{{agent_job}}'"

OF_REQUEST = "update public.ai_draft_requests set {} where id = '{{agent_request}}'"

SETTING = "update public.ai_settings set {}"

IMPOSSIBLE = {
    "audit_log_actor_check": "insert into agent.audit_log (actor, action, entity) values ('nobody', 'x', 'x')",
    "jobs_attempts_check": OF_JOB.format("attempts = max_attempts + 1"),
    "jobs_finished_at_check": OF_JOB.format("finished_at = now()"),
    "jobs_kind_check": OF_JOB.format("kind = 'spam'"),
    "jobs_state_check": OF_JOB.format("state = 'lost'"),
    "jobs_dedupe_key_idx": "update agent.jobs set dedupe_key = 'x' where state in ('queued', 'running')",
    "failure_codes_code_check": "insert into agent.failure_codes values ('Not a code', true, 'x')",
    "worker_keys_name_check": "insert into agent.worker_keys (name, expires_at) values ('', 'infinity')",
    "ai_settings_follow_up_days_check": SETTING.format("follow_up_days = 0"),
    "ai_draft_revisions_draft_id_version_key": (
        "insert into public.ai_draft_revisions (draft_id, version, content, details, edited_by) "
        "select '{draft}', 2, 'x', '{{}}', '{owner}' from generate_series(1, 2)"
    ),
    "ai_settings_daily_jobs_per_user_check": SETTING.format("daily_jobs_per_user = -1"),
    "ai_settings_default_language_check": SETTING.format("default_language = 'English'"),
    "ai_settings_draft_expiry_days_check": SETTING.format("draft_expiry_days = 0"),
    "ai_settings_id_check": "insert into public.ai_settings (id) values (false)",
    "ai_settings_open_jobs_per_user_check": SETTING.format("open_jobs_per_user = 1001"),
    "ai_settings_time_zone_check": SETTING.format("time_zone = 'Nowhere/At all'"),
    "ai_draft_requests_state_check": OF_REQUEST.format("state = 'lost'"),
    "ai_draft_requests_open_subject_idx": (
        "update public.ai_draft_requests set draft_type = 'memo', purpose = 'custom', deal_id = null, task_id = null "
        "where state in ('queued', 'running')"
    ),
    "ai_drafts_approved_at_check": OF_DRAFT.format("approved_at = now()"),
    "ai_drafts_sent_at_check": OF_DRAFT.format("sent_at = now()"),
    "ai_drafts_status_check": OF_DRAFT.format("status = null"),
    "ai_drafts_open_subject_idx": (
        "update public.ai_drafts set purpose = 'custom', draft_type = 'memo', client_id = '{acme}' "
        "where created_by = '{owner}' and status = 'pending'"
    ),
    "ai_interactions_outcome_check": "update public.ai_interactions set outcome = 'Not a code'",
    **IMPOSSIBLE_MONEY,
    **IMPOSSIBLE_PRIVACY,
    **IMPOSSIBLE_SENDS,
    **IMPOSSIBLE_SUGGESTIONS,
    "ai_interactions_tokens_check": "update public.ai_interactions set cost_usd = -1",
}


def _reference(table: str, types: str) -> Call:
    columns = {f"x{number}": kind for number, kind in enumerate(types.split(", "))}
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return sql(f"create table playground.probe ({listed}, foreign key ({', '.join(columns)}) references {table})")


ATTACKS = [
    Attack(
        "forge-triggers",
        "A trigger of one's own on each table of ours.",
        (OWNER, AGENT, SERVICE_ROLE, WORKER),
        lambda s: [
            sql(
                f"create trigger mine before insert on {table} for each row execute function "
                "suppress_redundant_updates_trigger()"
            )
            for table in KEYS
        ],
        DENIED,
        hook=False,
        proves=("table * trigger",),
    ),
    Attack(
        "forge-references",
        "A foreign key of one's own to each table of ours, to learn which ids there are.",
        (OWNER, AGENT, WORKER),
        lambda s: [_reference(table, types) for table, types in KEYS.items()],
        DENIED,
        hook=False,
        proves=("table * references",),
        given="create schema playground; grant all on schema playground to public",
    ),
    Attack(
        "forge-locks",
        "Each table of ours is locked, so that nobody else comes near it.",
        (OWNER, AGENT, SERVICE_ROLE, WORKER),
        lambda s: [sql(f"lock table {table} in access exclusive mode") for table in KEYS],
        DENIED,
        hook=False,
        proves=("table * maintain",),
    ),
    Attack(
        "forge-values",
        "A host's function with its owner's rights writes what cannot be: each check, each unique key of our tables.",
        (OWNER,),
        lambda s: [sql_as_owner(text.format(**s.values)) for text in IMPOSSIBLE.values()],
        one_of(refused("23514"), refused("23505"), refused("22023", says="time zone")),
        proves=tuple(f"{'check' if name.endswith('_check') else 'unique'} {name}" for name in IMPOSSIBLE),
    ),
    Attack(
        "forge-probe-client",
        (
            "Whether a client exists, by asking, reading and writing: the same answer for one there is and one there "
            "is not."
        ),
        (STRANGER, COLLEAGUE),
        lambda s: [
            rpc(function, p_client_id=client, **more)
            for client in (s.acme, s.apex, NOBODY)
            for function, more in (
                ("request_draft", {"p_draft_type": "memo", "p_purpose": "custom"}),
                ("get_client_context", {}),
            )
        ],
        refused("PT404", "client_not_found"),
        proves=("guard public.request_draft: client_not_found",),
    ),
    Attack(
        "forge-probe-key",
        "Whether a client, a draft or a user exists, by the foreign keys and unique keys of ai_drafts.",
        (STRANGER, AGENT_AFTER),
        lambda s: (
            [
                Rows("POST", "ai_drafts", draft(s, client_id=client, created_by=who, request_id=request))
                for client in (s.acme, NOBODY)
                for who in (s.owner, NOBODY)
                for request in (s.agent_after_request, NOBODY)
            ]
            + [Rows("POST", "ai_drafts", draft(s, id=s.draft, created_by=s.stranger))]
        ),
        BY_POLICY,
        hook=False,
    ),
    Attack(
        "forge-temporary-names",
        "Tables, views and functions of the session's own with our names and the CRM's, then what asks them.",
        (STRANGER, OWNER),
        lambda s: [
            sql(
                f"create temp table if not exists {table} as select gen_random_uuid() as id, auth.uid() as "
                "created_by, auth.uid() as user_id, "
                "auth.uid() as owner_id, 'admin'::text as role, 'pending'::text as status; "
                "create or replace function pg_temp.is_admin() returns boolean language sql as 'select true'; "
                "do $d$ begin if agent.is_admin() or agent.current_job_client_id() is not null then raise 'taken in'; "
                "end if; end $d$"
            )
            for table in ("profiles", "ai_drafts", "jobs", "clients", "users", "sessions", "ai_settings", "worker_keys")
        ],
        Nothing(),
        leaves_traces=True,
    ),
    Attack(
        "forge-attach",
        "Our trigger functions are attached to a table of the session's own.",
        (OWNER, AGENT),
        lambda s: [
            sql(
                "create temp table if not exists mine (id uuid, client_id uuid, stage text, opened_at timestamptz, "
                "closed_at timestamptz);"
                f"create trigger t_{number} {when} on pg_temp.mine {rest} execute function agent.{function}()"
            )
            for number, (function, when, rest) in enumerate(
                (
                    (
                        "tg_deals__record_first_stage",
                        "after insert",
                        "referencing new table as new_rows for each statement",
                    ),
                    ("tg_deals__record_stage", "after update", "for each row"),
                    ("tg_crm__refuse_agent", "before insert", "for each statement"),
                    ("tg_jobs__notify", "after insert", "referencing new table as new_rows for each statement"),
                )
            )
        ],
        refused("42501", says="permission denied for function"),
        hook=False,
        proves=("function agent.tg_crm__*", "function agent.tg_deals__*", "function agent.tg_jobs__*"),
    ),
    Attack(
        "forge-objects",
        "Tables, functions and operators are made in our schemas and in the CRM's.",
        (OWNER, AGENT, ANON, SERVICE_ROLE, WORKER),
        lambda s: (
            [
                sql(f"create {thing.format(schema)}")
                for schema in ("public", "agent", "crm", "auth", "extensions")
                for thing in (
                    "table {}.mine ()",
                    "function {}.is_agent() returns boolean language sql as 'select false'",
                    "operator {}.= (leftarg = uuid, rightarg = uuid, function = uuid_eq)",
                    "domain {}.uuid as text",
                )
            ]
            + [sql("create schema mine")]
        ),
        DENIED,
        hook=False,
        proves=("schema agent create", "schema crm create"),
    ),
]
