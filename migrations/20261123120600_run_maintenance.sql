-- Why: what time alone makes true is seen to: money that a dead attempt holds, alerts that are due, slots that nobody needs.
-- Touches: new table agent.maintenance_runs, new function run_maintenance.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.maintenance_runs (
  task text primary key,
  ran_at timestamptz not null default now()
);
comment on table agent.maintenance_runs is 'When each task last ran, so that of all workers one does it each minute.';

create function agent.settle_orphans() returns integer
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_job_ids constant uuid[] := array(
    -- A batch holds its money for as long as its job is parked.
    select i.job_id from public.ai_interactions as i
    left join agent.jobs as j on j.id = i.job_id
    where i.settled_at is null and (
      j.id is null or j.state in ('done', 'failed', 'cancelled')
      or (j.state = 'running' and j.due_at < now() - interval '15 minutes')
      or (j.state = 'queued' and (not i.is_batch or j.due_at < now() - interval '15 minutes'))
    )
    order by i.job_id
    limit 1000
  );
begin
  perform agent.settle(id, 'orphaned', null) from unnest(v_job_ids) as o (id);
  return cardinality(v_job_ids);
end
$$;
comment on function agent.settle_orphans() is
'Settles at their estimate the attempts that nobody will end any more; returns how many. Granted to nobody.';

-- Definer: workers may touch no table.
create function agent.run_maintenance_v1(p_task text, p_delivered uuid[]) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_settled integer;
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
  perform agent.raise_rate_alerts();
  delete from agent.request_slots where taken_at[cardinality(taken_at)] < now() - interval '1 day';
  return jsonb_build_object('ran', true, 'settled', v_settled);
end
$$;
comment on function agent.run_maintenance_v1(text, uuid[]) is 'Behind run_maintenance.';

create function public.run_maintenance(p_task text, p_delivered uuid[] default null) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.run_maintenance_v1(p_task, p_delivered) $$;
comment on function public.run_maintenance(text, uuid[]) is
'Workers, each minute: sweep closes what was left open; alerts returns those not delivered yet, after noting the ids that were.';

alter table agent.maintenance_runs enable row level security;
alter table agent.maintenance_runs force row level security;
revoke all on table agent.maintenance_runs from public, anon, authenticated, service_role;
revoke all on function agent.settle_orphans(), agent.run_maintenance_v1(text, uuid[]), public.run_maintenance(text, uuid[])
from public, anon, authenticated, service_role;
grant execute on function agent.run_maintenance_v1(text, uuid[]), public.run_maintenance(text, uuid[]) to agent_worker;
notify pgrst, 'reload schema';
