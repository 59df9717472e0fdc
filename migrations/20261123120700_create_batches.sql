-- Why: work that can wait is sent in batches at half the price, and no crash on the way loses a job or its money.
-- Touches: new tables agent.batches, agent.batch_items; new functions start_batch, submit_batch, poll_batches, end_batch; check_request_v1.
-- Rollout: new objects and a body.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.batches (
  id uuid primary key default gen_random_uuid(),
  provider text not null,
  provider_batch_id text,
  created_at timestamptz not null default now(),
  submitted_at timestamptz,
  polled_at timestamptz,
  ended_at timestamptz,
  constraint batches_provider_batch_id_check check (length(provider_batch_id) between 1 and 200)
);
comment on table agent.batches is
'A batch at a provider. Written before it is made there: one that nobody submitted has cost, at most, what is set aside for its jobs.';
create index batches_polled_at_idx on agent.batches (polled_at nulls first) where submitted_at is not null and ended_at is null;

create table agent.batch_items (
  custom_id uuid primary key,
  batch_id uuid not null,
  job_id uuid not null,
  context_version text
);
comment on table agent.batch_items is 'custom_id is the attempt''s row in ai_interactions: a result finds its job and its money by it.';
create index batch_items_batch_id_idx on agent.batch_items (batch_id);

-- Definer, all of these: workers may touch no table.
create function agent.start_batch_v1(p_provider text, p_jobs jsonb) returns table (batch_id uuid, job_id uuid, custom_id uuid)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job agent.jobs;
  v_item record;
  v_custom_id uuid;
  v_batch_id uuid := gen_random_uuid();
begin
  perform agent.require_worker();
  if p_provider ~ '^[a-z][a-z0-9_-]{0,39}$' is not true or jsonb_typeof(p_jobs) is distinct from 'array'
    or jsonb_array_length(p_jobs) not between 1 and 50 then
    raise exception using errcode = 'PT400', message = 'p_provider is not a short lower-case name, or p_jobs is not a list of 1 to 50.',
      detail = 'invalid_argument', hint = 'p_jobs: [{"token": the job''s, "context_version": of what was read}].';
  end if;
  insert into agent.batches (id, provider) values (v_batch_id, p_provider);
  for v_item in select j.token, j.context_version from jsonb_to_recordset(p_jobs) as j (token text, context_version text) loop
    v_job := agent.job_of_token(v_item.token);
    select i.id into v_custom_id from public.ai_interactions as i
    where i.job_id = v_job.id and i.settled_at is null and i.is_batch and i.provider = p_provider;
    if v_job.state <> 'running' or v_custom_id is null then
      raise exception using errcode = 'PT409', message = 'A job of this batch is not running, or nothing was set aside for it.',
        detail = 'not_reserved', hint = 'Call reserve_budget with p_is_batch for each job first. Nothing was changed.';
    end if;
    insert into agent.batch_items (custom_id, batch_id, job_id, context_version)
    values (v_custom_id, v_batch_id, v_job.id, left(v_item.context_version, 200));
    -- Parked, with its money: whoever collects the result claims it by its id. If nobody does, it is simply due again.
    -- Being parked costs no attempt; collecting does.
    update agent.jobs as j
    set state = 'queued', due_at = now() + interval '26 hours', attempts = j.attempts - 1
    where j.id = v_job.id;
    return query select v_batch_id, v_job.id, v_custom_id;
  end loop;
end
$$;
comment on function agent.start_batch_v1(text, jsonb) is 'Behind start_batch.';

create function public.start_batch(p_provider text, p_jobs jsonb) returns table (batch_id uuid, job_id uuid, custom_id uuid)
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select * from agent.start_batch_v1(p_provider, p_jobs) $$;
comment on function public.start_batch(text, jsonb) is
'Workers, before the provider is asked: records the custom ids and parks the jobs for a day, their money set aside.';

create function agent.submit_batch_v1(p_batch_id uuid, p_provider_batch_id text, p_usage jsonb) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform agent.require_worker();
  if agent.is_usage(p_usage) is not true then
    raise exception using errcode = 'PT400', message = 'p_usage is not an object of whole numbers.', detail = 'invalid_argument: p_usage',
      hint = 'Leave out what is not known.';
  end if;
  update agent.batches
  set provider_batch_id = p_provider_batch_id, submitted_at = now(), ended_at = case when p_provider_batch_id is null then now() end
  where id = p_batch_id and submitted_at is null;
  if not found then
    raise exception using errcode = 'PT409', message = 'There is no such batch, or it was submitted.', detail = 'batch_closed',
      hint = 'Nothing was changed.';
  end if;
  if p_provider_batch_id is null then
    -- The provider did not take it: its jobs are due at once, and what that cost is told or estimated for each.
    update agent.jobs as j set due_at = now()
    from agent.batch_items as i
    where i.batch_id = p_batch_id and j.id = i.job_id and j.state = 'queued';
    perform agent.settle(i.job_id, 'provider_unavailable', p_usage)
    from agent.batch_items as i
    inner join public.ai_interactions as a on a.id = i.custom_id and a.settled_at is null
    where i.batch_id = p_batch_id;
  end if;
end
$$;
comment on function agent.submit_batch_v1(uuid, text, jsonb) is 'Behind submit_batch.';

create function public.submit_batch(p_batch_id uuid, p_provider_batch_id text, p_usage jsonb default null) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.submit_batch_v1(p_batch_id, p_provider_batch_id, p_usage) $$;
comment on function public.submit_batch(uuid, text, jsonb) is
'Workers: the id that the provider gave the batch; null if it did not take it, and its jobs are due at once.';

create function agent.poll_batches_v1(p_provider text)
returns table (batch_id uuid, provider_batch_id text, items jsonb)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform agent.require_worker();
  -- Made there, perhaps, but we do not know its name: the jobs are due again, and what it may have cost stays set aside for them.
  update agent.jobs as j set due_at = now()
  from agent.batches as b inner join agent.batch_items as i on i.batch_id = b.id
  where b.submitted_at is null and b.created_at < now() - interval '15 minutes' and j.id = i.job_id and j.state = 'queued';
  update agent.batches set submitted_at = now(), ended_at = now()
  where submitted_at is null and created_at < now() - interval '15 minutes';
  return query
  with polled as (
    update agent.batches as b set polled_at = now()
    where b.id in (
      select o.id from agent.batches as o
      where o.provider = p_provider and o.submitted_at is not null and o.ended_at is null
        and (o.polled_at is null or o.polled_at < now() - interval '30 seconds')
      order by o.polled_at nulls first
      for update skip locked
      limit 10
    )
    returning b.id, b.provider_batch_id
  )
  select p.id, p.provider_batch_id, jsonb_agg(jsonb_build_object(
    'custom_id', i.custom_id, 'job_id', i.job_id, 'context_version', i.context_version) order by i.custom_id)
  from polled as p inner join agent.batch_items as i on i.batch_id = p.id
  group by p.id, p.provider_batch_id;
end
$$;
comment on function agent.poll_batches_v1(text) is 'Behind poll_batches.';

create function public.poll_batches(p_provider text) returns table (batch_id uuid, provider_batch_id text, items jsonb)
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select * from agent.poll_batches_v1(p_provider) $$;
comment on function public.poll_batches(text) is
'Workers: batches to ask the provider about, each at most every 30 seconds, with the jobs to claim for their results.';

create function agent.end_batch_v1(p_batch_id uuid) returns integer
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_due integer;
begin
  perform agent.require_worker();
  -- Of a job without a result (missing, expired), the next attempt settles what was set aside for this one.
  update agent.jobs as j set due_at = now()
  from agent.batch_items as i
  inner join public.ai_interactions as a on a.id = i.custom_id and a.settled_at is null
  inner join agent.batches as b on b.id = i.batch_id and b.submitted_at is not null and b.ended_at is null
  where i.batch_id = p_batch_id and j.id = i.job_id and j.state = 'queued' and j.due_at > now();
  get diagnostics v_due = row_count;
  update agent.batches set ended_at = now() where id = p_batch_id and submitted_at is not null and ended_at is null;
  return v_due;
end
$$;
comment on function agent.end_batch_v1(uuid) is 'Behind end_batch.';

create function public.end_batch(p_batch_id uuid) returns integer
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.end_batch_v1(p_batch_id) $$;
comment on function public.end_batch(uuid) is
'Workers: all results of a batch are in; those of its jobs that had none are due again. Returns how many.';

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
    if (v_function = any (array['get_client_context', 'complete_draft_job'])) is not true
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

alter table agent.batches enable row level security;
alter table agent.batches force row level security;
alter table agent.batch_items enable row level security;
alter table agent.batch_items force row level security;
revoke all on table agent.batches, agent.batch_items from public, anon, authenticated, service_role;
revoke all on function
agent.start_batch_v1(text, jsonb), agent.submit_batch_v1(uuid, text, jsonb), agent.poll_batches_v1(text), agent.end_batch_v1(uuid),
public.start_batch(text, jsonb), public.submit_batch(uuid, text, jsonb), public.poll_batches(text), public.end_batch(uuid)
from public, anon, authenticated, service_role;
grant execute on function
agent.start_batch_v1(text, jsonb), agent.submit_batch_v1(uuid, text, jsonb), agent.poll_batches_v1(text), agent.end_batch_v1(uuid),
public.start_batch(text, jsonb), public.submit_batch(uuid, text, jsonb), public.poll_batches(text), public.end_batch(uuid)
to agent_worker;
notify pgrst, 'reload schema';
