-- Generated from the catalog by `account-agent policies`; not to be edited. Functions without their bodies: as whom they run, who may call them.

-- A person accepts what is proposed to them, and it is done in the same transaction, once; returns {id, status, result}. Again: the same answer.
create function public.accept_suggestion(p_suggestion_id uuid)
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.accept_suggestion(uuid) to authenticated;

-- An admin has seen to it. The first to say so stays on record.
create function public.acknowledge_alert(p_alert_id uuid)
  returns public.ai_alerts language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.acknowledge_alert(uuid) to authenticated;

-- What a frontend shows: {state: available | degraded | down | off, since, reason, resumesAt}, for the user who asks.
create function public.agent_status()
  returns jsonb language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.agent_status() to authenticated;

-- A person approves exactly the text whose hash was shown, or is told why not: p_action save keeps it, send sends the mail after the hold; logs the activity and creates the task asked for, all in one transaction as that person.
create function public.approve_draft(p_draft_id uuid, p_content_hash text, p_action text DEFAULT 'save'::text, p_log_activity boolean DEFAULT NULL::boolean, p_create_task boolean DEFAULT false, p_accept_stale boolean DEFAULT false)
  returns public.ai_drafts language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.approve_draft(uuid,text,text,boolean,boolean,boolean) to authenticated;

-- Approves each of [{id, content_hash}] as approve_draft does, and saves it; returns [{id, ok, error}]. One refusal keeps no other back.
create function public.approve_drafts(p_drafts jsonb, p_accept_stale boolean DEFAULT false)
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.approve_drafts(jsonb,boolean) to authenticated;

-- The agent, before it asks a mail server: all is checked again and the attempt noted. The mail's parts are answered once; a second call finds an attempt of unknown end and closes it as such.
create function public.begin_send_job()
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.begin_send_job() to authenticated;

-- A person calls off a draft of theirs that is not written yet; what is closed already is returned as it is. Its attempt is still paid for.
create function public.cancel_request(p_request_id uuid)
  returns public.ai_draft_requests language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.cancel_request(uuid) to authenticated;

-- Workers: this job, if nobody else has it; no row otherwise.
create function public.claim_job(p_job_id uuid, p_lease_seconds integer DEFAULT 60)
  returns TABLE(job_id uuid, kind text, user_id uuid, client_id uuid, attempt integer, max_attempts integer, interactive boolean, fence bigint, token text, lease_expires_at timestamp with time zone, payload jsonb, prompt_version_id uuid, model text, limits jsonb) language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.claim_job(uuid,integer) to agent_worker;

-- Workers: up to p_limit (1-50) due jobs of these kinds (null: all), each with a token for its user and a lease of 10-300 seconds.
create function public.claim_jobs(p_kinds text[] DEFAULT NULL::text[], p_limit integer DEFAULT 1, p_lease_seconds integer DEFAULT 60)
  returns TABLE(job_id uuid, kind text, user_id uuid, client_id uuid, attempt integer, max_attempts integer, interactive boolean, fence bigint, token text, lease_expires_at timestamp with time zone, payload jsonb, prompt_version_id uuid, model text, limits jsonb) language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.claim_jobs(text[],integer,integer) to agent_worker;

-- The agent, with its job's token: writes the draft, books it and closes the job in one transaction. Again: the same id.
create function public.complete_draft_job(p_content text, p_subject text DEFAULT NULL::text, p_details jsonb DEFAULT '{}'::jsonb, p_language text DEFAULT 'en'::text, p_context jsonb DEFAULT NULL::jsonb, p_provider text DEFAULT 'offline'::text, p_model text DEFAULT NULL::text, p_usage jsonb DEFAULT '{}'::jsonb, p_grounding jsonb DEFAULT NULL::jsonb)
  returns uuid language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.complete_draft_job(text,text,jsonb,text,jsonb,text,text,jsonb,jsonb) to authenticated;

-- The agent: the mail server took the mail (sent), did not now (deferred) or for good (refused), or nobody knows (unknown).
create function public.complete_send_job(p_outcome text, p_reply text DEFAULT NULL::text)
  returns uuid language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.complete_send_job(text,text) to authenticated;

-- The agent evaluates all clients of its user that changed or are due, under the user's row-level security, and closes its job, in one transaction. Returns {job_id, clients, written, obsolete}; the same fence again {job_id}.
create function public.complete_sweep_job()
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.complete_sweep_job() to authenticated;

-- A person deletes drafts of theirs with all their edits; returns [{id, ok, error}]. What was approved stays on record.
create function public.delete_drafts(p_draft_ids uuid[])
  returns jsonb language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.delete_drafts(uuid[]) to authenticated;

-- A person does not want what is proposed, with a reason if they like. It stays away while its evidence is the same, and rules that are dismissed often rank lower.
create function public.dismiss_suggestion(p_suggestion_id uuid, p_reason text DEFAULT NULL::text)
  returns jsonb language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.dismiss_suggestion(uuid,text) to authenticated;

-- A person changes an open draft of theirs, of which they saw p_version; PT409 draft_changed if there is a newer one. Each edit is kept.
create function public.edit_draft(p_draft_id uuid, p_version integer, p_subject text, p_content text, p_details jsonb DEFAULT NULL::jsonb)
  returns public.ai_drafts language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.edit_draft(uuid,integer,text,text,jsonb) to authenticated;

-- Workers: all results of a batch are in; those of its jobs that had none are due again. Returns how many.
create function public.end_batch(p_batch_id uuid)
  returns integer language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.end_batch(uuid) to agent_worker;

-- An admin erases what AI wrote and was asked about a client, whether the client is still there or not; returns how many rows of each table. The CRM's own records are not touched. PT409 legal_hold where a hold is on it.
create function public.erase_client_ai_data(p_client_id uuid)
  returns jsonb language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.erase_client_ai_data(uuid) to authenticated;

-- An admin gets every row of ours about a client, for the person who asked what is kept about them. Each export is on the audit log.
create function public.export_client_data(p_client_id uuid)
  returns jsonb language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.export_client_data(uuid) to authenticated;

-- Workers: a job did not work out. p_code is one of agent.failure_codes; returns the new state: queued (again), failed or cancelled.
create function public.fail_job(p_job_token text, p_code text, p_retry_after_seconds integer DEFAULT NULL::integer, p_usage jsonb DEFAULT NULL::jsonb)
  returns text language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.fail_job(text,text,integer,jsonb) to agent_worker;

-- Everything about one client that a draft may rest on, under the caller's own rights. Activities: the last p_days (1-366).
create function public.get_client_context(p_client_id uuid, p_days integer DEFAULT 30)
  returns jsonb language plpgsql stable security invoker
  set DateStyle = ISO, YMD
  set TimeZone = UTC
  set search_path = pg_catalog, pg_temp;
grant execute on function public.get_client_context(uuid,integer) to authenticated;

-- The picture of a client: communication, deals, engagement, trend, risks, opportunities, churn and upsell. Computed again where its records have changed, or the day.
create function public.get_client_intelligence(p_client_id uuid)
  returns jsonb language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.get_client_intelligence(uuid) to authenticated;

-- A draft of the caller with its edits, what keeps it from being approved, and what has changed in the CRM since it was written.
create function public.get_draft(p_draft_id uuid)
  returns jsonb language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.get_draft(uuid) to authenticated;

-- Workers: extends a lease, up to 30 minutes a claim, and returns a fresh token with the same fence. PT409: drop the job.
create function public.heartbeat_job(p_job_token text, p_lease_seconds integer DEFAULT 60)
  returns TABLE(token text, lease_expires_at timestamp with time zone) language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.heartbeat_job(text,integer) to agent_worker;

-- An admin sees where AI is off, and why.
create function public.list_ai_switches()
  returns TABLE(scope text, subject text, reason text, switched_off_by uuid, switched_off_at timestamp with time zone) language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.list_ai_switches() to authenticated;

-- {now, items}: the caller's drafts, requests and suggestions that changed after this place in (updated_at, id), oldest first; ids and states, no text.
create function public.list_changes(p_after timestamp with time zone DEFAULT NULL::timestamp with time zone, p_after_id uuid DEFAULT NULL::uuid, p_limit integer DEFAULT 100)
  returns jsonb language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.list_changes(timestamp with time zone,uuid,integer) to authenticated;

-- The consent events of a client or a user, newest first, for its owner, the user themself or an admin.
create function public.list_consents(p_client_id uuid DEFAULT NULL::uuid, p_subject_user_id uuid DEFAULT NULL::uuid)
  returns SETOF public.ai_consents language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.list_consents(uuid,uuid) to authenticated;

-- The caller's drafts, newest first, {items, next}: of one client and one status if named (pending: open, edited or not). p_before: next.
create function public.list_drafts(p_client_id uuid DEFAULT NULL::uuid, p_status text DEFAULT NULL::text, p_limit integer DEFAULT 50, p_before jsonb DEFAULT NULL::jsonb)
  returns jsonb language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.list_drafts(uuid,text,integer,jsonb) to authenticated;

-- An admin sees all holds, the lifted ones too.
create function public.list_legal_holds()
  returns TABLE(id uuid, client_id uuid, user_id uuid, reason text, set_by uuid, set_at timestamp with time zone, lifted_by uuid, lifted_at timestamp with time zone) language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.list_legal_holds() to authenticated;

-- An admin sees which model does which work; of several rows that fit, the most specific holds.
create function public.list_model_routes()
  returns TABLE(kind text, draft_type text, purpose text, model text, degraded_model text) language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.list_model_routes() to authenticated;

-- An admin sees the rules, their thresholds and weights.
create function public.list_suggestion_rules()
  returns TABLE(rule_key text, suggestion_type text, stance text, watches text, is_on boolean, weight numeric, thresholds jsonb, description text, updated_at timestamp with time zone) language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.list_suggestion_rules() to authenticated;

-- {items, next}: what is proposed to the caller, the highest score first; of one client it is brought up to date first. next is what to pass for the next page, null on the last.
create function public.list_suggestions(p_client_id uuid DEFAULT NULL::uuid, p_priority text DEFAULT NULL::text, p_type text DEFAULT NULL::text, p_include_snoozed boolean DEFAULT false, p_limit integer DEFAULT 20, p_after_score numeric DEFAULT NULL::numeric, p_after_id uuid DEFAULT NULL::uuid)
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.list_suggestions(uuid,text,text,boolean,integer,numeric,uuid) to authenticated;

-- {version, context} for the API: context is null where version is what the reader (p_shown) or the API (p_kept) has; takes a request slot unless the reader has it.
create function public.load_client_context(p_client_id uuid, p_days integer DEFAULT 30, p_shown text DEFAULT NULL::text, p_kept text DEFAULT NULL::text)
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.load_client_context(uuid,integer,text,text) to authenticated;

-- Writes mails of the caller that were sent into the CRM, in place of the notes that approving logged; returns how many. Call it any time.
create function public.log_sends()
  returns integer language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.log_sends() to authenticated;

-- A person says that they sent an approved mail themselves, or that one left whose sending was unknown.
create function public.mark_sent(p_draft_id uuid)
  returns public.ai_drafts language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.mark_sent(uuid) to authenticated;

-- Workers: batches to ask the provider about, each at most every 30 seconds, with the jobs to claim for their results.
create function public.poll_batches(p_provider text)
  returns TABLE(batch_id uuid, provider_batch_id text, items jsonb) language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.poll_batches(text) to agent_worker;

-- A client's owner, the user themself or an admin records that consent was given or withdrawn; withdrawn processing ends open jobs.
create function public.record_consent(p_kind text, p_granted boolean, p_client_id uuid DEFAULT NULL::uuid, p_subject_user_id uuid DEFAULT NULL::uuid, p_reason text DEFAULT NULL::text)
  returns public.ai_consents language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.record_consent(text,boolean,uuid,uuid,text) to authenticated;

-- The same, computed now.
create function public.refresh_client_intelligence(p_client_id uuid)
  returns jsonb language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.refresh_client_intelligence(uuid) to authenticated;

-- A person asks for another text in place of an open draft. The old one stays open until the new one is there, then becomes superseded.
create function public.regenerate_draft(p_draft_id uuid, p_hints text DEFAULT NULL::text, p_language text DEFAULT NULL::text, p_interactive boolean DEFAULT false)
  returns public.ai_draft_requests language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.regenerate_draft(uuid,text,text,boolean) to authenticated;

-- A person turns a draft down; the reason helps later ones.
create function public.reject_draft(p_draft_id uuid, p_reason text DEFAULT NULL::text)
  returns public.ai_drafts language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.reject_draft(uuid,text) to authenticated;

-- A person asks for a draft. The same open request again returns the same row. p_interactive: the caller will have it written at once.
create function public.request_draft(p_client_id uuid, p_draft_type text, p_purpose text, p_hints text DEFAULT NULL::text, p_language text DEFAULT NULL::text, p_contact_id uuid DEFAULT NULL::uuid, p_deal_id uuid DEFAULT NULL::uuid, p_task_id uuid DEFAULT NULL::uuid, p_interactive boolean DEFAULT false)
  returns public.ai_draft_requests language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.request_draft(uuid,text,text,text,text,uuid,uuid,uuid,boolean) to authenticated;

-- Workers, before every call of a model: sets aside the most it may cost, or PT429 budget_exhausted. p_usage: of the try before this one.
create function public.reserve_budget(p_job_token text, p_provider text, p_model text, p_input_tokens bigint, p_output_tokens bigint, p_usage jsonb DEFAULT NULL::jsonb, p_is_batch boolean DEFAULT false)
  returns TABLE(interaction_id uuid, reserved_usd numeric, is_degraded boolean) language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.reserve_budget(text,text,text,bigint,bigint,jsonb,boolean) to agent_worker;

-- Workers, each minute: sweep closes what was left open; retention removes what is too old; audit chains the log; alerts and anchors return those not delivered yet, after noting the ids that were.
create function public.run_maintenance(p_task text, p_delivered uuid[] DEFAULT NULL::uuid[])
  returns jsonb language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.run_maintenance(text,uuid[]) to agent_worker;

-- Sends an approved, unsent mail of the caller after the hold. One whose sending is unknown is sent again only with p_send_again.
create function public.send_draft(p_draft_id uuid, p_send_again boolean DEFAULT false)
  returns public.ai_sends language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.send_draft(uuid,boolean) to authenticated;

-- An admin changes settings of the organisation: {column: value}, all of them or none; returns them all.
create function public.set_ai_settings(p_settings jsonb)
  returns jsonb language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.set_ai_settings(jsonb) to authenticated;

-- An admin switches AI off or on for the organisation (*), a role, a user or a client; asking and completing are refused while it is off.
create function public.set_ai_switch(p_scope text, p_subject text, p_is_on boolean, p_reason text DEFAULT NULL::text)
  returns void language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.set_ai_switch(text,text,boolean,text) to authenticated;

-- An admin sets what a user (p_subject, or everybody without a budget of their own) or all together may spend; null is no limit.
create function public.set_budget(p_scope text, p_period text, p_limit_usd numeric DEFAULT NULL::numeric, p_limit_tokens bigint DEFAULT NULL::bigint, p_subject uuid DEFAULT NULL::uuid)
  returns public.ai_budgets language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.set_budget(text,text,numeric,bigint,uuid) to authenticated;

-- An admin sets or lifts a hold on the AI data of a client or a user: retention, erasure and deleting leave it alone.
create function public.set_legal_hold(p_is_held boolean, p_client_id uuid DEFAULT NULL::uuid, p_subject_user_id uuid DEFAULT NULL::uuid, p_reason text DEFAULT NULL::text)
  returns void language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.set_legal_hold(boolean,uuid,uuid,text) to authenticated;

-- An admin says which model does which work ("*" is any), and which one instead while a budget is used up by 80 %.
create function public.set_model_route(p_kind text, p_draft_type text, p_purpose text, p_model text, p_degraded_model text)
  returns void language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.set_model_route(text,text,text,text,text) to authenticated;

-- An admin switches a rule on or off and sets its weight and thresholds; what is null stays. All clients are evaluated again.
create function public.set_suggestion_rule(p_rule_key text, p_is_on boolean DEFAULT NULL::boolean, p_weight numeric DEFAULT NULL::numeric, p_thresholds jsonb DEFAULT NULL::jsonb)
  returns void language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.set_suggestion_rule(text,boolean,numeric,jsonb) to authenticated;

-- A person puts a suggestion off until a time within a year.
create function public.snooze_suggestion(p_suggestion_id uuid, p_until timestamp with time zone)
  returns jsonb language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.snooze_suggestion(uuid,timestamp with time zone) to authenticated;

-- Workers, before the provider is asked: records the custom ids and parks the jobs for a day, their money set aside.
create function public.start_batch(p_provider text, p_jobs jsonb)
  returns TABLE(batch_id uuid, job_id uuid, custom_id uuid) language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.start_batch(text,jsonb) to agent_worker;

-- Workers: the id that the provider gave the batch; null if it did not take it, and its jobs are due at once.
create function public.submit_batch(p_batch_id uuid, p_provider_batch_id text, p_usage jsonb DEFAULT NULL::jsonb)
  returns void language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.submit_batch(uuid,text,jsonb) to agent_worker;

-- Counts one request of the user who asks and returns how many are left in this minute, or PT429 rate_limited with the seconds to wait.
create function public.take_request_slot(p_kind text DEFAULT 'context'::text)
  returns integer language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.take_request_slot(text) to authenticated;

-- Takes back a mail that has not begun to be sent: the draft is open again, with its text as it was approved, and is returned.
create function public.undo_send(p_draft_id uuid)
  returns public.ai_drafts language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.undo_send(uuid) to authenticated;

-- A person takes back what accepting or dismissing did; it is pending again. PT409 moved_on, and nothing changed, where somebody has gone on from there.
create function public.undo_suggestion(p_suggestion_id uuid)
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.undo_suggestion(uuid) to authenticated;

-- Behind acknowledge_alert.
create function agent.acknowledge_alert_v1(p_alert_id uuid)
  returns public.ai_alerts language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.acknowledge_alert_v1(uuid) to authenticated;

-- Run by a DBA, for the first key: job tokens and worker keys are signed with this secret of Vault from now on, under this key id.
create function agent.add_signing_key(p_kid text, p_secret_name text)
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Run by a DBA: names a secret of Vault under its key id. It signs nothing yet: try it with a worker key, then promote it.
create function agent.add_standby_key(p_kid text, p_secret_name text)
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind agent_status.
create function agent.agent_status_v1()
  returns jsonb language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.agent_status_v1() to authenticated;

-- Called by definer helpers and granted to nobody.
create function agent.append_audit(p_action text, p_entity text, p_entity_id uuid, p_client_id uuid, p_job_id uuid DEFAULT NULL::uuid, p_details jsonb DEFAULT '{}'::jsonb)
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Deletes or changes at most 10,000 rows, the condition's $1 the client, $2 the time; returns how many. Granted to nobody.
create function agent.apply_to_rows(p_table agent.data_tables, p_action text, p_condition text, p_client_id uuid, p_before timestamp with time zone)
  returns integer language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind approve_draft.
create function agent.approve_draft_v1(p_draft_id uuid, p_content_hash text)
  returns public.ai_drafts language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.approve_draft_v1(uuid,text) to authenticated;

-- The hash of a row; `account-agent audit verify` computes it without this function. Granted to nobody.
create function agent.audit_hash(p_row agent.audit_log)
  returns text language sql stable security invoker
  set TimeZone = UTC
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- RFC 4648 section 5, without padding. Granted to nobody.
create function agent.base64url(p_bytes bytea)
  returns text language plpgsql immutable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The suggestion as it was, now accepted by the caller; what follows in this transaction does it.
create function agent.begin_accept_v1(p_suggestion_id uuid)
  returns public.agent_suggestions language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.begin_accept_v1(uuid) to authenticated;

-- Locks the caller's job and opens ai_drafts for this transaction. result_id is set when the same fence completed it before.
create function agent.begin_complete_v1(OUT request_id uuid, OUT client_id uuid, OUT result_id uuid, OUT payload jsonb)
  returns record language plpgsql volatile security definer
  set enable_seqscan = off
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.begin_complete_v1() to authenticated;

-- Opens an evaluation in this transaction: of one client for the person who asks, or of all clients of the sweeping agent's user that changed or are due. Returns them; null where the sweep is done already.
create function agent.begin_evaluation_v1(p_client_id uuid)
  returns uuid[] language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.begin_evaluation_v1(uuid) to authenticated;

-- Behind begin_send_job.
create function agent.begin_send_v1()
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.begin_send_v1() to authenticated;

-- The suggestion as it was, now pending again; what follows in this transaction takes it back.
create function agent.begin_undo_v1(p_suggestion_id uuid)
  returns public.agent_suggestions language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.begin_undo_v1(uuid) to authenticated;

-- The hour of the day in which the client writes and calls most often, over a year; insufficient_data below 5 messages.
create function agent.best_hour_v1(p_client_id uuid, p_now timestamp with time zone)
  returns jsonb language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.best_hour_v1(uuid,timestamp with time zone) to authenticated;

-- One row in the books. Granted to nobody.
create function agent.book_attempt(p_job agent.jobs, p_provider text, p_model text, p_outcome text, p_usage jsonb)
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The four rows of the ledger that carry what a user spends on a day, and their limits; null is no limit. Granted to nobody.
create function agent.budget_rows(p_user_id uuid, p_day date)
  returns TABLE(scope text, user_id uuid, period text, starts_on date, limit_usd numeric, limit_tokens bigint) language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The sentence, and when the fullest budget of this user begins anew. Granted to nobody.
create function agent.budget_sentence(p_user_id uuid, p_sentence text)
  returns text language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Who is calling, for the audit log: from the claims, never from an argument. Granted to nobody.
create function agent.caller(OUT actor text, OUT actor_id uuid)
  returns record language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The caller's user id where there is one; never raises. Granted to nobody.
create function agent.caller_id()
  returns uuid language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind cancel_request.
create function agent.cancel_request_v1(p_request_id uuid)
  returns public.ai_draft_requests language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.cancel_request_v1(uuid) to authenticated;

-- Chains what was appended, at most 10,000 rows, and once a day notes the head. One at a time: its caller holds its row of agent.maintenance_runs. Granted to nobody.
create function agent.chain_audit()
  returns integer language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- PostgREST's db_pre_request: holds agent and worker tokens to their functions. The functions check again; this is not their only guard.
create function agent.check_request()
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.check_request() to agent_worker, anon, authenticated, service_role;

-- Behind check_request.
create function agent.check_request_v1(OUT is_read_only boolean, OUT host_hook text)
  returns record language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.check_request_v1() to agent_worker, anon, authenticated, service_role;

-- Behind claim_jobs and claim_job.
create function agent.claim_jobs_v1(p_kinds text[], p_limit integer, p_lease_seconds integer, p_job_id uuid)
  returns TABLE(job_id uuid, kind text, user_id uuid, client_id uuid, attempt integer, max_attempts integer, interactive boolean, fence bigint, token text, lease_expires_at timestamp with time zone, payload jsonb, prompt_version_id uuid, model text, limits jsonb) language plpgsql volatile security definer
  set enable_seqscan = off
  set enable_sort = off
  set plan_cache_mode = force_generic_plan
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.claim_jobs_v1(text[],integer,integer,uuid) to agent_worker;

-- p_json with its keys and texts cleaned; what lies more than p_depth levels deep is null.
create function agent.clean_json(p_json jsonb, p_depth integer DEFAULT 3)
  returns jsonb language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.clean_json(jsonb,integer) to authenticated;

-- p_text as a reader would see it, at most p_max characters: without control, bidi, zero-width and tag characters and HTML comments.
create function agent.clean_text(p_text text, p_max integer)
  returns text language plpgsql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.clean_text(text,integer) to authenticated;

-- The facts of those of the clients that the caller sees and AI may work on, at that time.
create function agent.client_facts_v1(p_client_ids uuid[], p_now timestamp with time zone)
  returns agent.client_facts[] language sql stable security invoker
  set enable_nestloop = off
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.client_facts_v1(uuid[],timestamp with time zone) to authenticated;

-- The picture of a client as the caller sees it at that time; null where they do not see it or AI may not work on it.
create function agent.client_intelligence_v1(p_client_id uuid, p_now timestamp with time zone)
  returns jsonb language plpgsql stable security invoker
  set DateStyle = ISO, YMD
  set TimeZone = UTC
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.client_intelligence_v1(uuid,timestamp with time zone) to authenticated;

-- Ends jobs without a result and tells the people who asked. Granted to nobody.
create function agent.close_jobs(p_job_ids uuid[], p_state text, p_code text)
  returns void language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The request whose job this transaction is completing, else null. Set by agent.begin_complete_v1.
create function agent.completing_request_id()
  returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.completing_request_id() to authenticated;

-- Fills agent.stage_statistics afresh; returns the number of stages. Granted to nobody.
create function agent.compute_stage_statistics()
  returns integer language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- US dollars to six places at the price of that moment; null without one, 0 where no model was asked. p_input_tokens: those not cached.
create function agent.cost_usd(p_provider text, p_model text, p_at timestamp with time zone, p_input_tokens bigint, p_cache_write_tokens bigint, p_cache_read_tokens bigint, p_output_tokens bigint, p_is_batch boolean DEFAULT false)
  returns numeric language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The host's tables behind the contract views, through any number of views.
create function agent.crm_base_tables()
  returns SETOF regclass language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The job named by the caller's token if the signed fence is still the newest, in any state; else null. Granted to nobody.
create function agent.current_job()
  returns agent.jobs language plpgsql stable security definer
  set enable_seqscan = off
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The one client that the calling agent may read while its job runs.
create function agent.current_job_client_id()
  returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.current_job_client_id() to authenticated;

-- The user whose profile the calling agent may read while its job runs.
create function agent.current_job_user_id()
  returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.current_job_user_id() to authenticated;

-- What a job of this kind and payload is told now. Granted to nobody.
create function agent.current_prompt(p_kind text, p_payload jsonb)
  returns public.ai_prompt_versions language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- {open, won, lost, win_rate, pipeline}: the rate from 5 closed deals; amounts by currency, weighted by the pipeline's own win rate.
create function agent.deal_figures_v1(p_client_id uuid, p_now timestamp with time zone)
  returns jsonb language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.deal_figures_v1(uuid,timestamp with time zone) to authenticated;

-- Behind delete_drafts.
create function agent.delete_drafts_v1(p_draft_ids uuid[])
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.delete_drafts_v1(uuid[]) to authenticated;

-- Behind dismiss_suggestion.
create function agent.dismiss_suggestion_v1(p_suggestion_id uuid, p_reason text)
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.dismiss_suggestion_v1(uuid,text) to authenticated;

-- action_data that asks for the draft of a mail.
create function agent.draft_action(p_purpose text, p_contact_id uuid DEFAULT NULL::uuid, p_deal_id uuid DEFAULT NULL::uuid, p_hints text DEFAULT NULL::text)
  returns jsonb language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.draft_action(text,uuid,uuid,text) to authenticated;

-- SHA-256 over canonical JSON: jsonb orders and deduplicates its keys. All arguments are text or jsonb, so it is immutable in truth.
create function agent.draft_content_hash(p_draft_type text, p_recipient text, p_subject text, p_content text, p_details jsonb)
  returns text language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.draft_content_hash(text,text,text,text,jsonb) to authenticated;

-- Definer: only admins read the settings.
create function agent.draft_expiry_days()
  returns integer language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.draft_expiry_days() to authenticated;

-- What is wrong with a person's text of a draft of this type, all at once. Granted to nobody.
create function agent.draft_faults(p_draft_type text, p_subject text, p_content text, p_details jsonb)
  returns text[] language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The caller's open draft, locked until its new request stands, or PT404, PT409.
create function agent.draft_to_regenerate_v1(p_draft_id uuid)
  returns public.ai_drafts language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.draft_to_regenerate_v1(uuid) to authenticated;

-- Behind edit_draft.
create function agent.edit_draft_v1(p_draft_id uuid, p_version integer, p_subject text, p_content text, p_details jsonb)
  returns public.ai_drafts language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.edit_draft_v1(uuid,integer,text,text,jsonb) to authenticated;

-- Behind end_batch.
create function agent.end_batch_v1(p_batch_id uuid)
  returns integer language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.end_batch_v1(uuid) to agent_worker;

-- Ends a sending and its job. Granted to nobody.
create function agent.end_send(p_job agent.jobs, p_send public.ai_sends, p_state text, p_code text, p_reply text)
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- {score, factors}: 0 to 100 from recency 30, frequency 25, reciprocity 20, deals 15, orders 10; insufficient_data below 3 activities.
create function agent.engagement_v1(p_client_id uuid, p_facts agent.client_facts, p_weeks jsonb, p_now timestamp with time zone)
  returns jsonb language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.engagement_v1(uuid,agent.client_facts,jsonb,timestamp with time zone) to authenticated;

-- Behind erase_client_ai_data.
create function agent.erase_client_ai_data_v1(p_client_id uuid)
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.erase_client_ai_data_v1(uuid) to authenticated;

-- Evaluates clients for the caller, under their row-level security, between begin_evaluation_v1 and store_evaluation_v1.
create function agent.evaluate_v1(p_client_ids uuid[])
  returns jsonb language plpgsql volatile security invoker
  set DateStyle = ISO, YMD
  set TimeZone = UTC
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.evaluate_v1(uuid[]) to authenticated;

-- Does what a suggestion proposes, as the caller: asks for the draft, creates the task, logs the activity or moves the deal. Returns what undo needs.
create function agent.execute_action(p_suggestion public.agent_suggestions)
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.execute_action(public.agent_suggestions) to authenticated;

-- Open drafts whose time is over become expired, never approved; returns how many, 1000 at most. Granted to nobody.
create function agent.expire_drafts()
  returns integer language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind export_client_data.
create function agent.export_client_data_v1(p_client_id uuid)
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.export_client_data_v1(uuid) to authenticated;

-- Behind fail_job.
create function agent.fail_job_v1(p_job_token text, p_code text, p_retry_after_seconds integer, p_usage jsonb)
  returns text language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.fail_job_v1(text,text,integer,jsonb) to agent_worker;

-- Why the try before this one failed, if the worker says one of the known codes.
create function agent.failed_code(p_usage jsonb, p_default text)
  returns text language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- What a person has to mend first: gaps such as [Your Name], and addresses that are neither a contact's of this client nor their own.
create function agent.find_unfinished(p_draft public.ai_drafts)
  returns text[] language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Notes what accepting created, for undo.
create function agent.finish_accept_v1(p_suggestion_id uuid, p_result jsonb)
  returns void language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.finish_accept_v1(uuid,jsonb) to authenticated;

-- Closes the caller's job on the draft that this transaction wrote.
create function agent.finish_complete_v1(p_result_id uuid, p_provider text, p_model text, p_usage jsonb)
  returns void language plpgsql volatile security definer
  set enable_seqscan = off
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.finish_complete_v1(uuid,text,text,jsonb) to authenticated;

-- Behind complete_send_job.
create function agent.finish_send_v1(p_outcome text, p_code text, p_reply text)
  returns uuid language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.finish_send_v1(text,text,text) to authenticated;

-- Closes the calling agent's sweep.
create function agent.finish_sweep_v1(p_result jsonb)
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.finish_sweep_v1(jsonb) to authenticated;

-- Nine in the morning, so many days from now. Definer: only admins read the settings.
create function agent.follow_up_at()
  returns timestamp with time zone language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.follow_up_at() to authenticated;

-- The bytes of base64url text; raises data_exception where it is none. Granted to nobody.
create function agent.from_base64url(p_text text)
  returns bytea language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Puts triggers and restrictive policies on profiles and the tables behind crm.*; run again after a new adapter or partition.
create function agent.guard_crm_tables()
  returns void language plpgsql volatile security invoker
  set client_min_messages = warning
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Anchors not delivered yet, after noting those that were. Granted to nobody.
create function agent.hand_out_anchors(p_delivered uuid[])
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Whether both the client and the user agree; null for one of them asks the other alone. Granted to nobody.
create function agent.has_consent(p_client_id uuid, p_user_id uuid, p_kind text)
  returns boolean language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Whether this Markdown has more than paragraphs, lists and emphasis: something to follow, load or render.
create function agent.has_markup(p_text text)
  returns boolean language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.has_markup(text) to authenticated;

-- Behind heartbeat_job.
create function agent.heartbeat_job_v1(p_job_token text, p_lease_seconds integer)
  returns TABLE(token text, lease_expires_at timestamp with time zone) language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.heartbeat_job_v1(text,integer) to agent_worker;

-- What a client's figures rest on, as the caller sees it.
create function agent.insight_basis_v1(p_client_id uuid, p_now timestamp with time zone)
  returns jsonb language sql stable security invoker
  set DateStyle = ISO, YMD
  set TimeZone = UTC
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.insight_basis_v1(uuid,timestamp with time zone) to authenticated;

-- Behind get_client_intelligence and refresh_client_intelligence.
create function agent.intelligence(p_client_id uuid, p_is_fresh boolean)
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.intelligence(uuid,boolean) to authenticated;

-- Definer: auth.users belongs to Supabase Auth. False for a deleted or banned user.
create function agent.is_active_user(p_user_id uuid)
  returns boolean language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Definer: policies ask it, and the policies of profiles must not decide. False for an agent, whoever it acts for.
create function agent.is_admin()
  returns boolean language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.is_admin() to authenticated;

-- Whether the caller is the agent acting for a user (RFC 8693 actor claim). Asks for the key, not its value: "act": null is an agent too.
create function agent.is_agent()
  returns boolean language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.is_agent() to authenticated;

-- Whether AI may work for this user, as require_ai_on asks. Granted to nobody.
create function agent.is_ai_on(p_user_id uuid)
  returns boolean language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Whether a budget that this user spends from is used up by 80 %: then the cheaper model is taken. Granted to nobody.
create function agent.is_degraded(p_user_id uuid)
  returns boolean language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Whether this transaction evaluates clients of the caller: only then does the agent see them, and are suggestions written.
create function agent.is_evaluating()
  returns boolean language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.is_evaluating() to authenticated;

-- Whether something may have changed for the caller since this client was evaluated.
create function agent.is_evaluation_due_v1(p_client_id uuid)
  returns boolean language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.is_evaluation_due_v1(uuid) to authenticated;

-- Whether a hold is on this client or this user. Granted to nobody.
create function agent.is_held(p_client_id uuid, p_user_id uuid)
  returns boolean language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Whether it is an ISO 8601 time with its zone, on a day that exists.
create function agent.is_iso_time(p_text text)
  returns boolean language plpgsql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.is_iso_time(text) to authenticated;

-- Whether agent.book_attempt can book it: an object whose counts are whole numbers below a billion.
create function agent.is_usage(p_usage jsonb)
  returns boolean language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.is_usage(jsonb) to authenticated;

-- Whether a closed deal's stage says that it was won: "won", "Closed Won".
create function agent.is_won(p_stage text)
  returns boolean language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.is_won(text) to authenticated;

-- Locks the job that a token was minted for, or PT403, PT409 stale_fence. Granted to nobody.
create function agent.job_of_token(p_job_token text)
  returns agent.jobs language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- HMAC-SHA256 of RFC 7518 section 3.2 under a live key; null when there is none of that id. Granted to nobody.
create function agent.jwt_signature(p_signed text, p_kid text)
  returns text language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- What stands in place of a figure that too few records would make a guess.
create function agent.lacking(p_what text, p_has bigint, p_needs integer)
  returns jsonb language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.lacking(text,bigint,integer) to authenticated;

-- Behind list_ai_switches.
create function agent.list_ai_switches_v1()
  returns SETOF agent.ai_switches language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.list_ai_switches_v1() to authenticated;

-- Behind list_consents.
create function agent.list_consents_v1(p_client_id uuid, p_subject_user_id uuid)
  returns SETOF public.ai_consents language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.list_consents_v1(uuid,uuid) to authenticated;

-- Behind list_legal_holds.
create function agent.list_legal_holds_v1()
  returns SETOF agent.legal_holds language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.list_legal_holds_v1() to authenticated;

-- Behind list_model_routes.
create function agent.list_model_routes_v1()
  returns SETOF agent.model_routes language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.list_model_routes_v1() to authenticated;

-- Behind list_suggestion_rules.
create function agent.list_suggestion_rules_v1()
  returns SETOF agent.suggestion_rules language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.list_suggestion_rules_v1() to authenticated;

-- The user's approved, unsent email, locked, or PT404, PT409. Granted to nobody.
create function agent.lock_approved_mail(p_draft_id uuid, p_user_id uuid)
  returns public.ai_drafts language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The user's open draft, locked, or PT404, PT409. Granted to nobody.
create function agent.lock_open_draft(p_draft_id uuid, p_user_id uuid)
  returns public.ai_drafts language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The record of the calling agent's job of kind send, both locked, or PT403, PT404, PT409. Granted to nobody.
create function agent.lock_send()
  returns public.ai_sends language plpgsql volatile security invoker
  set enable_seqscan = off
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The caller's suggestion, locked, or PT404.
create function agent.lock_suggestion_v1(p_suggestion_id uuid)
  returns public.agent_suggestions language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind mark_sent.
create function agent.mark_sent_v1(p_draft_id uuid)
  returns public.ai_drafts language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.mark_sent_v1(uuid) to authenticated;

-- What the CRM's contact_preferences say of mail: {"email": false} and {"do_not_contact": true} say no, all else yes. Granted to nobody.
create function agent.may_email(p_client_id uuid)
  returns boolean language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The user's rights for one job until its lease ends. The random session_id exists nowhere: Supabase Auth refuses it. Granted to nobody.
create function agent.mint_job_token(p_job agent.jobs)
  returns text language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Run by a DBA. The key is shown once and not kept. p_kid: under this signing key, also one on standby, to try whether it is trusted.
create function agent.mint_worker_key(p_name text, p_days integer, p_kid text DEFAULT NULL::text)
  returns text language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The turn of a new job of this user. Granted to nobody.
create function agent.next_turn(p_user_id uuid, p_priority smallint)
  returns bigint language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Has clients evaluated soon, for their owners. An adapter whose tables have no client_id calls it from triggers of its own. Granted to nobody.
create function agent.note_changes(p_client_ids uuid[])
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind log_sends: notes what it wrote into the CRM for one mail of the caller, once.
create function agent.note_logged_v1(p_send_id uuid, p_written jsonb)
  returns void language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.note_logged_v1(uuid,jsonb) to authenticated;

-- Counts what the provider is to blame for; any answer of it ends the count. Granted to nobody.
create function agent.note_outcome(p_provider text, p_outcome text)
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind approve_draft: keeps what it wrote into the CRM, once, in the transaction that approves.
create function agent.note_written_v1(p_draft_id uuid, p_written jsonb)
  returns public.ai_drafts language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.note_written_v1(uuid,jsonb) to authenticated;

-- The open deals of these clients that the caller sees.
create function agent.open_deals_v1(p_facts agent.client_facts[], p_now timestamp with time zone)
  returns SETOF agent.deal_facts language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.open_deals_v1(agent.client_facts[],timestamp with time zone) to authenticated;

-- Behind queue_send_v1: the job and its record, for an approved mail of the caller.
create function agent.open_send_v1(p_draft_id uuid, p_send_again boolean)
  returns public.ai_sends language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.open_send_v1(uuid,boolean) to authenticated;

-- Behind poll_batches.
create function agent.poll_batches_v1(p_provider text)
  returns TABLE(batch_id uuid, provider_batch_id text, items jsonb) language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.poll_batches_v1(text) to agent_worker;

-- Run by a DBA: from now on this key signs; what others signed stays good. Promoting the former one again is the way back.
create function agent.promote_signing_key(p_kid text)
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind approve_draft with p_action send, and send_draft: queues the sending of the caller's approved mail, to begin after the hold.
create function agent.queue_send_v1(p_draft_id uuid, p_send_again boolean DEFAULT false)
  returns public.ai_sends language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.queue_send_v1(uuid,boolean) to authenticated;

-- Makes a job for each user, or for this one, with clients that changed or are due; returns how many. Granted to nobody.
create function agent.queue_sweeps(p_only_user_id uuid DEFAULT NULL::uuid)
  returns integer language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- What claim_jobs does before it looks at the queue.
create function agent.queue_sweeps_v1(p_kinds text[])
  returns integer language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.queue_sweeps_v1(text[]) to agent_worker;

-- Writes an alert, or counts one more of the same. Only figures, ids and codes go into it. Granted to nobody.
create function agent.raise_alert(p_kind text, p_key text, p_severity text, p_message text, p_details jsonb)
  returns void language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- An alert for each budget of this user that is used up by 80 %. Granted to nobody.
create function agent.raise_budget_alerts(p_user_id uuid, p_day date, p_kind text)
  returns void language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- PT429 budget_exhausted and when it resumes. Granted to nobody.
create function agent.raise_budget_exhausted(p_scope text, p_period text, p_starts_on date)
  returns void language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Alerts on half of at least 10 attempts failing within 15 minutes, and on work that nobody takes. Granted to nobody.
create function agent.raise_rate_alerts()
  returns void language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Why a suggestion ranks where it does, for people.
create function agent.rank_words(p_suggestion public.agent_suggestions, p_accepted bigint, p_dismissed bigint)
  returns text language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.rank_words(public.agent_suggestions,bigint,bigint) to authenticated;

-- Behind record_consent.
create function agent.record_consent_v1(p_kind text, p_granted boolean, p_client_id uuid, p_subject_user_id uuid, p_reason text)
  returns public.ai_consents language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.record_consent_v1(text,boolean,uuid,uuid,text) to authenticated;

-- The caller's own, for evaluations.
create function agent.refused_evidence_v1(p_client_ids uuid[])
  returns SETOF agent.refused_evidence language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.refused_evidence_v1(uuid[]) to authenticated;

-- Behind reject_draft.
create function agent.reject_draft_v1(p_draft_id uuid, p_reason text)
  returns public.ai_drafts language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.reject_draft_v1(uuid,text) to authenticated;

-- Behind request_draft and regenerate_draft.
create function agent.request_draft_v2(p_client_id uuid, p_draft_type text, p_purpose text, p_hints text, p_language text, p_contact_id uuid, p_deal_id uuid, p_task_id uuid, p_interactive boolean, p_regenerates_id uuid)
  returns public.ai_draft_requests language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.request_draft_v2(uuid,text,text,text,text,uuid,uuid,uuid,boolean,uuid) to authenticated;

-- The caller's id if they are an admin and a person, or PT401, PT403.
create function agent.require_admin()
  returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- PT403 ai_off or consent_withdrawn where AI is off for this user or this client. Granted to nobody.
create function agent.require_ai_on(p_user_id uuid, p_client_id uuid)
  returns void language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- PT429 budget_exhausted where nothing is left of a budget that this user spends from. Granted to nobody.
create function agent.require_budget(p_user_id uuid)
  returns void language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The caller's id if they are a person with a sign-in that still exists, or PT401, PT403.
create function agent.require_live_session()
  returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- PT409 legal_hold where a hold is on the client or the user. Granted to nobody.
create function agent.require_not_held(p_client_id uuid, p_user_id uuid)
  returns void language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- PT409 suggestion_closed unless it is pending. Granted to nobody.
create function agent.require_open(p_suggestion public.agent_suggestions)
  returns void language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The caller's id, or PT401 or PT403. Definer: it reads auth.users.
create function agent.require_person()
  returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.require_person() to authenticated;

-- PT503 provider_unavailable with the seconds to wait while the circuit is open. Granted to nobody.
create function agent.require_provider(p_provider text)
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The caller's id if they own the client, are the user or an admin, in a live session; or PT400, PT401, PT403, PT404. Granted to nobody.
create function agent.require_say_over(p_client_id uuid, p_user_id uuid)
  returns uuid language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The caller's live worker key, or PT401.
create function agent.require_worker()
  returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Sets aside what one attempt may cost at most, in all four budgets or none: PT429 budget_exhausted. Granted to nobody.
create function agent.reserve(p_job agent.jobs, p_provider text, p_model text, p_input_tokens bigint, p_output_tokens bigint, p_is_batch boolean, OUT interaction_id uuid, OUT reserved_usd numeric, OUT is_degraded boolean)
  returns record language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind reserve_budget.
create function agent.reserve_budget_v1(p_job_token text, p_provider text, p_model text, p_input_tokens bigint, p_output_tokens bigint, p_usage jsonb, p_is_batch boolean)
  returns TABLE(interaction_id uuid, reserved_usd numeric, is_degraded boolean) language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.reserve_budget_v1(text,text,text,bigint,bigint,jsonb,boolean) to agent_worker;

-- {ours, theirs}: the median hours until the other side is answered, over a year; insufficient_data below 3 answers.
create function agent.response_times_v1(p_client_id uuid, p_now timestamp with time zone)
  returns jsonb language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.response_times_v1(uuid,timestamp with time zone) to authenticated;

-- When a budget that is used up begins anew. Granted to nobody.
create function agent.resumes_at(p_period text, p_starts_on date)
  returns timestamp with time zone language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Removes what is older than it may be and not held, at most 10,000 rows of a table; returns how many of each. Granted to nobody.
create function agent.retain()
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Run by a DBA: worker keys and job tokens under this key id are no longer known here. Take it out of the trusted keys as well.
create function agent.retire_signing_key(p_kid text)
  returns boolean language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Run by a DBA. Ends the key with its next request and the tokens of the jobs it holds at once; others take these jobs.
create function agent.revoke_worker_key(p_jti uuid)
  returns boolean language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The model for a job now, or null where none is set. Granted to nobody.
create function agent.route_model(p_user_id uuid, p_kind text, p_payload jsonb)
  returns text language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- How evidence names a record.
create function agent.row_of(p_table text, p_id uuid)
  returns jsonb language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.row_of(text,uuid) to authenticated;

-- In at most 14 days it is so many years since the first order, or since the last deal was won.
create function agent.rule_anniversary_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamp with time zone)
  returns SETOF agent.signal language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.rule_anniversary_v1(agent.client_facts[],jsonb,timestamp with time zone) to authenticated;

-- An open deal's closing date has passed: a task to set a new one, and after 90 days the proposal to close it as lost.
create function agent.rule_close_date_passed_v1(p_deals agent.deal_facts[], p_thresholds jsonb, p_now timestamp with time zone)
  returns SETOF agent.signal language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.rule_close_date_passed_v1(agent.deal_facts[],jsonb,timestamp with time zone) to authenticated;

-- Nothing has happened for 7 days, or for longer than nine of ten of the client's own gaps; not while something is planned, nor while a message waits for its answer.
create function agent.rule_no_activity_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamp with time zone)
  returns SETOF agent.signal language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.rule_no_activity_v1(agent.client_facts[],jsonb,timestamp with time zone) to authenticated;

-- No order for one and a half times the usual gap and for longer than nine of ten of the client's own, where there were at least 4.
create function agent.rule_order_rhythm_broken_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamp with time zone)
  returns SETOF agent.signal language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.rule_order_rhythm_broken_v1(agent.client_facts[],jsonb,timestamp with time zone) to authenticated;

-- An open task's time has passed.
create function agent.rule_overdue_task_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamp with time zone)
  returns SETOF agent.signal language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.rule_overdue_task_v1(agent.client_facts[],jsonb,timestamp with time zone) to authenticated;

-- The newest activity of positive sentiment is at most 14 days old.
create function agent.rule_positive_activity_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamp with time zone)
  returns SETOF agent.signal language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.rule_positive_activity_v1(agent.client_facts[],jsonb,timestamp with time zone) to authenticated;

-- A deal is in its stage for 14 days, or for longer than three of four deals of the pipeline.
create function agent.rule_stalled_deal_v1(p_deals agent.deal_facts[], p_thresholds jsonb, p_now timestamp with time zone)
  returns SETOF agent.signal language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.rule_stalled_deal_v1(agent.deal_facts[],jsonb,timestamp with time zone) to authenticated;

-- The newest mail or call came from the client and nothing has answered it for so many hours.
create function agent.rule_unanswered_message_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamp with time zone)
  returns SETOF agent.signal language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.rule_unanswered_message_v1(agent.client_facts[],jsonb,timestamp with time zone) to authenticated;

-- From when the deal came into its stage to its closing date there is less time than three of four deals took that were won from there.
create function agent.rule_unlikely_close_v1(p_deals agent.deal_facts[], p_thresholds jsonb, p_now timestamp with time zone)
  returns SETOF agent.signal language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.rule_unlikely_close_v1(agent.deal_facts[],jsonb,timestamp with time zone) to authenticated;

-- Behind run_maintenance.
create function agent.run_maintenance_v1(p_task text, p_delivered uuid[])
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.run_maintenance_v1(text,uuid[]) to agent_worker;

-- Behind run_maintenance.
create function agent.run_maintenance_v2(p_task text, p_delivered uuid[])
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.run_maintenance_v2(text,uuid[]) to agent_worker;

-- Whole seconds until then, at least 1: what Retry-After says.
create function agent.seconds_until(p_at timestamp with time zone)
  returns integer language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- In whose name this user's mails go. No address: sending is not set up for them. Granted to nobody.
create function agent.sender_of(p_user_id uuid, OUT from_address text, OUT from_name text, OUT reply_to text)
  returns record language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Mails of this user since the organisation's midnight. Granted to nobody.
create function agent.sends_today(p_user_id uuid, OUT asked bigint, OUT begun bigint)
  returns record language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind set_ai_settings.
create function agent.set_ai_settings_v1(p_settings jsonb)
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.set_ai_settings_v1(jsonb) to authenticated;

-- Behind set_ai_switch.
create function agent.set_ai_switch_v1(p_scope text, p_subject text, p_is_on boolean, p_reason text)
  returns void language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.set_ai_switch_v1(text,text,boolean,text) to authenticated;

-- Behind set_budget.
create function agent.set_budget_v1(p_scope text, p_period text, p_limit_usd numeric, p_limit_tokens bigint, p_subject uuid)
  returns public.ai_budgets language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.set_budget_v1(text,text,numeric,bigint,uuid) to authenticated;

-- Behind set_legal_hold.
create function agent.set_legal_hold_v1(p_is_held boolean, p_client_id uuid, p_subject_user_id uuid, p_reason text)
  returns void language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.set_legal_hold_v1(boolean,uuid,uuid,text) to authenticated;

-- Behind set_model_route.
create function agent.set_model_route_v1(p_kind text, p_draft_type text, p_purpose text, p_model text, p_degraded_model text)
  returns void language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.set_model_route_v1(text,text,text,text,text) to authenticated;

-- Behind set_suggestion_rule.
create function agent.set_suggestion_rule_v1(p_rule_key text, p_is_on boolean, p_weight numeric, p_thresholds jsonb)
  returns void language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.set_suggestion_rule_v1(text,boolean,numeric,jsonb) to authenticated;

-- Ends the running attempt of a job, if one is: its cost from the tokens and the price of its day; without tokens, all that was set aside.
create function agent.settle(p_job_id uuid, p_outcome text, p_usage jsonb)
  returns boolean language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Settles at their estimate the attempts that nobody will end any more; returns how many. Granted to nobody.
create function agent.settle_orphans()
  returns integer language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Granted to nobody: called by the functions that mint.
create function agent.sign_jwt(p_claims jsonb)
  returns text language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- A token under a key that is not retired, on standby or not. Granted to nobody.
create function agent.sign_jwt(p_claims jsonb, p_kid text)
  returns text language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- What every rule that is on finds: true now, or at a later time that is known already.
create function agent.signals_v1(p_facts agent.client_facts[], p_now timestamp with time zone)
  returns SETOF agent.signal language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.signals_v1(agent.client_facts[],timestamp with time zone) to authenticated;

-- The key id that signs now, or null. Granted to nobody.
create function agent.signing_kid()
  returns text language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- {level, signals}: the third level from 3 points, the second from 1.
create function agent.signs_of(p_signs jsonb, p_levels text[])
  returns jsonb language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.signs_of(jsonb,text[]) to authenticated;

-- Behind snooze_suggestion.
create function agent.snooze_suggestion_v1(p_suggestion_id uuid, p_until timestamp with time zone)
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.snooze_suggestion_v1(uuid,timestamp with time zone) to authenticated;

-- [{stage, stays, median_days, pipeline_median_days}] of a client's deals; the pipeline's is left out below 20 stays.
create function agent.stage_pace_v1(p_client_id uuid, p_now timestamp with time zone)
  returns jsonb language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.stage_pace_v1(uuid,timestamp with time zone) to authenticated;

-- The pipeline's pace, for evaluations and insights.
create function agent.stage_statistics_v1()
  returns SETOF agent.stage_statistics language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.stage_statistics_v1() to authenticated;

-- For each of these open drafts of the caller that is out of date: what in the CRM is no longer as it was when it was written.
create function agent.stale_reasons(p_draft_ids uuid[])
  returns TABLE(draft_id uuid, reasons jsonb) language plpgsql stable security invoker
  set DateStyle = ISO, YMD
  set TimeZone = UTC
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.stale_reasons(uuid[]) to authenticated;

-- Behind start_batch.
create function agent.start_batch_v1(p_provider text, p_jobs jsonb)
  returns TABLE(batch_id uuid, job_id uuid, custom_id uuid) language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.start_batch_v1(text,jsonb) to agent_worker;

-- Writes what an evaluation found, as the newest state of these clients for the caller, and closes it. Returns counts.
create function agent.store_evaluation_v1(p_client_ids uuid[], p_facts agent.client_facts[], p_proposals agent.proposal[], p_due agent.client_watches[])
  returns jsonb language plpgsql volatile security definer
  set enable_nestloop = off
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.store_evaluation_v1(uuid[],agent.client_facts[],agent.proposal[],agent.client_watches[]) to authenticated;

-- Keeps what a person's call has computed, for that person.
create function agent.store_insights_v1(p_insights jsonb, p_basis jsonb)
  returns public.client_insights language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.store_insights_v1(jsonb,jsonb) to authenticated;

-- Behind submit_batch.
create function agent.submit_batch_v1(p_batch_id uuid, p_provider_batch_id text, p_usage jsonb)
  returns void language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.submit_batch_v1(uuid,text,jsonb) to agent_worker;

-- Behind list_suggestions.
create function agent.suggestion_page(p_client_id uuid, p_priority text, p_type text, p_include_snoozed boolean, p_limit integer, p_after_score numeric, p_after_id uuid)
  returns jsonb language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.suggestion_page(uuid,text,text,boolean,integer,numeric,uuid) to authenticated;

-- The rules that are on, their thresholds with the organisation's time zone.
create function agent.suggestion_rules_v1()
  returns SETOF agent.suggestion_rules language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.suggestion_rules_v1() to authenticated;

-- Behind take_request_slot.
create function agent.take_request_slot_v1(p_kind text)
  returns integer language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.take_request_slot_v1(text) to authenticated;

-- AFTER DELETE statement trigger of agent_suggestions.
create function agent.tg_agent_suggestions__remember()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- After a request: has nobody taken work for ten minutes?
create function agent.tg_ai_draft_requests__alert()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Deferred trigger of public.ai_drafts: at commit the job of the draft's request must be done with this very draft.
create function agent.tg_ai_drafts__require_completion()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Before a regenerated draft comes in: the one it was asked in place of becomes superseded, or PT409 if a person has edited it since.
create function agent.tg_ai_drafts__supersede()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- After an attempt was reserved: is a budget used up by 80 % with it?
create function agent.tg_ai_interactions__alert()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- BEFORE statement trigger of ai_prompt_versions, for everybody.
create function agent.tg_ai_prompt_versions__refuse_change()
  returns trigger language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- AFTER INSERT and UPDATE statement triggers of clients.
create function agent.tg_clients__note_owner()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.
create function agent.tg_crm__note_change()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
create function agent.tg_crm__refuse_agent()
  returns trigger language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- AFTER INSERT statement trigger of public.deals: a bulk load of 8,000 deals is one insert here, not 8,000.
create function agent.tg_deals__record_first_stage()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- AFTER UPDATE row trigger of public.deals, fired only where the stage moved (its WHEN is evaluated without calling it).
create function agent.tg_deals__record_stage()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Refuses a delete that reaches held rows, a cascade included: deleting their client or user then fails as a whole.
create function agent.tg_held_rows__refuse_delete()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- After a job became a dead letter.
create function agent.tg_jobs__alert()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- However a job of kind send ends without its mail (attempts used up, user banned), its record tells the person.
create function agent.tg_jobs__end_send()
  returns trigger language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Wakes workers for jobs that are due. No payload: whoever may LISTEN learns that there is work and nothing else.
create function agent.tg_jobs__notify()
  returns trigger language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The organisation's time zone. Definer: everyone may know it, only admins read the settings.
create function agent.time_zone()
  returns text language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.time_zone() to authenticated;

-- {per_week, slope_per_week, direction} of the eleven whole weeks, by least squares; rising and falling where the line moves by half its mean.
create function agent.trend_of(p_weeks jsonb)
  returns jsonb language sql immutable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.trend_of(jsonb) to authenticated;

-- Calls a request off, or deletes its draft that nobody has touched; else says what has been done with it.
create function agent.undo_draft(p_request_id uuid)
  returns text language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.undo_draft(uuid) to authenticated;

-- Behind undo_send; returns what approving wrote into the CRM.
create function agent.undo_send_v1(p_draft_id uuid)
  returns jsonb language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.undo_send_v1(uuid) to authenticated;

-- What the caller has to mend in this draft of theirs before they can approve it.
create function agent.unfinished_v1(p_draft_id uuid)
  returns text[] language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.unfinished_v1(uuid) to authenticated;

-- The claims of a token of ours, expired or not, or null. The fence, not the clock, judges a job. Granted to nobody.
create function agent.verify_jwt(p_token text)
  returns jsonb language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The job that waits longest, if one was due 10 minutes ago and nothing was claimed since. Granted to nobody.
create function agent.waiting_job()
  returns TABLE(due_at timestamp with time zone) language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Activities of a client in each of the last twelve weeks, oldest first.
create function agent.weekly_volume_v1(p_client_id uuid, p_now timestamp with time zone)
  returns TABLE(week date, inbound integer, outbound integer, other integer) language sql stable security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.weekly_volume_v1(uuid,timestamp with time zone) to authenticated;

-- Those of the clients that AI may not work on: switched off, or consent withdrawn.
create function agent.without_ai_v1(p_client_ids uuid[])
  returns SETOF uuid language sql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.without_ai_v1(uuid[]) to authenticated;

-- Adds one task as the caller, theirs unless assigned. Returns {kind, id, row} for crm.undo.
create function crm.create_task(p_client_id uuid, p_title text, p_description text, p_due_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_priority text DEFAULT 'medium'::text, p_deal_id uuid DEFAULT NULL::uuid, p_assigned_to uuid DEFAULT NULL::uuid)
  returns jsonb language sql volatile security invoker
  set DateStyle = ISO, YMD
  set TimeZone = UTC
  set search_path = pg_catalog, pg_temp;
grant execute on function crm.create_task(uuid,text,text,timestamp with time zone,text,uuid,uuid) to authenticated;

-- Adds one activity as the caller. Returns {kind, id, row} for crm.undo.
create function crm.log_activity(p_client_id uuid, p_type text, p_direction text, p_subject text, p_content text, p_contact_id uuid DEFAULT NULL::uuid, p_deal_id uuid DEFAULT NULL::uuid, p_occurred_at timestamp with time zone DEFAULT now())
  returns jsonb language sql volatile security invoker
  set DateStyle = ISO, YMD
  set TimeZone = UTC
  set search_path = pg_catalog, pg_temp;
grant execute on function crm.log_activity(uuid,text,text,text,text,uuid,uuid,timestamp with time zone) to authenticated;

-- Moves a deal as the caller. Returns {kind, id, from, to} for crm.undo.
create function crm.set_deal_stage(p_deal_id uuid, p_stage text)
  returns jsonb language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function crm.set_deal_stage(uuid,text) to authenticated;

-- Takes back one result; false, and nothing changed, if somebody has changed the row since.
create function crm.undo(p_result jsonb)
  returns boolean language plpgsql volatile security invoker
  set DateStyle = ISO, YMD
  set TimeZone = UTC
  set search_path = pg_catalog, pg_temp;
grant execute on function crm.undo(jsonb) to authenticated;
