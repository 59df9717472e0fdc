-- Why: how a client and we talk: how much, by which way, how fast, when, and whether it grows.
-- Touches: new functions.
-- Rollout: new objects only. docs/intelligence.md has every formula.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function agent.lacking(p_what text, p_has bigint, p_needs integer) returns jsonb
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('insufficient_data', format('%s: %s of at least %s', p_what, p_has, p_needs))
$$;
comment on function agent.lacking(text, bigint, integer) is 'What stands in place of a figure that too few records would make a guess.';

-- Weeks begin on Monday in the organisation's time zone (ISO 8601); twelve of them, the last one being the running one.
create function agent.weekly_volume_v1(p_client_id uuid, p_now timestamptz) returns table (
  week date, inbound integer, outbound integer, other integer
)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select w.week, count(a.id) filter (where a.direction = 'inbound')::integer, count(a.id) filter (where a.direction = 'outbound')::integer,
    count(a.id) filter (where a.direction is null)::integer
  from (
    select (date_trunc('week', p_now at time zone agent.time_zone()) - make_interval(weeks => n))::date as week
    from generate_series(0, 11) as n
  ) as w
  left join crm.activities as a on a.client_id = p_client_id
    and a.occurred_at >= w.week::timestamp at time zone agent.time_zone()
    and a.occurred_at < (w.week + 7)::timestamp at time zone agent.time_zone()
    and a.occurred_at <= p_now and coalesce(a.status, 'completed') not in ('scheduled', 'cancelled')
  group by w.week
  order by w.week
$$;
comment on function agent.weekly_volume_v1(uuid, timestamptz) is 'Activities of a client in each of the last twelve weeks, oldest first.';

-- A turn is a run of mails and calls in one direction; what is measured is from the first of a turn to the first of the next.
create function agent.response_times_v1(p_client_id uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with
  said as (
    select a.direction, a.occurred_at, lag(a.direction) over (order by a.occurred_at, a.id) as before
    from crm.activities as a
    where a.client_id = p_client_id and a.type in ('email', 'call') and a.direction in ('inbound', 'outbound')
      and a.occurred_at <= p_now and a.occurred_at > p_now - interval '365 days'
      and coalesce(a.status, 'completed') not in ('scheduled', 'cancelled')
  ),
  turns as (
    select s.direction, extract(epoch from s.occurred_at - lag(s.occurred_at) over (order by s.occurred_at)) / 3600 as hours
    from said as s where s.before is distinct from s.direction
  ),
  sides as (
    select w.side, count(t.hours) as samples, percentile_cont(0.5) within group (order by t.hours) as median
    from (values ('ours', 'outbound'), ('theirs', 'inbound')) as w (side, direction)
    left join turns as t on t.direction = w.direction and t.hours is not null
    group by w.side
  )
  select jsonb_object_agg(s.side, case
    when s.samples >= 3 then jsonb_build_object('median_hours', round(s.median::numeric, 1), 'samples', s.samples)
    else agent.lacking('answers', s.samples, 3)
  end)
  from sides as s
$$;
comment on function agent.response_times_v1(uuid, timestamptz) is
'{ours, theirs}: the median hours until the other side is answered, over a year; insufficient_data below 3 answers.';

create function agent.best_hour_v1(p_client_id uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with
  hours as (
    select extract(hour from a.occurred_at at time zone agent.time_zone())::integer as hour, count(*) as count
    from crm.activities as a
    where a.client_id = p_client_id and a.direction = 'inbound' and a.type in ('email', 'call')
      and a.occurred_at <= p_now and a.occurred_at > p_now - interval '365 days'
      and coalesce(a.status, 'completed') not in ('scheduled', 'cancelled')
    group by 1
  )
  select case
    when coalesce(sum(h.count), 0) < 5 then agent.lacking('messages of the client', coalesce(sum(h.count), 0)::bigint, 5)
    else jsonb_build_object(
      'hour', (array_agg(h.hour order by h.count desc, h.hour))[1], 'share', round(max(h.count) / sum(h.count), 2), 'samples', sum(h.count)
    )
  end
  from hours as h
$$;
comment on function agent.best_hour_v1(uuid, timestamptz) is
'The hour of the day in which the client writes and calls most often, over a year; insufficient_data below 5 messages.';

revoke all on function
agent.lacking(text, bigint, integer), agent.weekly_volume_v1(uuid, timestamptz), agent.response_times_v1(uuid, timestamptz),
agent.best_hour_v1(uuid, timestamptz)
from public, anon, authenticated, service_role;
grant execute on function
agent.lacking(text, bigint, integer), agent.weekly_volume_v1(uuid, timestamptz), agent.response_times_v1(uuid, timestamptz),
agent.best_hour_v1(uuid, timestamptz)
to authenticated;
