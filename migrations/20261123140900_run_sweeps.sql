-- Why: clients that changed or are due are evaluated by workers, one job for each user.
-- Touches: agent.jobs knows the kind sweep; new functions complete_sweep_job, queue_sweeps_v1; replaces check_request_v1, claim_jobs and
-- run_maintenance_v1.
-- Rollout: bodies and a check constraint. Old workers claim the kinds they know, and no sweep.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Every job of before is of one of the other kinds.
-- squawk-ignore ban-drop-constraint
alter table agent.jobs drop constraint jobs_kind_check;
-- squawk-ignore constraint-missing-not-valid
alter table agent.jobs add constraint jobs_kind_check check (kind in ('draft', 'send', 'sweep'));

create function agent.is_ai_on(p_user_id uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select agent.has_consent(null, p_user_id, 'processing') and not exists (
    select from agent.ai_switches as s
    where (s.scope, s.subject) in (('organisation', '*'), ('user', p_user_id::text))
      or (s.scope = 'role' and s.subject = (select p.role from public.profiles as p where p.id = p_user_id))
  )
$$;
comment on function agent.is_ai_on(uuid) is 'Whether AI may work for this user, as require_ai_on asks. Granted to nobody.';

-- Looking costs two index probes while nothing is due.
create function agent.queue_sweeps(p_only_user_id uuid default null) returns integer
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  c_priority constant smallint := 1; -- people's drafts come first
  v_count integer;
begin
  with recursive
  changed as (
    (
      select c.user_id from agent.client_changes as c
      where p_only_user_id is null or c.user_id = p_only_user_id order by c.user_id limit 1
    )
    union all
    select (select c.user_id from agent.client_changes as c where c.user_id > p.user_id order by c.user_id limit 1)
    from changed as p where p.user_id is not null and p_only_user_id is null
  ),
  due as (
    select distinct d.user_id
    from (
      select w.user_id from agent.client_watches as w
      where w.due_at <= now() and p_only_user_id is null order by w.due_at limit 2000
    ) as d
    union
    select p_only_user_id
    where exists (select from agent.client_watches as w where w.user_id = p_only_user_id and w.due_at <= now())
  ),
  waiting as (
    select u.user_id, bool_or(u.is_due) as is_due
    from (
      select c.user_id, false as is_due from changed as c where c.user_id is not null
      union all
      select d.user_id, true from due as d
    ) as u
    group by u.user_id
  )
  insert into agent.jobs (kind, user_id, dedupe_key, turn, priority, due_at)
  select 'sweep', w.user_id, 'sweep:' || w.user_id, agent.next_turn(w.user_id, c_priority), c_priority,
    -- The first change at once, those of the next five seconds together; what time makes due is not held back.
    case when w.is_due then now() else greatest(now(), s.started_at + interval '5 seconds') end
  from waiting as w
  left join agent.sweeps as s on s.user_id = w.user_id
  where not exists (select from agent.jobs as j where j.dedupe_key = 'sweep:' || w.user_id and j.state in ('queued', 'running'))
    -- What failed for good is left alone for a while.
    and not exists (
      select from agent.jobs as j
      where j.user_id = w.user_id and j.kind = 'sweep' and j.state in ('failed', 'cancelled') and j.finished_at > now() - interval '5 minutes'
    )
    and agent.is_active_user(w.user_id) and agent.is_ai_on(w.user_id)
  on conflict (dedupe_key) where state in ('queued', 'running') do nothing;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function agent.queue_sweeps(uuid) is
'Makes a job for each user, or for this one, with clients that changed or are due; returns how many. Granted to nobody.';

-- Definer: workers may touch no table.
create function agent.queue_sweeps_v1(p_kinds text[]) returns integer
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform agent.require_worker();
  if p_kinds is not null and not 'sweep' = any (p_kinds) then
    return 0;
  end if;
  return agent.queue_sweeps();
end
$$;
comment on function agent.queue_sweeps_v1(text[]) is 'What claim_jobs does before it looks at the queue.';

-- For the look at failed ones above.
-- squawk-ignore require-concurrent-index-creation
create index jobs_user_id_finished_at_sweep_idx on agent.jobs (user_id, finished_at) where kind = 'sweep';

create or replace function public.claim_jobs(p_kinds text[] default null, p_limit integer default 1, p_lease_seconds integer default 60)
returns table (
  job_id uuid, kind text, user_id uuid, client_id uuid, attempt integer, max_attempts integer, interactive boolean, fence bigint,
  token text, lease_expires_at timestamptz, payload jsonb, prompt_version_id uuid, model text, limits jsonb
)
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  select agent.queue_sweeps_v1(p_kinds);
  select * from agent.claim_jobs_v1(p_kinds, p_limit, p_lease_seconds, null);
$$;
comment on function public.claim_jobs(text[], integer, integer) is
'Workers: up to p_limit (1-50) due jobs of these kinds (null: all), each with a token for its user and a lease of 10-300 seconds.';

-- Definer: the agent may not write agent.jobs.
create function agent.finish_sweep_v1(p_result jsonb) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job agent.jobs := agent.current_job();
begin
  if v_job.kind is distinct from 'sweep' or v_job.state not in ('running', 'done') then
    raise exception using errcode = 'PT409', message = 'Another worker has this job now, or it is closed.', detail = 'stale_fence',
      hint = 'Drop what you have; nothing was changed.';
  end if;
  if v_job.state = 'running' then
    update agent.jobs set state = 'done', finished_at = now(), failure_code = null where id = v_job.id;
    perform agent.queue_sweeps(v_job.user_id); -- what came in the meantime
  end if;
  return coalesce(p_result, jsonb_build_object()) || jsonb_build_object('job_id', v_job.id);
end
$$;
comment on function agent.finish_sweep_v1(jsonb) is 'Closes the calling agent''s sweep.';

create function public.complete_sweep_job() returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_client_ids uuid[];
  v_result jsonb;
begin
  if agent.is_agent() is not true then
    raise exception using errcode = 'PT403', message = 'Only the agent sweeps.', detail = 'not_an_agent', hint = 'Send the job''s token.';
  end if;
  v_client_ids := agent.begin_evaluation_v1(null);
  if v_client_ids is not null then
    v_result := agent.evaluate_v1(v_client_ids);
  end if;
  return agent.finish_sweep_v1(v_result);
end
$$;
comment on function public.complete_sweep_job() is
'The agent evaluates all clients of its user that changed or are due, under the user''s row-level security, and closes its job, in one '
'transaction. Returns {job_id, clients, written, obsolete}; the same fence again {job_id}.';

create or replace function agent.check_request_v1(out is_read_only boolean, out host_hook text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;
  v_headers jsonb := coalesce(nullif(current_setting('request.headers', true), ''), '{}')::jsonb;
  v_function text := substring(current_setting('request.path', true) from '^/rpc/([a-z_]+)$');
  v_job agent.jobs;
begin
  host_hook := (select value from agent.host_settings where name = 'pgrst.db_pre_request');
  is_read_only := false;

  if v_claims ? 'act' then
    -- By name: a pattern such as complete_* could match a function of the host's.
    if (v_function = any (array['get_client_context', 'complete_draft_job', 'begin_send_job', 'complete_send_job', 'complete_sweep_job'])) is not true
      or coalesce(v_headers ->> 'content-profile', 'public') <> 'public'
      or coalesce(v_headers ->> 'accept-profile', 'public') <> 'public' then
      raise exception using errcode = 'PT403', message = 'The agent may not do this.', detail = 'agent_refused',
        hint = 'An agent token may read its client and complete its own job, nothing else.';
    end if;
    v_job := agent.current_job();
    is_read_only := v_function = 'get_client_context';
    -- A completed job may be completed again: the answer to the first time may have been lost. The function itself judges.
    if v_job.id is null or not (v_job.state = 'running' or (v_job.state = 'done' and not is_read_only)) then
      raise exception using errcode = 'PT409', message = 'Another worker has this job now, or it is closed.', detail = 'stale_fence',
        hint = 'Drop what you have; nothing was changed.';
    end if;
    if agent.is_active_user(v_job.user_id) is not true then
      raise exception using errcode = 'PT403', message = 'The account that asked for this is closed or banned.',
        detail = 'user_inactive', hint = 'fail_job with user_inactive.';
    end if;
  elsif v_claims ->> 'role' = 'agent_worker' then
    perform agent.require_worker();
    if (v_function = any (array[
      'claim_jobs', 'claim_job', 'heartbeat_job', 'fail_job', 'reserve_budget', 'run_maintenance', 'start_batch', 'submit_batch',
      'poll_batches', 'end_batch'
    ])) is not true then
      raise exception using errcode = 'PT403', message = 'A worker key may not do this.', detail = 'worker_refused',
        hint = 'It may claim, keep, pay and fail jobs. For the rest use the token of a claimed job.';
    end if;
  end if;
end
$$;

create or replace function agent.run_maintenance_v1(p_task text, p_delivered uuid[]) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp -- definer: workers may touch no table
as $$
declare
  v_settled integer;
  v_expired integer;
begin
  perform agent.require_worker();
  if p_task in ('sweep', 'alerts') is not true then
    raise exception using errcode = 'PT400', message = format('p_task is %s.', coalesce(quote_literal(left(p_task, 40)), 'null')),
      detail = 'invalid_argument: p_task', hint = 'Use sweep or alerts.';
  end if;
  if p_task = 'alerts' then
    update public.ai_alerts set delivered_at = now() where id = any (p_delivered) and delivered_at is null;
    return jsonb_build_object('alerts', coalesce((
      select jsonb_agg(jsonb_build_object('id', a.id, 'kind', a.kind, 'severity', a.severity, 'message', a.message, 'details', a.details,
        'count', a.count, 'created_at', a.created_at) order by a.created_at)
      from (select * from public.ai_alerts where delivered_at is null order by created_at limit 50) as a
    ), '[]'));
  end if;

  insert into agent.maintenance_runs as r (task) values (p_task)
  on conflict (task) do update set ran_at = now() where r.ran_at <= now() - interval '30 seconds';
  if not found then
    return jsonb_build_object('ran', false);
  end if;
  v_settled := agent.settle_orphans();
  v_expired := agent.expire_drafts();
  perform agent.raise_rate_alerts();
  -- Sweeps are many and say nothing that the audit log does not.
  delete from agent.jobs where kind = 'sweep' and state = 'done' and finished_at < now() - interval '1 day';
  insert into agent.maintenance_runs as r (task) values ('statistics')
  on conflict (task) do update set ran_at = now() where r.ran_at <= now() - interval '1 hour';
  if found then
    perform agent.compute_stage_statistics();
  end if;
  delete from agent.request_slots where taken_at[cardinality(taken_at)] < now() - interval '1 day';
  return jsonb_build_object('ran', true, 'settled', v_settled, 'expired', v_expired);
end
$$;

revoke all on function
agent.is_ai_on(uuid), agent.queue_sweeps(uuid), agent.queue_sweeps_v1(text[]), agent.finish_sweep_v1(jsonb), public.complete_sweep_job()
from public, anon, authenticated, service_role;
grant execute on function agent.queue_sweeps_v1(text[]) to agent_worker;
grant execute on function agent.finish_sweep_v1(jsonb), public.complete_sweep_job() to authenticated;
notify pgrst, 'reload schema';
