"""Every function of ours that is not theirs to call."""

from __future__ import annotations

from tests.attacks.cases.answers import NO_FUNCTION
from tests.attacks.cases.keys import FILES
from tests.attacks.cases.people import ADMIN, AGENT, ANON, EVERYBODY, OWNER, SERVICE_ROLE, WORKER
from tests.attacks.cases.suggesting_values import OF_SUGGESTIONS
from tests.attacks.model import Attack, Nothing, Statement, Who, sql

# What may be called, by whom. Everything else that we made must be refused, whatever is added later.
OF_ALL = {"agent.check_request", "agent.check_request_v1"}

OF_PRIVACY = {
    f"{schema}.{name}{'_v1' if schema == 'agent' else ''}"
    for schema in ("agent", "public")
    for name in (
        "record_consent",
        "list_consents",
        "set_legal_hold",
        "list_legal_holds",
        "erase_client_ai_data",
        "export_client_data",
    )
}

OF_SENDING = {
    "agent.open_send_v1",
    "agent.queue_send_v1",
    "agent.undo_send_v1",
    "agent.mark_sent_v1",
    "agent.note_logged_v1",
    "agent.begin_send_v1",
    "agent.finish_send_v1",
    *(f"public.{name}" for name in ("send_draft", "undo_send", "mark_sent", "log_sends")),
    *(f"public.{name}_send_job" for name in ("begin", "complete")),
}

OF_USERS = OF_ALL | {
    "agent.is_agent",
    "agent.is_admin",
    "agent.require_person",
    "agent.current_job_client_id",
    "agent.current_job_user_id",
    "agent.completing_request_id",
    "agent.draft_content_hash",
    "agent.is_usage",
    "agent.begin_complete_v1",
    "agent.finish_complete_v1",
    "agent.clean_text",
    "agent.clean_json",
    "agent.time_zone",
    "agent.request_draft_v2",
    "agent.is_iso_time",
    "agent.draft_expiry_days",
    "agent.approve_draft_v1",
    "agent.reject_draft_v1",
    "public.get_client_context",
    "public.request_draft",
    "public.approve_draft",
    "public.reject_draft",
    "public.complete_draft_job",
    "agent.has_markup",
    "agent.set_model_route_v1",
    "agent.list_model_routes_v1",
    "agent.set_ai_switch_v1",
    "agent.list_ai_switches_v1",
    "agent.agent_status_v1",
    "agent.take_request_slot_v1",
    "agent.set_budget_v1",
    "agent.acknowledge_alert_v1",
    "public.set_model_route",
    "public.list_model_routes",
    "public.set_ai_switch",
    "public.list_ai_switches",
    "public.agent_status",
    "public.take_request_slot",
    "public.set_budget",
    "public.acknowledge_alert",
    "agent.edit_draft_v1",
    "public.edit_draft",
    "agent.stale_reasons",
    "agent.unfinished_v1",
    "public.get_draft",
    "public.list_drafts",
    "agent.note_written_v1",
    "agent.follow_up_at",
    "public.approve_drafts",
    "agent.delete_drafts_v1",
    "public.delete_drafts",
    "agent.draft_to_regenerate_v1",
    "public.regenerate_draft",
    "agent.cancel_request_v1",
    "public.cancel_request",
    *OF_PRIVACY,
    *OF_SENDING,
    *OF_SUGGESTIONS,
    "public.load_client_context",
    "public.list_changes",
    "agent.set_ai_settings_v1",
    "public.set_ai_settings",
    "crm.log_activity",
    "crm.create_task",
    "crm.set_deal_stage",
    "crm.undo",
}

OF_WORKERS = OF_ALL | {
    "agent.claim_jobs_v1",
    "agent.heartbeat_job_v1",
    "agent.fail_job_v1",
    "public.claim_jobs",
    "public.claim_job",
    "public.heartbeat_job",
    "public.fail_job",
    "agent.reserve_budget_v1",
    "agent.run_maintenance_v1",
    "agent.run_maintenance_v2",
    "agent.start_batch_v1",
    "agent.submit_batch_v1",
    "agent.poll_batches_v1",
    "agent.end_batch_v1",
    "public.reserve_budget",
    "public.run_maintenance",
    "public.start_batch",
    "public.submit_batch",
    "public.poll_batches",
    "public.end_batch",
    "agent.queue_sweeps_v1",
}

CALL_ALL = (FILES / "call_all.sql").read_text()


def call_all(allowed: set[str]) -> Statement:
    listed = ", ".join(f"'{name}'" for name in sorted(allowed))
    return Statement(
        f"{CALL_ALL} select pg_temp.call_all(array[{listed}]) where pg_temp.call_all(array[{listed}]) <> ''"
    )


def every_function(who: Who, allowed: set[str], tag: str, sentence: str) -> Attack:
    return Attack(
        f"call-all-{tag}",
        sentence,
        (who,),
        lambda s: [call_all(allowed)],
        Nothing(),
        hook=False,
        given="grant usage on schema crm to public",
        only="sql: schema agent is not exposed; what is in public has its cases over HTTP",
        proves=("function *",),
    )


ATTACKS = [
    every_function(ANON, OF_ALL, "anon", "The publishable key alone calls every function of ours."),
    every_function(OWNER, OF_USERS, "user", "A user calls every function of ours that is not for users."),
    every_function(ADMIN, OF_USERS, "admin", "An admin does: one is a user who sees more rows."),
    every_function(AGENT, OF_USERS, "agent", "The agent does."),
    every_function(WORKER, OF_WORKERS, "worker", "A worker calls every function that is not for workers."),
    every_function(SERVICE_ROLE, OF_ALL, "service", "service_role does."),
    Attack(
        "key-functions",
        "The functions that sign, verify, mint, revoke and add keys.",
        EVERYBODY,
        lambda s: [
            sql(f"select agent.{call}")
            for call in (
                "mint_worker_key('x', 1)",
                "sign_jwt('{}')",
                "jwt_signature('x', 'test-kid')",
                "verify_jwt('x')",
                "mint_job_token(null)",
                "add_signing_key('x', 'test_secret')",
                "retire_signing_key('test-kid')",
                f"revoke_worker_key('{s.worker_jti}')",
                "require_worker()",
                "job_of_token('x')",
                "current_job()",
                f"close_jobs(array['{s.agent_job}']::uuid[], 'failed', 'refused')",
            )
        ],
        NO_FUNCTION,
        hook=False,
        proves=tuple(
            f"function agent.{name}"
            for name in (
                "mint_worker_key",
                "sign_jwt(*",
                "jwt_signature",
                "verify_jwt",
                "mint_job_token",
                "add_signing_key",
                "retire_signing_key",
                "revoke_worker_key",
                "require_worker",
                "job_of_token",
                "current_job",
                "close_jobs",
            )
        ),
    ),
]
