-- Why: a policy that asks for the agent's job could look at every job there is, and read the token anew for each: with 300 jobs 0.2 ms,
-- 16 times for one draft. And before version 18 Postgres plans a helper in language sql anew in every statement that calls it.
-- Touches: replaces helpers that every job or every write of the CRM calls; each answers as before.
-- Rollout: new bodies only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- All of them in plpgsql, though one statement would do: its plans are kept for the session. Milliseconds at p50 for a draft from 20
-- activities, before and after. Postgres 15: claim 1.28, 0.99; context 4.3, 2.7; completion 3.1, 1.6.
-- Postgres 18: claim 0.87, 0.88; context 3.3, 2.3; completion 3.3, 1.3.
create or replace function agent.is_agent() returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(auth.jwt() ? 'act', false);
end
$$;

create or replace function agent.is_active_user(p_user_id uuid) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp -- definer: auth.users belongs to Supabase Auth
as $$
begin
  return exists (
    select from auth.users
    where id = p_user_id and deleted_at is null and (banned_until is null or banned_until <= now())
  );
end
$$;

create or replace function agent.caller(out actor text, out actor_id uuid)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  actor := case
    when agent.is_agent() then 'agent'
    when auth.role() = 'agent_worker' then 'worker'
    when auth.uid() is not null then 'user'
    else 'database'
  end;
  actor_id := coalesce(auth.uid(), nullif(auth.jwt() ->> 'jti', '')::uuid);
end
$$;

create or replace function agent.append_audit(
  p_action text, p_entity text, p_entity_id uuid, p_client_id uuid, p_job_id uuid default null, p_details jsonb default '{}'
) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  insert into agent.audit_log (actor, actor_id, action, entity, entity_id, client_id, job_id, details)
  select c.actor, c.actor_id, p_action, p_entity, p_entity_id, p_client_id, p_job_id, p_details from agent.caller() as c;
end
$$;

create or replace function agent.caller_id() returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_sub text := coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb ->> 'sub';
begin
  return case when v_sub ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then v_sub::uuid end;
end
$$;

-- Definer, the next four: nobody may read agent.jobs. The token is read first and once; as part of the condition it was read for
-- every job. No full scans: plans are kept, and one made while the table is small would still be used when it has grown.
create or replace function agent.current_job() returns agent.jobs
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
  v_claims jsonb := auth.jwt();
  v_job_id uuid;
  v_job agent.jobs;
begin
  if agent.is_agent() is not true then
    return null;
  end if;
  v_job_id := (v_claims ->> 'job')::uuid;
  select j.* into v_job from agent.jobs as j where j.id = v_job_id;
  if not found or v_job.fence is distinct from (v_claims ->> 'fence')::bigint or v_job.user_id is distinct from auth.uid() then
    return null;
  end if;
  return v_job;
end
$$;

create or replace function agent.current_job_client_id() returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job agent.jobs := agent.current_job();
begin
  return case when v_job.state = 'running' then v_job.client_id end;
end
$$;

create or replace function agent.completing_request_id() returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job agent.jobs := agent.current_job();
begin
  return case
    when v_job.state = 'running' and v_job.completing_xid = pg_current_xact_id_if_assigned() then v_job.request_id
  end;
end
$$;

create or replace function agent.begin_complete_v1(out request_id uuid, out client_id uuid, out result_id uuid, out payload jsonb)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
  v_job_id uuid;
  v_job agent.jobs;
begin
  if agent.is_agent() is not true then
    raise exception using errcode = 'PT403', message = 'Only the agent completes a job.', detail = 'not_an_agent',
      hint = 'Send the job''s token.';
  end if;
  v_job_id := (auth.jwt() ->> 'job')::uuid;
  perform from agent.jobs as j where j.id = v_job_id for update;
  v_job := agent.current_job();
  if v_job.id is null or v_job.state not in ('running', 'done') then
    raise exception using errcode = 'PT409', message = 'Another worker has this job now, or it is closed.', detail = 'stale_fence',
      hint = 'Drop what you have; nothing was changed.';
  end if;
  if agent.is_active_user(v_job.user_id) is not true then
    raise exception using errcode = 'PT403', message = 'The account that asked for this is closed or banned.', detail = 'user_inactive',
      hint = 'fail_job with user_inactive.';
  end if;
  if v_job.state = 'running' then
    update agent.jobs set completing_xid = pg_current_xact_id() where id = v_job.id;
  end if;
  request_id := v_job.request_id;
  client_id := v_job.client_id;
  result_id := v_job.result_id;
  payload := v_job.payload;
end
$$;

-- squawk-ignore ban-alter-function-options
alter function agent.finish_complete_v1(uuid, text, text, jsonb) set enable_seqscan = off;

create or replace function agent.book_attempt(p_job agent.jobs, p_provider text, p_model text, p_outcome text, p_usage jsonb) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  insert into public.ai_interactions (
    user_id, client_id, job_id, attempt, purpose, provider, model, prompt_version_id, input_tokens, cache_write_tokens,
    cache_read_tokens, output_tokens, latency_ms, time_to_first_token_ms, outcome, request_id
  )
  select
    p_job.user_id, p_job.client_id, p_job.id, p_job.attempts, p_job.kind || '.' || coalesce(p_job.payload ->> 'purpose', 'other'),
    p_provider, left(p_model, 100), null, coalesce(u.input_tokens, 0), coalesce(u.cache_write_tokens, 0),
    coalesce(u.cache_read_tokens, 0), coalesce(u.output_tokens, 0), u.latency_ms, u.time_to_first_token_ms, p_outcome,
    left(u.request_id, 200)
  from jsonb_to_record(coalesce(p_usage, '{}')) as u (
    input_tokens integer, cache_write_tokens integer, cache_read_tokens integer, output_tokens integer, latency_ms integer,
    time_to_first_token_ms integer, request_id text
  );
end
$$;

create or replace function agent.base64url(p_bytes bytea) returns text
language plpgsql immutable strict set search_path = pg_catalog, pg_temp
as $$
begin
  return translate(encode(p_bytes, 'base64'), E'+/=\n', '-_');
end
$$;

create or replace function agent.jwt_signature(p_signed text, p_kid text) returns text
language plpgsql stable strict set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select agent.base64url(extensions.hmac(p_signed, s.decrypted_secret, 'sha256'))
    from agent.signing_keys as k
    inner join vault.decrypted_secrets as s on s.name = k.secret_name
    where k.kid = p_kid and k.retired_at is null
  );
end
$$;

create or replace function agent.mint_job_token(p_job agent.jobs) returns text
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  return agent.sign_jwt(jsonb_build_object(
    'iss', 'account-manager-agent', 'aud', 'authenticated', 'role', 'authenticated', 'sub', p_job.user_id,
    'act', jsonb_build_object('sub', 'agent_worker'), 'job', p_job.id, 'fence', p_job.fence,
    -- floor: a cast rounds up, and verifiers refuse an iat in the future
    'iat', floor(extract(epoch from clock_timestamp())), 'exp', floor(extract(epoch from p_job.due_at)),
    'session_id', gen_random_uuid(),
    'app_metadata', coalesce((select u.raw_app_meta_data from auth.users as u where u.id = p_job.user_id), '{}')
  ));
end
$$;
