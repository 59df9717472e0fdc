-- Why: a claimed job says what its model is told, which model that is, and in which language people here write.
-- Touches: replaces claim_jobs_v1, which answers as before and with these.
-- Rollout: a new body only; the return type stays.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create or replace function agent.claim_jobs_v1(p_kinds text[], p_limit integer, p_lease_seconds integer, p_job_id uuid)
returns table (
  job_id uuid, kind text, user_id uuid, client_id uuid, attempt integer, max_attempts integer, interactive boolean, fence bigint,
  token text, lease_expires_at timestamptz, payload jsonb, prompt_version_id uuid, model text, limits jsonb
)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_sort = off
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
    perform agent.book_attempt(j, 'none', null, 'lease_expired', null)
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
        due_at = clock_timestamp() + make_interval(secs => p_lease_seconds), completing_xid = null,
        prompt_version_id = (agent.current_prompt(j.kind, j.payload)).id
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
      c.due_at, c.payload || jsonb_build_object('default_language', s.default_language)
      || case when r.hints is null then '{}' else jsonb_build_object('hints', r.hints) end || case
        when v.id is null then '{}'
        else jsonb_build_object('prompt', jsonb_build_object(
          'system', v.system, 'instructions', v.instructions, 'output_schema', v.output_schema))
      end, c.prompt_version_id, agent.route_model(c.user_id, c.kind, c.payload),
      jsonb_build_object('max_output_tokens', coalesce(v.max_output_tokens, 1024), 'deadline_seconds', 120)
    from claimed as c
    cross join public.ai_settings as s
    left join public.ai_draft_requests as r on r.id = c.request_id
    left join public.ai_prompt_versions as v on v.id = c.prompt_version_id
    order by array_position(v_locked, c.id);
    get diagnostics v_claimed = row_count;
    v_missing := v_missing - v_claimed;

    -- Empty must mean empty: go on while some were closed instead of claimed.
    exit when v_missing = 0;
  end loop;
end
$$;
