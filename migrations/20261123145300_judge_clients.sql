-- Why: one honest picture of a client: engagement, trend, risks, opportunities, and "insufficient data" instead of a guess.
-- Touches: new functions.
-- Rollout: new objects only. docs/intelligence.md has every formula.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- The running week is left out of the slope: half a week would always fall.
create function agent.trend_of(p_weeks jsonb) returns jsonb
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  with
  weeks as (
    select w.place, (w.week ->> 'total')::numeric as total from jsonb_array_elements(p_weeks) with ordinality as w (week, place) where w.place <= 11
  ),
  line as (
    select sum(w.total) as total, avg(w.total) as mean, regr_slope(w.total::double precision, w.place::double precision)::numeric as slope
    from weeks as w
  )
  select case
    when l.total < 6 then agent.lacking('activities in 11 weeks', l.total::bigint, 6)
    else jsonb_build_object('per_week', round(l.mean, 2), 'slope_per_week', round(l.slope, 3), 'direction', case
      -- Rounded: a line that moves by exactly half is steady, whatever the last bit of its slope.
      when round(10 * l.slope - 0.5 * l.mean, 6) > 0 then 'rising' when round(10 * l.slope + 0.5 * l.mean, 6) < 0 then 'falling'
      else 'steady' end)
  end
  from line as l
$$;
comment on function agent.trend_of(jsonb) is
'{per_week, slope_per_week, direction} of the eleven whole weeks, by least squares; rising and falling where the line moves by '
'half its mean.';

create function agent.engagement_v1(p_client_id uuid, p_facts agent.client_facts, p_weeks jsonb, p_now timestamptz) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with
  volume as (
    select sum((w.week ->> 'total')::numeric) as total, sum((w.week ->> 'inbound')::numeric) as inbound,
      sum((w.week ->> 'outbound')::numeric) as outbound
    from jsonb_array_elements(p_weeks) as w (week)
  ),
  deals as (
    select count(*) filter (where d.is_open) as open, bool_or(d.is_open and h.changed_at > p_now - interval '30 days') as is_moving
    from crm.deals as d
    left join public.deal_stage_history as h on h.deal_id = d.id and h.changed_at <= p_now
    where d.client_id = p_client_id
  ),
  factors (place, name, weight, value) as (
    select f.place, f.name, f.weight, round(greatest(0, least(1, coalesce(f.value, 0))), 3)
    from volume as v
    cross join deals as d
    cross join lateral (
      values
      (1, 'recency', 30, (90 - extract(epoch from p_now - p_facts.last_activity_at) / 86400) / 83),
      (2, 'frequency', 25, v.total / 12 / 2),
      (3, 'reciprocity', 20, least(v.inbound, v.outbound) / nullif(greatest(v.inbound, v.outbound), 0)),
      (4, 'deals', 15, case when d.is_moving then 1 when d.open > 0 then 0.5 else 0 end),
      (5, 'orders', 10, case when p_facts.last_order_at > p_now - interval '90 days' then 1
        when p_facts.last_order_at > p_now - interval '365 days' then 0.5 else 0 end)
    ) as f (place, name, weight, value)
  )
  select case
    when (select v.total from volume as v) < 3 then agent.lacking('activities in 12 weeks', (select v.total from volume as v)::bigint, 3)
    else jsonb_build_object(
      'score', round(sum(f.weight * f.value)),
      'factors', jsonb_agg(jsonb_build_object('name', f.name, 'weight', f.weight, 'value', f.value,
        'points', round(f.weight * f.value, 1)) order by f.place)
    )
  end
  from factors as f
$$;
comment on function agent.engagement_v1(uuid, agent.client_facts, jsonb, timestamptz) is
'{score, factors}: 0 to 100 from recency 30, frequency 25, reciprocity 20, deals 15, orders 10; insufficient_data below 3 activities.';

create function agent.signs_of(p_signs jsonb, p_levels text[]) returns jsonb
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'level', p_levels[case when sum(s.points) >= 3 then 3 when sum(s.points) >= 1 then 2 else 1 end],
    'signals', coalesce(jsonb_agg(jsonb_build_object('name', s.name, 'points', s.points) order by s.points desc, s.name) filter (where s.points > 0), '[]')
  )
  from jsonb_to_recordset(p_signs) as s (name text, points integer)
$$;
comment on function agent.signs_of(jsonb, text[]) is '{level, signals}: the third level from 3 points, the second from 1.';

create function agent.client_intelligence_v1(p_client_id uuid, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD'
as $$
declare
  v_facts agent.client_facts[];
  v_fact agent.client_facts;
  v_weeks jsonb;
  v_trend jsonb;
  v_engagement jsonb;
  v_signals jsonb;
  v_types jsonb;
  v_sentiments jsonb;
  v_churn jsonb;
  v_upsell jsonb;
  v_deals jsonb;
begin
  perform set_config('timezone', agent.time_zone(), true); -- days are the organisation's; it ends with this function
  v_facts := agent.client_facts_v1(array[p_client_id], p_now);
  if cardinality(v_facts) = 0 then
    return null;
  end if;
  v_fact := v_facts[1];
  v_weeks := (
    select jsonb_agg(jsonb_build_object('week', w.week, 'inbound', w.inbound, 'outbound', w.outbound, 'other', w.other,
      'total', w.inbound + w.outbound + w.other) order by w.week)
    from agent.weekly_volume_v1(p_client_id, p_now) as w
  );
  v_trend := agent.trend_of(v_weeks);
  v_engagement := agent.engagement_v1(p_client_id, v_fact, v_weeks, p_now);
  v_deals := agent.deal_figures_v1(p_client_id, p_now);
  select coalesce(jsonb_object_agg(t.type, t.count), '{}') into v_types from (
    select a.type, count(*) as count from crm.activities as a
    where a.client_id = p_client_id and a.occurred_at <= p_now and coalesce(a.status, 'completed') not in ('scheduled', 'cancelled')
      and a.occurred_at >= (v_weeks -> 0 ->> 'week')::date::timestamp at time zone agent.time_zone() and a.type is not null
    group by a.type
  ) as t;
  select jsonb_build_object('positive', count(*) filter (where l.sentiment = 'positive'), 'neutral', count(*) filter (where l.sentiment = 'neutral'),
    'negative', count(*) filter (where l.sentiment = 'negative'))
  into v_sentiments from (
    select a.sentiment from crm.activities as a
    where a.client_id = p_client_id and a.sentiment is not null and a.occurred_at <= p_now
      and coalesce(a.status, 'completed') not in ('scheduled', 'cancelled')
    order by a.occurred_at desc, a.id limit 10
  ) as l;
  select coalesce(jsonb_agg(jsonb_build_object('code', s.rule_key, 'kind', case
      when s.rule_key in ('positive_activity', 'anniversary') then 'opportunity' else 'risk' end,
    'sentence', s.reasoning, 'evidence', s.evidence, 'since', s.starts_at) order by s.starts_at desc, s.rule_key, s.basis), '[]')
  into v_signals
  from agent.signals_v1(v_facts, p_now) as s
  where s.starts_at <= p_now and (s.ends_at is null or s.ends_at > p_now);

  v_churn := case
    when v_engagement ? 'insufficient_data' and v_fact.orders < 4 then v_engagement
    else agent.signs_of(jsonb_build_array(
      jsonb_build_object('name', 'order_rhythm_broken', 'points', case when v_signals @> '[{"code": "order_rhythm_broken"}]' then 3 else 0 end),
      jsonb_build_object('name', 'falling_trend', 'points', case when v_trend ->> 'direction' = 'falling' then 2 else 0 end),
      jsonb_build_object('name', 'silence', 'points', case when v_signals @> '[{"code": "no_activity"}]' then 1 else 0 end),
      jsonb_build_object('name', 'unanswered_message', 'points', case when v_signals @> '[{"code": "unanswered_message"}]' then 1 else 0 end),
      jsonb_build_object('name', 'negative_sentiment', 'points', case
        when (v_sentiments ->> 'negative')::integer > (v_sentiments ->> 'positive')::integer then 1 else 0 end)
    ), array['low', 'medium', 'high'])
  end;
  v_upsell := case
    when v_engagement ? 'insufficient_data' then v_engagement
    when v_churn ->> 'level' = 'high' then jsonb_build_object('level', 'none', 'signals', jsonb_build_array(), 'blocked_by', 'churn')
    else agent.signs_of(jsonb_build_array(
      jsonb_build_object('name', 'positive_activity', 'points', case when v_signals @> '[{"code": "positive_activity"}]' then 2 else 0 end),
      jsonb_build_object('name', 'rising_trend', 'points', case when v_trend ->> 'direction' = 'rising' then 1 else 0 end),
      jsonb_build_object('name', 'won_before', 'points', case when (v_deals ->> 'won')::integer > 0 then 1 else 0 end),
      jsonb_build_object('name', 'engaged', 'points', case when (v_engagement ->> 'score')::numeric >= 70 then 1 else 0 end)
    ), array['none', 'possible', 'likely'])
  end;
  return jsonb_build_object(
    'client_id', p_client_id, 'computed_at', p_now,
    'communication', jsonb_build_object('weeks', v_weeks, 'by_type', v_types, 'sentiments', v_sentiments,
      'last_activity_at', v_fact.last_activity_at, 'next_planned_at', v_fact.planned_at,
      'response_times', agent.response_times_v1(p_client_id, p_now), 'best_hour', agent.best_hour_v1(p_client_id, p_now)),
    'deals', v_deals || jsonb_build_object('stages', agent.stage_pace_v1(p_client_id, p_now)),
    'engagement', v_engagement, 'trend', v_trend, 'churn', v_churn, 'upsell', v_upsell,
    'risks', (select coalesce(jsonb_agg(s.sign - 'kind' order by s.place), '[]')
      from jsonb_array_elements(v_signals) with ordinality as s (sign, place) where s.sign ->> 'kind' = 'risk'),
    'opportunities', (select coalesce(jsonb_agg(s.sign - 'kind' order by s.place), '[]')
      from jsonb_array_elements(v_signals) with ordinality as s (sign, place) where s.sign ->> 'kind' = 'opportunity')
  );
end
$$;
comment on function agent.client_intelligence_v1(uuid, timestamptz) is
'The picture of a client as the caller sees it at that time; null where they do not see it or AI may not work on it.';

revoke all on function
agent.trend_of(jsonb), agent.engagement_v1(uuid, agent.client_facts, jsonb, timestamptz), agent.signs_of(jsonb, text[]),
agent.client_intelligence_v1(uuid, timestamptz)
from public, anon, authenticated, service_role;
grant execute on function
agent.trend_of(jsonb), agent.engagement_v1(uuid, agent.client_facts, jsonb, timestamptz), agent.signs_of(jsonb, text[]),
agent.client_intelligence_v1(uuid, timestamptz)
to authenticated;
