"""Controls that are part of a condition: the text of each, and what is left when it is gone."""

from __future__ import annotations

Cuts = dict[str, dict[str, tuple[str, str]]]

CUTS: Cuts = {
    "agent.is_agent": {"the key": ("auth.jwt() ? 'act'", "auth.jwt() ->> 'act' is not null")},
    "agent.is_admin": {
        "agent": ("agent.is_agent() is not true\n    and ", ""),
        "role": (" and role = 'admin'", ""),
    },
    "agent.is_active_user": {
        "deleted": (" and deleted_at is null", ""),
        "banned": (" and (banned_until is null or banned_until <= now())", ""),
    },
    "agent.require_person": {"role": (" or auth.role() is distinct from 'authenticated'", "")},
    "agent.require_live_session": {
        "person": ("agent.require_person()", "auth.uid()"),
        "whose": (" and user_id = v_user_id", ""),
        "not_after": (" and (not_after is null or not_after > now())", ""),
    },
    "agent.lock_open_draft": {
        "whose": (" and created_by = p_user_id", ""),
        "status": ("v_draft.status not in ('pending', 'edited') or ", ""),
        "expired": (" or v_draft.expires_at <= now() then", " then"),
        "lock": (" for update", ""),
    },
    "agent.approve_draft_v1": {"live session": ("agent.require_live_session()", "auth.uid()")},
    "agent.reject_draft_v1": {"live session": ("agent.require_live_session()", "auth.uid()")},
    "agent.draft_faults": {
        "markup": ("'p_content holds an image, a hidden link or markup: write it as plain text.'", "null"),
    },
    "agent.edit_draft_v1": {"live session": ("agent.require_live_session()", "agent.require_person()")},
    "agent.delete_drafts_v1": {
        "live session": ("agent.require_live_session()", "agent.require_person()"),
        "whose": (" and d.created_by = v_user_id and d.status", " and d.status"),
        "on record": (" and d.status <> 'approved'", ""),
    },
    "agent.cancel_request_v1": {
        "person": ("agent.require_person()", "auth.uid()"),
        "whose": (" and user_id = v_user_id", ""),
    },
    "agent.reserve_budget_v1": {"consent": ("perform agent.require_ai_on(v_job.user_id, v_job.client_id);", "")},
    "agent.require_say_over": {"live session": ("agent.require_live_session()", "agent.require_person()")},
    "agent.set_legal_hold_v1": {"live session": ("perform agent.require_live_session();", "")},
    "agent.export_client_data_v1": {"live session": ("perform agent.require_live_session();", "")},
    "agent.erase_client_ai_data_v1": {
        "live session": ("perform agent.require_live_session();", ""),
        "hold": ("perform agent.require_not_held(p_client_id, null);", ""),
    },
    "agent.open_send_v1": {"live session": ("agent.require_live_session()", "agent.require_person()")},
    "agent.undo_send_v1": {
        "live session": ("agent.require_live_session()", "agent.require_person()"),
        "whose": (" and user_id = v_user_id", ""),
    },
    "agent.mark_sent_v1": {"live session": ("agent.require_live_session()", "agent.require_person()")},
    "agent.lock_approved_mail": {"whose": (" and created_by = p_user_id", "")},
    "agent.begin_send_v1": {
        "draft_changed": ("v_draft.content_hash <> v_send.content_hash", "false"),
        "email_not_allowed": ("agent.has_consent(v_draft.client_id, v_job.user_id, 'email') is not true", "false"),
        "mail_not_set_up": ("when v_sender.from_address is null", "when false"),
        "send_cap": ("(agent.sends_today(v_job.user_id)).begun >=", "-1 >="),
    },
    "agent.note_written_v1": {
        "transaction": (" and approved_at = now()", ""),
        "once": (" and written is null", ""),
    },
    "agent.unfinished_v1": {"whose": (" and d.created_by = agent.require_person()", "")},
    "agent.tg_ai_drafts__supersede": {
        "whose": (" and created_by = new.created_by", ""),
        "client": (" and client_id = new.client_id", ""),
    },
    "public.approve_drafts": {"person": ("perform agent.require_person();", "")},
    "public.begin_send_job": {"recipient_changed": (" and email = v_begun ->> 'to'", "")},
    "public.log_sends": {"person": ("perform agent.require_person();", "")},
    "public.list_drafts": {"person": ("perform agent.require_person();", "")},
    "public.list_changes": {
        "person": ("perform agent.require_person();", ""),
        "whose drafts": ("d.created_by = v_user_id and ", ""),
        "whose requests": ("r.user_id = v_user_id and ", ""),
    },
    "public.load_client_context": {"limit": ("perform public.take_request_slot('context');", "null;")},
    "agent.set_ai_settings_v1": {"admin": ("agent.require_admin()", "auth.uid()")},
    "public.approve_draft": {"recipient's client": (" and client_id = v_draft.client_id", "")},
    "agent.draft_content_hash": {
        "type": ("'type', p_draft_type, ", ""),
        "recipient": ("'recipient', p_recipient, ", ""),
        "subject": ("'subject', p_subject, ", ""),
        "content": ("'content', p_content, ", ""),
        "details": (", 'details', p_details", ""),
    },
    "agent.current_job": {
        "agent": ("agent.is_agent() is not true", "false"),
        "fence": ("v_job.fence is distinct from (v_claims ->> 'fence')::bigint or ", ""),
        "user": (" or v_job.user_id is distinct from auth.uid()", ""),
    },
    "agent.current_job_client_id": {"running": ("v_job.state = 'running'", "true")},
    "agent.current_job_user_id": {"running": ("v_job.state = 'running'", "true")},
    "agent.completing_request_id": {
        "transaction": (" and v_job.completing_xid = pg_current_xact_id_if_assigned()", ""),
    },
    "agent.finish_complete_v1": {
        "state": ("v_job.state is distinct from 'running' or ", ""),
        "transaction": (" or v_job.completing_xid is distinct from pg_current_xact_id_if_assigned()", ""),
        "draft": (
            "not exists (select from public.ai_drafts where id = p_result_id and request_id = v_job.request_id)",
            "false",
        ),
        "draft's request": (" and request_id = v_job.request_id", ""),
        "model": (" and i.provider = p_provider and i.model is not distinct from p_model", ""),
    },
    "agent.reserve": {
        "dollars": ("l.spent_usd + l.reserved_usd + reserve.reserved_usd <= b.limit_usd", "true"),
        "tokens": ("l.spent_tokens + l.reserved_tokens + v_tokens <= b.limit_tokens", "true"),
    },
    "agent.require_ai_on": {
        "organisation": ("('organisation', '*'), ", ""),
        "user": ("('user', p_user_id::text), ", ""),
        "client": (", ('client', p_client_id::text)", ""),
        "role": ("s.scope = 'role' and", "false and"),
    },
    "agent.find_unfinished": {
        "gaps": ("select what from gaps union all", ""),
        "strangers": (" union all select what from strangers", ""),
        "client": ("k.client_id = p_draft.client_id and ", ""),
    },
    "agent.begin_complete_v1": {"switch": ("perform agent.require_ai_on(v_job.user_id, v_job.client_id);", "")},
    "agent.take_request_slot_v1": {"limit": ("where cardinality(s.taken_at) < v_limit\n    or", "where true\n    or")},
    "agent.require_worker": {
        "role": ("auth.role() = 'agent_worker' and ", ""),
        "no agent": (" and agent.is_agent() is not true", ""),
        "which": ("k.jti::text = auth.jwt() ->> 'jti' and ", ""),
        "revoked": (" and k.revoked_at is null", ""),
        "expired": (" and k.expires_at > now()", ""),
    },
    "agent.verify_jwt": {
        "signature": (
            "sha256(convert_to(v_expected, 'UTF8')) is distinct from sha256(convert_to(v_parts[3], 'UTF8'))",
            "false",
        ),
    },
    "agent.revoke_worker_key": {"jobs": ("fence = fence + 1, ", "")},
    "agent.jwt_signature": {"retired": (" and k.retired_at is null", "")},
    "agent.job_of_token": {"act": (" or v_claims ? 'act' is not true", ""), "lock": (" for update", "")},
    "agent.claim_jobs_v1": {
        "live key": ("agent.require_worker()", "null"),
        "one job's lease": ("(j.state = 'running' and j.due_at <= now())", "j.state = 'running'"),
        "lease": ("where j.state = 'running' and j.due_at <= now() and", "where j.state = 'running' and"),
        "due": ("where j.state = 'queued' and j.due_at <= now() and", "where j.state = 'queued' and"),
        "kinds": (
            "j.state = 'queued' and j.due_at <= now() and (p_kinds is null or j.kind = any (p_kinds))",
            "j.state = 'queued' and j.due_at <= now()",
        ),
        "kinds of left ones": (
            "j.state = 'running' and j.due_at <= now() and (p_kinds is null or j.kind = any (p_kinds))",
            "j.state = 'running' and j.due_at <= now()",
        ),
        "lock of one job": ("j.due_at <= now()))\n        for update skip locked", "j.due_at <= now()))"),
        "lock of left ones": ("order by j.due_at\n        for update skip locked", "order by j.due_at"),
        "lock of the queue": (
            "order by j.priority, j.turn, j.id\n        for update skip locked",
            "order by j.priority, j.turn, j.id",
        ),
        "user deleted": (" and u.deleted_at is null", ""),
        "user banned": (" and (u.banned_until is null or u.banned_until <= now())", ""),
        "attempts": ("j.attempts >= j.max_attempts", "false"),
    },
    "agent.heartbeat_job_v1": {
        "live key": ("perform agent.require_worker();", ""),
        "end of 30 minutes": (
            "least(clock_timestamp() + make_interval(secs => p_lease_seconds), j.claimed_at + interval '30 minutes')",
            "clock_timestamp() + make_interval(secs => p_lease_seconds)",
        ),
    },
    "agent.fail_job_v1": {
        "live key": ("perform agent.require_worker();", ""),
        "not its to say": (" and code <> 'attempts_exhausted';", ";"),
        "running": ("if v_job.state <> 'running' then", "if false then"),
        "attempts": (" or v_job.attempts < v_job.max_attempts or (", " or true or ("),
        "a day": (" and v_job.created_at > now() - interval '1 day'", ""),
        "only the provider": (" and p_code like 'provider\\_%'", ""),
    },
    "agent.is_usage": {"counts": (" and u.value::text !~ '^(\\d{1,9}|null)$'", " and false")},
    "agent.check_request_v1": {
        "the key": ("v_claims ? 'act'", "v_claims ->> 'act' is not null"),
        "path": ("'^/rpc/([a-z_]+)$'", "'/rpc/([a-z_]+)'"),
        "content-profile": ("or coalesce(v_headers ->> 'content-profile', 'public') <> 'public'", ""),
        "accept-profile": ("or coalesce(v_headers ->> 'accept-profile', 'public') <> 'public'", ""),
        "read only": ("is_read_only := v_function = 'get_client_context'", "is_read_only := false"),
        "no job": ("v_job.id is null or ", ""),
        "running": ("not (v_job.state = 'running' or (v_job.state = 'done' and not is_read_only))", "false"),
        "live key": ("perform agent.require_worker();", ""),
    },
    "agent.check_request": {"read only": ("if v_is_read_only then", "if false then")},
    "agent.tg_crm__refuse_agent": {
        "the key": (
            "'request.jwt.claims', true), ''), '{}')::jsonb ?| array['act']",
            "'request.jwt.claims', true), ''), '{}')::jsonb ->> 'act' is not null",
        ),
        "legacy setting": (
            "'request.jwt.claim', true), ''), '{}')::jsonb ?| array['act']",
            "'request.jwt.claim', true), ''), '{}')::jsonb ?| array['x']",
        ),
    },
    "agent.guard_crm_tables": {
        "triggers": ("before insert or update or delete on", "before insert on"),
        "truncate": ("agent_guard_truncate before truncate on", "agent_guard_truncate before delete on"),
        "partitions": (
            "cross join lateral pg_catalog.pg_partition_tree(b.relid) as p",
            "cross join lateral (select b.relid) as p",
        ),
        "select policies": (
            "as restrictive for select to authenticated using '\n        '((select agent.is_agent()) is not true or %I",
            "as permissive for select to authenticated using '\n        '((select agent.is_agent()) is not true or %I",
        ),
        "policy of profiles": (
            "as restrictive for select to authenticated using '\n        '((select agent.is_agent()) is not true or id",
            "as permissive for select to authenticated using '\n        '((select agent.is_agent()) is not true or id",
        ),
        "insert policies": ("as restrictive for insert", "as permissive for insert"),
        "update policies": ("as restrictive for update", "as permissive for update"),
        "delete policies": ("as restrictive for delete", "as permissive for delete"),
    },
    "agent.request_draft_v2": {
        "person": ("agent.require_person()", "auth.uid()"),
        "switch": ("perform agent.require_ai_on(v_user_id, p_client_id);", ""),
        "money": ("perform agent.require_budget(v_user_id);", ""),
        "lock": (" for no key update", ""),
        "same request": ("if found then\n    if v_request.hints", "if false then\n    if v_request.hints"),
        "hints": ("v_request.hints is not distinct from p_hints and ", ""),
        "language": ("v_request.language is not distinct from p_language\n      and ", "true and "),
        "contact": ("and v_request.contact_id is not distinct from p_contact_id", ""),
    },
    "public.request_draft": {"person": ("perform agent.require_person();", "")},
    "public.list_suggestions": {"person": ("perform agent.require_person();", "")},
    "agent.store_insights_v1": {"person": ("agent.require_person()", "auth.uid()")},
    "agent.lock_suggestion_v1": {
        "live session": ("agent.require_live_session()", "auth.uid()"),
        "whose": (" and assigned_to = v_user_id", ""),
    },
    "agent.finish_accept_v1": {
        "transaction": (" and resolved_at = now()", ""),
        "once": (" and result is null", ""),
    },
    "agent.begin_evaluation_v1": {
        "switch": ("perform agent.require_ai_on(v_user_id, p_client_id);", ""),
        "one client": (" or p_client_id is not null then", " then"),
    },
    "agent.is_evaluating": {"transaction": (" and s.evaluating_xid = pg_current_xact_id_if_assigned()", "")},
    "agent.list_suggestion_rules_v1": {"admin": ("perform agent.require_admin();", "")},
    "agent.set_suggestion_rule_v1": {"admin": ("perform agent.require_admin();", "")},
}

POLICY_CUTS: Cuts = {
    "ai_draft_requests_select_owner": {"agent": (" AND (( SELECT agent.is_agent() AS is_agent) IS NOT TRUE)", "")},
    "ai_drafts_select_owner": {"agent": (" AND (( SELECT agent.is_agent() AS is_agent) IS NOT TRUE)", "")},
    "ai_draft_revisions_select_owner": {"agent": ("(( SELECT agent.is_agent() AS is_agent) IS NOT TRUE)", "true")},
    "ai_sends_select_owner": {"agent": (" AND (( SELECT agent.is_agent() AS is_agent) IS NOT TRUE)", "")},
    "client_insights_select_own": {
        "agent": (" AND (( SELECT agent.is_agent() AS is_agent) IS NOT TRUE)", ""),
        "client visible": (
            "(EXISTS ( SELECT\n   FROM crm.clients c\n  WHERE (c.id = client_insights.client_id)))",
            "true",
        ),
    },
    "agent_suggestions_select_own": {
        "agent": (
            "(( SELECT agent.is_agent() AS is_agent) IS NOT TRUE) OR ( SELECT agent.is_evaluating() AS is_evaluating)",
            "true",
        ),
        "client visible": (
            "(EXISTS ( SELECT\n   FROM crm.clients c\n  WHERE (c.id = agent_suggestions.client_id)))",
            "true",
        ),
    },
    "ai_interactions_select_owner": {"agent": (" AND (( SELECT agent.is_agent() AS is_agent) IS NOT TRUE)", "")},
    "ai_drafts_insert_completing_agent": {
        "created_by": ("(created_by = ( SELECT auth.uid() AS uid))", "true"),
        "request": ("(request_id = ( SELECT agent.completing_request_id() AS completing_request_id))", "true"),
        "client": ("(client_id = ( SELECT agent.current_job_client_id() AS current_job_client_id))", "true"),
        "client visible": ("(EXISTS ( SELECT\n   FROM crm.clients c\n  WHERE (c.id = ai_drafts.client_id)))", "true"),
        "status": ("(status = 'pending'::text)", "true"),
        "approved_by": ("(approved_by IS NULL)", "true"),
        "approved_at": ("(approved_at IS NULL)", "true"),
        "sent_at": ("(sent_at IS NULL)", "true"),
    },
}
