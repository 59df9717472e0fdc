-- Generated from the catalog by `account-agent policies`; not to be edited. Functions without their bodies: as whom they run, who may call them.

-- A person approves exactly the text whose content_hash they were shown. A mail or note is logged as a note, a task created, a memo kept.
create function public.approve_draft(p_draft_id uuid, p_content_hash text, p_action text DEFAULT 'save'::text, p_log_activity boolean DEFAULT NULL::boolean, p_create_task boolean DEFAULT false, p_accept_stale boolean DEFAULT false)
  returns public.ai_drafts language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.approve_draft(uuid,text,text,boolean,boolean,boolean) to authenticated;

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

-- Workers: extends a lease, up to 30 minutes a claim, and returns a fresh token with the same fence. PT409: drop the job.
create function public.heartbeat_job(p_job_token text, p_lease_seconds integer DEFAULT 60)
  returns TABLE(token text, lease_expires_at timestamp with time zone) language sql volatile security invoker
  set search_path = pg_catalog, pg_temp;
grant execute on function public.heartbeat_job(text,integer) to agent_worker;

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

-- Called by definer helpers and granted to nobody.
create function agent.append_audit(p_action text, p_entity text, p_entity_id uuid, p_client_id uuid, p_job_id uuid DEFAULT NULL::uuid, p_details jsonb DEFAULT '{}'::jsonb)
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind approve_draft.
create function agent.approve_draft_v1(p_draft_id uuid, p_content_hash text)
  returns public.ai_drafts language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.approve_draft_v1(uuid,text) to authenticated;

-- RFC 4648 section 5, without padding. Granted to nobody.
create function agent.base64url(p_bytes bytea)
  returns text language plpgsql immutable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Locks the caller's job and opens ai_drafts for this transaction. result_id is set when the same fence completed it before.
create function agent.begin_complete_v1(OUT request_id uuid, OUT client_id uuid, OUT result_id uuid, OUT payload jsonb)
  returns record language plpgsql volatile security definer
  set enable_seqscan = off
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.begin_complete_v1() to authenticated;

-- One row in the books. Granted to nobody.
create function agent.book_attempt(p_job agent.jobs, p_provider text, p_model text, p_outcome text, p_usage jsonb)
  returns void language plpgsql volatile security invoker
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

-- Behind fail_job.
create function agent.fail_job_v1(p_job_token text, p_code text, p_retry_after_seconds integer, p_usage jsonb)
  returns text language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.fail_job_v1(text,text,integer,jsonb) to agent_worker;

-- Closes the caller's job on the draft that this transaction wrote.
create function agent.finish_complete_v1(p_result_id uuid, p_provider text, p_model text, p_usage jsonb)
  returns void language plpgsql volatile security definer
  set enable_seqscan = off
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.finish_complete_v1(uuid,text,text,jsonb) to authenticated;

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

-- Behind heartbeat_job.
create function agent.heartbeat_job_v1(p_job_token text, p_lease_seconds integer)
  returns TABLE(token text, lease_expires_at timestamp with time zone) language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.heartbeat_job_v1(text,integer) to agent_worker;

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

-- The user's open draft, locked, or PT404, PT409. Granted to nobody.
create function agent.lock_open_draft(p_draft_id uuid, p_user_id uuid)
  returns public.ai_drafts language plpgsql volatile security invoker
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

-- Run by a DBA: from now on this key signs; what others signed stays good. Promoting the former one again is the way back.
create function agent.promote_signing_key(p_kid text)
  returns void language plpgsql volatile security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Behind reject_draft.
create function agent.reject_draft_v1(p_draft_id uuid, p_reason text)
  returns public.ai_drafts language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.reject_draft_v1(uuid,text) to authenticated;

-- Behind request_draft.
create function agent.request_draft_v1(p_client_id uuid, p_draft_type text, p_purpose text, p_hints text, p_language text, p_contact_id uuid, p_deal_id uuid, p_task_id uuid, p_interactive boolean)
  returns public.ai_draft_requests language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.request_draft_v1(uuid,text,text,text,text,uuid,uuid,uuid,boolean) to authenticated;

-- The caller's id if they are a person with a sign-in that still exists, or PT401, PT403.
create function agent.require_live_session()
  returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- The caller's id, or PT401 or PT403. Definer: it reads auth.users.
create function agent.require_person()
  returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp;
grant execute on function agent.require_person() to authenticated;

-- The caller's live worker key, or PT401.
create function agent.require_worker()
  returns uuid language plpgsql stable security definer
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

-- The key id that signs now, or null. Granted to nobody.
create function agent.signing_kid()
  returns text language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

-- Deferred trigger of public.ai_drafts: at commit the job of the draft's request must be done with this very draft.
create function agent.tg_ai_drafts__require_completion()
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

-- The claims of a token of ours, expired or not, or null. The fence, not the clock, judges a job. Granted to nobody.
create function agent.verify_jwt(p_token text)
  returns jsonb language plpgsql stable security invoker
  set search_path = pg_catalog, pg_temp;
-- Granted to nobody.

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
