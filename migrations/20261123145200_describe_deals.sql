-- Why: how a client's deals move, beside the pipeline's own pace.
-- Touches: new functions.
-- Rollout: new objects only. docs/intelligence.md has every formula.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- A stay ends with the next move; the running one of an open deal counts until now, and that of a closed deal is none.
create function agent.stage_pace_v1(p_client_id uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with
  stays as (
    select h.to_stage as stage, d.is_open, h.changed_at as entered_at,
      lead(h.changed_at) over (partition by h.deal_id order by h.changed_at, h.id) as left_at
    from crm.deals as d
    inner join public.deal_stage_history as h on h.deal_id = d.id
    where d.client_id = p_client_id and h.changed_at <= p_now
  ),
  days as (
    select s.stage, extract(epoch from coalesce(s.left_at, p_now) - s.entered_at) / 86400 as days
    from stays as s where s.left_at is not null or s.is_open
  )
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'stage', g.stage, 'stays', g.stays, 'median_days', round(g.median::numeric, 1),
    'pipeline_median_days', case when p.samples >= 20 then round(p.p50_days, 1) end
  )) order by g.stage), '[]')
  from (
    select d.stage, count(*) as stays, percentile_cont(0.5) within group (order by d.days) as median from days as d group by d.stage
  ) as g
  left join agent.stage_statistics_v1() as p on p.stage = g.stage
$$;
comment on function agent.stage_pace_v1(uuid, timestamptz) is
'[{stage, stays, median_days, pipeline_median_days}] of a client''s deals; the pipeline''s is left out below 20 stays.';

-- A deal that closed before it opened was won or lost all the same; how long it took is not asked here.
create function agent.deal_figures_v1(p_client_id uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with
  deals as (
    select d.id, d.is_open, agent.is_won(d.stage) as is_won, d.stage, greatest(d.amount, 0) as amount, d.currency
    from crm.deals as d
    where d.client_id = p_client_id and (d.is_open or d.closed_at is null or d.closed_at <= p_now)
  ),
  counts as (
    select count(*) filter (where d.is_open) as open, count(*) filter (where not d.is_open and d.is_won) as won,
      count(*) filter (where not d.is_open and not d.is_won) as lost
    from deals as d
  ),
  -- Of the deals that were in this stage and have closed, so many were won.
  rates as (
    select s.stage, s.won::numeric / (s.won + s.lost) as rate from agent.stage_statistics_v1() as s where s.won + s.lost >= 20
  ),
  weighted as (
    select d.currency, sum(d.amount) as amount,
      sum(d.amount * coalesce(r.rate, a.rate)) as weighted, count(*) filter (where coalesce(r.rate, a.rate) is null) as unknown
    from deals as d
    left join rates as r on r.stage = d.stage
    left join rates as a on a.stage = '*'
    where d.is_open and d.amount is not null
    group by d.currency
  )
  select jsonb_build_object(
    'open', c.open, 'won', c.won, 'lost', c.lost,
    'win_rate', case when c.won + c.lost >= 5 then to_jsonb(round(c.won::numeric / (c.won + c.lost), 2))
      else agent.lacking('closed deals', c.won + c.lost, 5) end,
    'pipeline', coalesce((
      select jsonb_agg(jsonb_build_object('currency', w.currency, 'amount', w.amount, 'weighted_amount', case
        when w.unknown = 0 then to_jsonb(round(w.weighted, 2)) else agent.lacking('closed deals of the pipeline', 0, 20) end
      ) order by w.currency) from weighted as w
    ), '[]')
  )
  from counts as c
$$;
comment on function agent.deal_figures_v1(uuid, timestamptz) is
'{open, won, lost, win_rate, pipeline}: the rate from 5 closed deals; amounts by currency, weighted by the pipeline''s own win rate.';

revoke all on function agent.stage_pace_v1(uuid, timestamptz), agent.deal_figures_v1(uuid, timestamptz)
from public, anon, authenticated, service_role;
grant execute on function agent.stage_pace_v1(uuid, timestamptz), agent.deal_figures_v1(uuid, timestamptz) to authenticated;
