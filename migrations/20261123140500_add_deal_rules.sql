-- Why: the rules over deals: no move, a closing date that has passed, one that will hardly be kept.
-- Touches: new type agent.deal_facts, new functions.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create type agent.deal_facts as (
  client_id uuid, contact_id uuid, deal_id uuid, title text, stage text, amount numeric, expected_close date, opened_at timestamptz,
  stage_since timestamptz
);
comment on type agent.deal_facts is
'An open deal. stage_since: the last move that was seen, else its opening; null where neither is known.';

-- A deal that is open and closed at once contradicts itself and is left out.
create function agent.open_deals_v1(p_facts agent.client_facts[], p_now timestamptz) returns setof agent.deal_facts
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select f.client_id, f.contact_id, d.id, d.title, d.stage, greatest(d.amount, 0), d.expected_close,
    case when d.opened_at <= p_now then d.opened_at end,
    coalesce(h.changed_at, case when d.opened_at <= p_now then d.opened_at end)
  from unnest(p_facts) as f
  inner join crm.deals as d on d.client_id = f.client_id
  left join lateral (
    select s.changed_at from public.deal_stage_history as s
    where s.deal_id = d.id and s.changed_at <= p_now
    order by s.changed_at desc limit 1
  ) as h on true
  where d.is_open and (d.closed_at is null or d.closed_at > p_now)
$$;
comment on function agent.open_deals_v1(agent.client_facts[], timestamptz) is 'The open deals of these clients that the caller sees.';

create function agent.rule_stalled_deal_v1(p_deals agent.deal_facts[], p_thresholds jsonb, p_now timestamptz)
returns setof agent.signal
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select d.client_id, 'stalled_deal', d.deal_id, concat_ws(':', d.deal_id, d.stage, extract(epoch from d.stage_since)),
    d.stage_since + l.days * interval '24 hours', null::timestamptz, l.days * interval '24 hours', d.amount,
    'Ask where ' || d.title || ' stands',
    'The deal has not moved for too long.',
    case when l.is_own
      then format('%s is in stage %s since %s; three of four deals leave it within %s days.', d.title, d.stage, d.stage_since::date,
        round(l.days, 1))
      else format('%s is in stage %s since %s; the limit is %s days.', d.title, d.stage, d.stage_since::date, trim_scale(l.days))
    end,
    jsonb_build_object(
      'rows', jsonb_build_array(agent.row_of('deals', d.deal_id)),
      'expected', jsonb_build_object('days', round(l.days, 1), 'from', case when l.is_own then 'pipeline' else 'setting' end),
      'actual', jsonb_build_object('stage', d.stage, 'stage_since', d.stage_since)
    ),
    agent.draft_action('deal_update', d.contact_id, d.deal_id)
  from unnest(p_deals) as d
  left join agent.stage_statistics_v1() as s on s.stage = d.stage and s.samples >= (p_thresholds ->> 'least_samples')::integer
  cross join lateral (
    select least(t.days, o.days) as days, coalesce(o.days < t.days, false) as is_own
    from (select (p_thresholds ->> 'days')::numeric as days, (p_thresholds ->> 'least_days')::numeric as least_days) as t
    cross join lateral (select case when s.p75_days is not null then greatest(s.p75_days, t.least_days) end as days) as o
  ) as l
  where d.stage is not null and d.stage_since is not null
$$;
comment on function agent.rule_stalled_deal_v1(agent.deal_facts[], jsonb, timestamptz) is
'A deal is in its stage for 14 days, or for longer than three of four deals of the pipeline.';

create function agent.rule_close_date_passed_v1(p_deals agent.deal_facts[], p_thresholds jsonb, p_now timestamptz)
returns setof agent.signal
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select d.client_id, 'close_date_passed', d.deal_id, concat_ws(':', d.deal_id, d.expected_close, x.step),
    x.starts_at, x.ends_at, interval '7 days', d.amount,
    case x.step when 'date' then 'Set a new closing date for ' else 'Close as lost: ' end || d.title,
    'The deal is open after the day on which it was to close.',
    format('%s was to close on %s and is still in stage %s.', d.title, d.expected_close, d.stage),
    jsonb_build_object(
      'rows', jsonb_build_array(agent.row_of('deals', d.deal_id)),
      'expected', jsonb_build_object('closed_by', d.expected_close), 'actual', jsonb_build_object('stage', d.stage)
    ),
    case x.step
      when 'date' then jsonb_build_object('kind', 'task', 'title', left('Set a new closing date for ' || d.title, 200), 'due_in_days', 2,
        'priority', 'medium', 'deal_id', d.deal_id)
      else jsonb_build_object('kind', 'deal_stage', 'deal_id', d.deal_id, 'from', d.stage, 'to', p_thresholds ->> 'lost_stage')
    end
  from unnest(p_deals) as d
  cross join (
    select ((p_thresholds ->> 'lost_after_days')::numeric) * interval '24 hours' as lost_after, p_thresholds ->> 'time_zone' as zone
  ) as t
  cross join lateral (
    values
    ('date', (d.expected_close + 1)::timestamp at time zone t.zone, (d.expected_close + 1)::timestamp at time zone t.zone + t.lost_after),
    ('lost', (d.expected_close + 1)::timestamp at time zone t.zone + t.lost_after, null)
  ) as x (step, starts_at, ends_at)
  where d.expected_close is not null and (x.ends_at is null or p_now < x.ends_at)
    and (x.step = 'date' or d.stage is distinct from p_thresholds ->> 'lost_stage')
$$;
comment on function agent.rule_close_date_passed_v1(agent.deal_facts[], jsonb, timestamptz) is
'An open deal''s closing date has passed: a task to set a new one, and after 90 days the proposal to close it as lost.';

create function agent.rule_unlikely_close_v1(p_deals agent.deal_facts[], p_thresholds jsonb, p_now timestamptz)
returns setof agent.signal
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select d.client_id, 'unlikely_close', d.deal_id, concat_ws(':', d.deal_id, d.stage, d.expected_close),
    x.since, x.ends_at, interval '14 days', d.amount,
    'Agree a realistic date for ' || d.title,
    'Hardly any deal was won so fast as this one would have to be.',
    format('%s is to close on %s, %s days after %s; of those that were won, three of four took at least %s days from there.', d.title,
      d.expected_close, d.expected_close - x.since::date, x.origin, round(x.days)),
    jsonb_build_object(
      'rows', jsonb_build_array(agent.row_of('deals', d.deal_id)),
      'expected', jsonb_build_object('closed_by', d.expected_close),
      'actual', jsonb_build_object('stage', d.stage, 'since', x.since, 'days_to_win_p25', round(x.days, 1))
    ),
    jsonb_build_object('kind', 'call', 'title', left('Call about the closing date of ' || d.title, 200), 'due_in_days', 2,
      'priority', 'medium', 'deal_id', d.deal_id)
  from unnest(p_deals) as d
  cross join lateral (
    select s.days_to_win_p25 as days, o.since, o.origin,
      (d.expected_close + 1)::timestamp at time zone (p_thresholds ->> 'time_zone') as ends_at
    from (
      values (d.stage, d.stage_since, 'it came into stage ' || d.stage, 1), ('*', d.opened_at, 'it was opened', 2)
    ) as o (stage, since, origin, place)
    inner join agent.stage_statistics_v1() as s on s.stage = o.stage and s.won >= (p_thresholds ->> 'least_samples')::integer
    where o.since is not null and s.days_to_win_p25 is not null
    order by o.place
    limit 1
  ) as x
  where d.expected_close is not null and p_now < x.ends_at and x.since + x.days * interval '24 hours' > x.ends_at
$$;
comment on function agent.rule_unlikely_close_v1(agent.deal_facts[], jsonb, timestamptz) is
'From when the deal came into its stage to its closing date there is less time than three of four deals took that were won from there.';

revoke all on type agent.deal_facts from public, anon, authenticated, service_role;
grant usage on type agent.deal_facts to authenticated;
revoke all on function
agent.open_deals_v1(agent.client_facts[], timestamptz), agent.rule_stalled_deal_v1(agent.deal_facts[], jsonb, timestamptz),
agent.rule_close_date_passed_v1(agent.deal_facts[], jsonb, timestamptz),
agent.rule_unlikely_close_v1(agent.deal_facts[], jsonb, timestamptz)
from public, anon, authenticated, service_role;
grant execute on function
agent.open_deals_v1(agent.client_facts[], timestamptz), agent.rule_stalled_deal_v1(agent.deal_facts[], jsonb, timestamptz),
agent.rule_close_date_passed_v1(agent.deal_facts[], jsonb, timestamptz),
agent.rule_unlikely_close_v1(agent.deal_facts[], jsonb, timestamptz)
to authenticated;
