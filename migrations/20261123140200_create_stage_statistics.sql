-- Why: how long deals stay in a stage here, and how long they take to be won from it, to say when one is late.
-- Touches: new table agent.stage_statistics, new functions.
-- Rollout: new objects only; filled by the first hourly maintenance, and empty until then.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.stage_statistics (
  stage text primary key,
  samples integer not null,
  p25_days numeric,
  p50_days numeric,
  p75_days numeric,
  won integer not null,
  lost integer not null,
  days_to_win_p25 numeric,
  days_to_win_p50 numeric,
  computed_at timestamptz not null default now()
);
comment on table agent.stage_statistics is
'The pipeline''s own pace, over the deals of all users: figures only, no deal can be told from them while samples are many.';
comment on column agent.stage_statistics.stage is 'A stage, or "*" for the whole way from opening to closing.';
comment on column agent.stage_statistics.samples is 'Stays in this stage that have ended; percentiles are of their days.';
comment on column agent.stage_statistics.won is 'Deals that were in this stage and were won in the end.';
comment on column agent.stage_statistics.days_to_win_p25 is 'From entering this stage to winning: a quarter of those won were as fast.';

create function agent.is_won(p_stage text) returns boolean
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select coalesce(p_stage ~* '\mwon\M', false) $$;
comment on function agent.is_won(text) is 'Whether a closed deal''s stage says that it was won: "won", "Closed Won".';

create function agent.compute_stage_statistics() returns integer
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  delete from agent.stage_statistics;
  with
  ended as (
    select d.id, agent.is_won(d.stage) as is_won, d.opened_at, d.closed_at
    from crm.deals as d
    -- A deal that closed before it opened says nothing of how long it took.
    where not d.is_open and d.closed_at <= now() and d.opened_at <= d.closed_at
  ),
  stays as (
    select h.deal_id, h.to_stage as stage, h.changed_at as entered_at,
      lead(h.changed_at) over (partition by h.deal_id order by h.changed_at, h.id) as left_at
    from public.deal_stage_history as h
  ),
  spells as (
    select s.stage, extract(epoch from s.left_at - s.entered_at) / 86400 as days, e.is_won,
      case when e.is_won then extract(epoch from e.closed_at - s.entered_at) / 86400 end as days_to_win
    from stays as s
    left join ended as e on e.id = s.deal_id and e.closed_at >= s.entered_at
    where s.left_at is not null
    union all
    select '*', extract(epoch from e.closed_at - e.opened_at) / 86400, e.is_won,
      case when e.is_won then extract(epoch from e.closed_at - e.opened_at) / 86400 end
    from ended as e
  )
  insert into agent.stage_statistics (
    stage, samples, p25_days, p50_days, p75_days, won, lost, days_to_win_p25, days_to_win_p50
  )
  select p.stage, count(*),
    percentile_cont(0.25) within group (order by p.days), percentile_cont(0.5) within group (order by p.days),
    percentile_cont(0.75) within group (order by p.days), count(*) filter (where p.is_won), count(*) filter (where not p.is_won),
    percentile_cont(0.25) within group (order by p.days_to_win), percentile_cont(0.5) within group (order by p.days_to_win)
  from spells as p
  where p.stage is not null
  group by p.stage;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function agent.compute_stage_statistics() is
'Fills agent.stage_statistics afresh; returns the number of stages. Granted to nobody.';

-- Definer: nobody may read the table. What it returns is the same for everybody and holds no record of anyone.
create function agent.stage_statistics_v1() returns setof agent.stage_statistics
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select s.* from agent.stage_statistics as s $$;
comment on function agent.stage_statistics_v1() is 'The pipeline''s pace, for evaluations and insights.';

alter table agent.stage_statistics enable row level security;
alter table agent.stage_statistics force row level security;
revoke all on table agent.stage_statistics from public, anon, authenticated, service_role;
revoke all on function agent.is_won(text), agent.compute_stage_statistics(), agent.stage_statistics_v1()
from public, anon, authenticated, service_role;
grant execute on function agent.is_won(text), agent.stage_statistics_v1() to authenticated;
insert into agent.data_tables (relation, place, kept) values ('agent.stage_statistics', 9, 'Figures over all deals.');
