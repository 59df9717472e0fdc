-- Why: the rules over tasks and orders: overdue, a rhythm that broke, an anniversary.
-- Touches: new functions.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function agent.rule_overdue_task_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamptz)
returns setof agent.signal
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select f.client_id, 'overdue_task', t.id, concat_ws(':', t.id, extract(epoch from t.due_at)),
    t.due_at, null::timestamptz,
    (coalesce(p_thresholds ->> (t.priority || '_days'), p_thresholds ->> 'medium_days')::numeric) * interval '24 hours', f.open_amount,
    'Escalate: ' || x.title,
    'The task is overdue.',
    format('%s was due on %s and is still open.', t.title, t.due_at::date),
    jsonb_build_object(
      'rows', jsonb_build_array(agent.row_of('tasks', t.id)),
      'expected', jsonb_build_object('done_by', t.due_at), 'actual', jsonb_build_object('priority', t.priority)
    ),
    jsonb_strip_nulls(jsonb_build_object('kind', 'task', 'title', left('Escalate: ' || x.title, 200), 'due_in_days', 1,
      'priority', 'high', 'deal_id', t.deal_id))
  from unnest(p_facts) as f
  inner join crm.tasks as t
    -- Said twice: the list takes the index where a join with an array of unknown length read the whole table.
    on t.client_id = f.client_id and t.client_id = any (array(select a.client_id from unnest(p_facts) as a))
  cross join lateral (select regexp_replace(t.title, '^Escalate: ', '') as title) as x -- one that was escalated before
  where t.is_open and t.due_at is not null
$$;
comment on function agent.rule_overdue_task_v1(agent.client_facts[], jsonb, timestamptz) is 'An open task''s time has passed.';

create function agent.rule_order_rhythm_broken_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamptz)
returns setof agent.signal
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select f.client_id, 'order_rhythm_broken', f.last_order_id, f.last_order_id::text,
    f.last_order_at + l.days * interval '24 hours', null::timestamptz, f.order_gap_p50_days * interval '24 hours', f.open_amount,
    'Find out why ' || f.client_name || ' stopped ordering',
    'Orders came regularly and have stopped.',
    format('%s used to order about every %s days; the last order is of %s.', f.client_name, round(f.order_gap_p50_days),
      f.last_order_at::date),
    jsonb_build_object(
      'rows', jsonb_build_array(agent.row_of('orders', f.last_order_id)),
      'expected', jsonb_build_object('next_order_by', (f.last_order_at + l.days * interval '24 hours')::date),
      'actual', jsonb_build_object('last_order_at', f.last_order_at, 'usual_days', round(f.order_gap_p50_days, 1))
    ),
    agent.draft_action('check_in', f.contact_id, null, 'They used to order regularly and have not for a while: ask how things are.')
  from unnest(p_facts) as f
  cross join lateral (
    select greatest(f.order_gap_p50_days * (p_thresholds ->> 'times')::numeric, f.order_gap_p90_days) as days
  ) as l
  where f.orders >= (p_thresholds ->> 'least_orders')::integer and f.order_gap_p50_days >= (p_thresholds ->> 'least_days')::numeric
$$;
comment on function agent.rule_order_rhythm_broken_v1(agent.client_facts[], jsonb, timestamptz) is
'No order for one and a half times the usual gap and for longer than nine of ten of the client''s own, where there were at least 4.';

-- 29 February is 28 February in other years, as Postgres adds years.
create function agent.rule_anniversary_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamptz)
returns setof agent.signal
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select e.client_id, 'anniversary', e.id, concat_ws(':', e.id, a.day),
    a.day::timestamp at time zone t.zone - t.days * interval '24 hours', (a.day + 1)::timestamp at time zone t.zone, interval '7 days', e.amount,
    format('Write to %s for the anniversary', e.client_name),
    'An anniversary is near: a reason to be in touch.',
    format('%s is the anniversary of the %s with %s of %s.', a.day, e.what, e.client_name, e.day),
    jsonb_build_object(
      'rows', jsonb_build_array(agent.row_of(e.table_name, e.id)),
      'expected', jsonb_build_object('anniversary', a.day), 'actual', jsonb_build_object('since', e.day)
    ),
    agent.draft_action('check_in', e.contact_id, null,
      format('%s is the anniversary of our %s of %s.', a.day, e.what, e.day))
  from (select p_thresholds ->> 'time_zone' as zone, (p_thresholds ->> 'days_before')::numeric as days) as t
  cross join lateral (
    select f.client_id, f.client_name, f.contact_id, f.open_amount as amount, 'orders' as table_name, 'first order' as what,
      f.first_order_id as id, (f.first_order_at at time zone t.zone)::date as day
    from unnest(p_facts) as f where f.first_order_id is not null
    union all
    (
      select distinct on (f.client_id) f.client_id, f.client_name, f.contact_id, greatest(d.amount, 0), 'deals', 'last contract',
        d.id, (d.closed_at at time zone t.zone)::date
      from unnest(p_facts) as f
      inner join crm.deals as d on d.client_id = f.client_id
      where not d.is_open and agent.is_won(d.stage) and d.closed_at <= p_now
      order by f.client_id, d.closed_at desc, d.id
    )
  ) as e
  cross join lateral (
    select (p_now at time zone t.zone)::date as today,
      extract(year from p_now at time zone t.zone)::integer - extract(year from e.day)::integer as years
  ) as n
  cross join lateral (
    select (e.day + make_interval(years => greatest(1, n.years + case
      when (e.day + make_interval(years => n.years))::date < n.today then 1 else 0 end)))::date as day
  ) as a
$$;
comment on function agent.rule_anniversary_v1(agent.client_facts[], jsonb, timestamptz) is
'In at most 14 days it is so many years since the first order, or since the last deal was won.';

revoke all on function
agent.rule_overdue_task_v1(agent.client_facts[], jsonb, timestamptz),
agent.rule_order_rhythm_broken_v1(agent.client_facts[], jsonb, timestamptz),
agent.rule_anniversary_v1(agent.client_facts[], jsonb, timestamptz)
from public, anon, authenticated, service_role;
grant execute on function
agent.rule_overdue_task_v1(agent.client_facts[], jsonb, timestamptz),
agent.rule_order_rhythm_broken_v1(agent.client_facts[], jsonb, timestamptz),
agent.rule_anniversary_v1(agent.client_facts[], jsonb, timestamptz)
to authenticated;
