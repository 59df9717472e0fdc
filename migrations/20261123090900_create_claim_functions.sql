-- Why: how a worker takes a job: turns between users, a lease, a fence, a token; and how it keeps it.
-- Touches: new functions.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function agent.close_jobs(p_job_ids uuid[], p_state text, p_code text) returns void
language sql volatile set search_path = ''
as $$
  with closed as (
    -- These rows outlive the user and the client; what was written about them must not. The hints stay with the request.
    update agent.jobs set state = p_state, failure_code = p_code, finished_at = now(), payload = payload - 'hints'
    where id = any (p_job_ids)
    returning id, request_id, client_id
  ),
  told as (
    update public.ai_draft_requests as r
    set state = p_state, error = f.sentence, updated_at = now()
    from closed as c, agent.failure_codes as f
    where r.id = c.request_id and f.code = p_code
  )
  insert into agent.audit_log (actor, actor_id, action, entity, entity_id, client_id, job_id, details)
  select a.actor, a.actor_id, 'job_' || p_state, 'job', c.id, c.client_id, c.id, jsonb_build_object('code', p_code)
  from closed as c cross join agent.caller() as a
$$;
comment on function agent.close_jobs(uuid[], text, text) is 'Ends jobs without a result and tells the people who asked. Granted to nobody.';

-- Definer, like all helpers of this file: workers may touch no table. Each begins by asking for a live worker key.
create function agent.claim_jobs_v1(p_kinds text[], p_limit integer, p_lease_seconds integer, p_job_id uuid)
returns table (
  job_id uuid, kind text, user_id uuid, client_id uuid, attempt integer, max_attempts integer, interactive boolean, fence bigint,
  token text, lease_expires_at timestamptz, payload jsonb, prompt_version_id uuid, model text, limits jsonb
)
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_jti uuid := agent.require_worker();
  v_missing integer := p_limit;
  v_locked uuid[];
  v_closing uuid[];
  v_claimed integer;
begin
  if p_limit is null or p_limit not between 1 and 50 then
    raise exception using errcode = 'PT400', message = format('p_limit is %s.', coalesce(p_limit::text, 'null')),
      detail = 'invalid_argument: p_limit', hint = 'Claim 1 to 50 jobs at a time.';
  end if;
  if p_lease_seconds is null or p_lease_seconds not between 10 and 300 then
    raise exception using errcode = 'PT400', message = format('p_lease_seconds is %s.', coalesce(p_lease_seconds::text, 'null')),
      detail = 'invalid_argument: p_lease_seconds', hint = 'A lease is 10 to 300 seconds; a heartbeat extends it.';
  end if;

  loop
    if p_job_id is not null then
      -- One job by its id: the delay of an interactive job does not bind the API that it was held for.
      v_locked := array(
        select j.id from agent.jobs as j
        where j.id = p_job_id and (j.state = 'queued' or (j.state = 'running' and j.due_at <= now()))
        for update skip locked
      );
    else
      -- Leases that ran out first: these jobs have had their turn. Then the queue, in turns.
      v_locked := array(
        select j.id from agent.jobs as j
        where j.state = 'running' and j.due_at <= now() and (p_kinds is null or j.kind = any (p_kinds))
        order by j.due_at
        for update skip locked
        limit v_missing
      );
      v_locked := v_locked || array(
        select j.id from agent.jobs as j
        where j.state = 'queued' and j.due_at <= now() and (p_kinds is null or j.kind = any (p_kinds))
        order by j.priority, j.turn, j.id
        for update skip locked
        limit v_missing - cardinality(v_locked)
      );
    end if;
    exit when v_locked = '{}';

    -- Nobody told how these ended: their workers are gone. They are attempts all the same.
    insert into public.ai_interactions (user_id, client_id, job_id, attempt, purpose, provider, outcome)
    select j.user_id, j.client_id, j.id, j.attempts, j.kind || '.' || coalesce(j.payload ->> 'purpose', 'other'), 'none', 'lease_expired'
    from agent.jobs as j
    where j.id = any (v_locked) and j.state = 'running';

    v_closing := array(
      select j.id from agent.jobs as j where j.id = any (v_locked) and not exists (
        select from auth.users as u
        where u.id = j.user_id and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now())
      )
    );
    perform agent.close_jobs(v_closing, 'cancelled', 'user_inactive') where v_closing <> '{}';
    v_closing := array(
      select j.id from agent.jobs as j
      where j.id = any (v_locked) and j.finished_at is null and j.attempts >= j.max_attempts
    );
    perform agent.close_jobs(v_closing, 'failed', 'attempts_exhausted') where v_closing <> '{}';

    return query
    with claimed as (
      update agent.jobs as j
      set state = 'running', attempts = j.attempts + 1, fence = j.fence + 1, claimed_at = clock_timestamp(), worker_jti = v_jti,
        due_at = clock_timestamp() + make_interval(secs => p_lease_seconds), completing_xid = null
      where j.id = any (v_locked) and j.finished_at is null
      returning j.*
    ),
    -- Each claim hands out a token that reads a user's client: who got it belongs in the audit.
    audited as (
      insert into agent.audit_log (actor, actor_id, action, entity, entity_id, client_id, job_id, details)
      select a.actor, a.actor_id, 'job_claimed', 'job', c.id, c.client_id, c.id,
        jsonb_build_object('user_id', c.user_id, 'attempt', c.attempts)
      from claimed as c cross join agent.caller() as a
    ),
    told as (
      update public.ai_draft_requests as r set state = 'running', updated_at = now()
      from claimed as c
      where r.id = c.request_id and r.state = 'queued'
    )
    select c.id, c.kind, c.user_id, c.client_id, c.attempts, c.max_attempts, c.interactive, c.fence, agent.mint_job_token(c.*::agent.jobs),
      c.due_at, c.payload, null::uuid, null::text, jsonb_build_object('max_output_tokens', 1024, 'deadline_seconds', 120)
    from claimed as c
    order by array_position(v_locked, c.id);
    get diagnostics v_claimed = row_count;
    v_missing := v_missing - v_claimed;

    -- Empty must mean empty: go on while some were closed instead of claimed.
    exit when v_missing = 0;
  end loop;
end
$$;
comment on function agent.claim_jobs_v1(text[], integer, integer, uuid) is 'Behind claim_jobs and claim_job.';

create function agent.job_of_token(p_job_token text) returns agent.jobs
language plpgsql volatile set search_path = ''
as $$
declare
  v_claims jsonb := agent.verify_jwt(p_job_token);
  v_job agent.jobs;
begin
  if v_claims is null or v_claims ? 'act' is not true then
    raise exception using errcode = 'PT403', message = 'This is not a job''s token.', detail = 'invalid_job_token',
      hint = 'Pass the token that claim_jobs or heartbeat_job returned.';
  end if;
  select j.* into v_job from agent.jobs as j where j.id = (v_claims ->> 'job')::uuid for update;
  if v_job.fence is distinct from (v_claims ->> 'fence')::bigint then
    raise exception using errcode = 'PT409', message = 'Another worker has this job now.', detail = 'stale_fence',
      hint = 'Drop what you have; nothing was changed.';
  end if;
  return v_job;
end
$$;
comment on function agent.job_of_token(text) is
'Locks the job that a token was minted for, or PT403, PT409 stale_fence. Granted to nobody.';

create function agent.heartbeat_job_v1(p_job_token text, p_lease_seconds integer)
returns table (token text, lease_expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job agent.jobs;
begin
  perform agent.require_worker();
  if p_lease_seconds is null or p_lease_seconds not between 10 and 300 then
    raise exception using errcode = 'PT400', message = format('p_lease_seconds is %s.', coalesce(p_lease_seconds::text, 'null')),
      detail = 'invalid_argument: p_lease_seconds', hint = 'A lease is 10 to 300 seconds; a heartbeat extends it.';
  end if;
  v_job := agent.job_of_token(p_job_token);
  if v_job.state <> 'running' then
    raise exception using errcode = 'PT409', message = format('This job is %s.', v_job.state), detail = 'stale_fence',
      hint = 'Drop what you have; nothing was changed.';
  end if;
  if v_job.claimed_at + interval '30 minutes' <= clock_timestamp() then
    raise exception using errcode = 'PT409', message = 'This job has been held for 30 minutes.', detail = 'lease_limit',
      hint = 'Complete it within its lease, or let it go; another worker takes it.';
  end if;
  update agent.jobs as j
  set due_at = least(clock_timestamp() + make_interval(secs => p_lease_seconds), j.claimed_at + interval '30 minutes')
  where j.id = v_job.id
  returning j.* into v_job;
  return query select agent.mint_job_token(v_job), v_job.due_at;
end
$$;
comment on function agent.heartbeat_job_v1(text, integer) is 'Behind heartbeat_job.';

create function public.claim_jobs(p_kinds text[] default null, p_limit integer default 1, p_lease_seconds integer default 60)
returns table (
  job_id uuid, kind text, user_id uuid, client_id uuid, attempt integer, max_attempts integer, interactive boolean, fence bigint,
  token text, lease_expires_at timestamptz, payload jsonb, prompt_version_id uuid, model text, limits jsonb
)
language sql volatile set search_path = ''
as $$ select * from agent.claim_jobs_v1(p_kinds, p_limit, p_lease_seconds, null) $$;
comment on function public.claim_jobs(text[], integer, integer) is
'Workers: up to p_limit (1-50) due jobs of these kinds (null: all), each with a token for its user and a lease of 10-300 seconds.';

create function public.claim_job(p_job_id uuid, p_lease_seconds integer default 60)
returns table (
  job_id uuid, kind text, user_id uuid, client_id uuid, attempt integer, max_attempts integer, interactive boolean, fence bigint,
  token text, lease_expires_at timestamptz, payload jsonb, prompt_version_id uuid, model text, limits jsonb
)
language sql volatile set search_path = ''
as $$ select * from agent.claim_jobs_v1(null, 1, p_lease_seconds, p_job_id) where p_job_id is not null $$;
comment on function public.claim_job(uuid, integer) is 'Workers: this job, if nobody else has it; no row otherwise.';

create function public.heartbeat_job(p_job_token text, p_lease_seconds integer default 60)
returns table (token text, lease_expires_at timestamptz)
language sql volatile set search_path = ''
as $$ select * from agent.heartbeat_job_v1(p_job_token, p_lease_seconds) $$;
comment on function public.heartbeat_job(text, integer) is
'Workers: extends a lease, up to 30 minutes a claim, and returns a fresh token with the same fence. PT409: drop the job.';

revoke all on function
agent.close_jobs(uuid[], text, text), agent.claim_jobs_v1(text[], integer, integer, uuid), agent.job_of_token(text),
agent.heartbeat_job_v1(text, integer), public.claim_jobs(text[], integer, integer), public.claim_job(uuid, integer),
public.heartbeat_job(text, integer)
from public, anon, authenticated, service_role;
grant execute on function
agent.claim_jobs_v1(text[], integer, integer, uuid), agent.heartbeat_job_v1(text, integer),
public.claim_jobs(text[], integer, integer), public.claim_job(uuid, integer), public.heartbeat_job(text, integer)
to agent_worker;
