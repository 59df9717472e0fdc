-- Why: what all rules ask of a client, read once for a whole set of clients.
-- Touches: new types agent.client_facts and agent.signal, new functions.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create type agent.client_facts as (
  client_id uuid,
  client_name text,
  contact_id uuid,
  last_activity_id uuid,
  last_activity_at timestamptz,
  gaps integer,
  gap_p90_days numeric,
  planned_at timestamptz,
  inbound_id uuid,
  inbound_contact_id uuid,
  inbound_at timestamptz,
  positive_id uuid,
  positive_contact_id uuid,
  positive_at timestamptz,
  last_order_id uuid,
  last_order_at timestamptz,
  first_order_id uuid,
  first_order_at timestamptz,
  orders integer,
  order_gap_p50_days numeric,
  order_gap_p90_days numeric,
  open_amount numeric
);
comment on type agent.client_facts is
'What rules ask of a client. gaps: between the days with activities, of the last 60; gap_p90_days: nine of ten of them are as '
'short. inbound: the newest message of the client that nothing has answered. planned_at: the next activity that is scheduled. orders: '
'days with orders that stood.';

create type agent.signal as (
  client_id uuid,
  rule_key text,
  subject_id uuid,
  basis text,
  starts_at timestamptz,
  ends_at timestamptz,
  unit interval,
  amount numeric,
  title text,
  description text,
  reasoning text,
  evidence jsonb,
  action_data jsonb
);
comment on type agent.signal is
'What a rule found: true from starts_at to ends_at (null: until records change), urgent by how many units have passed. basis: the '
'evidence in short; while it is the same, so is the signal.';

-- Definer: nobody may read switches or consents of others; it answers about clients, as a set.
create function agent.without_ai_v1(p_client_ids uuid[]) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select s.subject::uuid from agent.ai_switches as s
  where s.scope = 'client' and s.subject::uuid = any (p_client_ids)
  union
  select c.client_id from (
    select distinct on (e.client_id) e.client_id, e.granted from public.ai_consents as e
    where e.client_id = any (p_client_ids) and e.kind = 'processing'
    order by e.client_id, e.id desc
  ) as c
  where not c.granted
$$;
comment on function agent.without_ai_v1(uuid[]) is 'Those of the clients that AI may not work on: switched off, or consent withdrawn.';

-- Invoker, as every rule: it reads what its caller may. Records from the future are passed over, and so is what was only planned
-- and never marked as done.
create function agent.client_facts_v1(p_client_ids uuid[], p_now timestamptz) returns agent.client_facts[]
language sql stable set search_path = pg_catalog, pg_temp
set enable_nestloop = off -- nobody knows how long an array is, and each part is as long as it
as $$
  with
  wanted as materialized (
    select c.id, c.name from crm.clients as c
    where c.id = any (p_client_ids) and c.id <> all (array(select agent.without_ai_v1(p_client_ids)))
  ),
  happened as materialized (
    select a.client_id, a.id, a.contact_id, a.type, a.direction, a.occurred_at, a.sentiment,
      row_number() over (partition by a.client_id order by a.occurred_at desc, a.id) as place
    from crm.activities as a
    where a.client_id = any (array(select w.id from wanted as w)) and a.occurred_at <= p_now
      and coalesce(a.status, 'completed') not in ('scheduled', 'cancelled')
  ),
  -- The last 60 activities, not the last year: a rhythm changes with what happens, not with the hour at which one looks.
  gaps as (
    select d.client_id, count(d.gap)::integer as gaps, percentile_cont(0.9) within group (order by d.gap)::numeric as p90
    from (
      select h.client_id, nullif(h.occurred_at::date - lead(h.occurred_at::date) over (partition by h.client_id order by h.place), 0) as gap
      from happened as h where h.place <= 60
    ) as d
    group by d.client_id
  ),
  answered as (
    select h.client_id, max(h.occurred_at) as answered_at from happened as h
    where h.type = 'meeting' or (h.type in ('email', 'call') and h.direction = 'outbound')
    group by h.client_id
  ),
  inbound as (
    select distinct on (h.client_id) h.* from happened as h
    left join answered as a on a.client_id = h.client_id
    where h.direction = 'inbound' and h.type in ('email', 'call') and (a.answered_at is null or h.occurred_at > a.answered_at)
    order by h.client_id, h.occurred_at desc, h.id
  ),
  positive as (
    select distinct on (h.client_id) h.* from happened as h
    where h.sentiment = 'positive'
    order by h.client_id, h.occurred_at desc, h.id
  ),
  planned as (
    select a.client_id, min(a.occurred_at) as planned_at from crm.activities as a
    where a.client_id = any (array(select w.id from wanted as w)) and a.occurred_at > p_now
      and coalesce(a.status, 'scheduled') <> 'cancelled'
    group by a.client_id
  ),
  bought as materialized (
    select o.client_id, o.id, o.ordered_at,
      nullif(o.ordered_at::date - lag(o.ordered_at::date) over (partition by o.client_id order by o.ordered_at, o.id), 0) as gap
    from crm.orders as o
    where o.client_id = any (array(select w.id from wanted as w)) and o.ordered_at <= p_now
      and coalesce(o.status, 'completed') not in ('cancelled', 'refunded')
  ),
  orders as (
    select b.client_id, count(b.gap)::integer + 1 as orders,
      (array_agg(b.id order by b.ordered_at desc, b.id))[1] as last_id, max(b.ordered_at) as last_at,
      (array_agg(b.id order by b.ordered_at, b.id))[1] as first_id, min(b.ordered_at) as first_at,
      percentile_cont(0.5) within group (order by b.gap)::numeric as gap_p50,
      percentile_cont(0.9) within group (order by b.gap)::numeric as gap_p90
    from bought as b group by b.client_id
  ),
  amounts as (
    select d.client_id, sum(greatest(d.amount, 0)) as open_amount from crm.deals as d
    where d.client_id = any (array(select w.id from wanted as w)) and d.is_open
    group by d.client_id
  ),
  primaries as (
    select distinct on (c.client_id) c.client_id, c.id from crm.contacts as c
    where c.client_id = any (array(select w.id from wanted as w))
    order by c.client_id, c.is_primary desc nulls last, c.id
  )
  select coalesce(array_agg(row(
    w.id, w.name, p.id, n.id, n.occurred_at, coalesce(g.gaps, 0), g.p90, s.planned_at, i.id, i.contact_id, i.occurred_at,
    v.id, v.contact_id, v.occurred_at, o.last_id, o.last_at, o.first_id, o.first_at, coalesce(o.orders, 0), o.gap_p50, o.gap_p90,
    coalesce(m.open_amount, 0)
  )::agent.client_facts order by w.id), '{}')
  from wanted as w
  left join primaries as p on p.client_id = w.id
  left join happened as n on n.client_id = w.id and n.place = 1
  left join gaps as g on g.client_id = w.id
  left join planned as s on s.client_id = w.id
  left join inbound as i on i.client_id = w.id
  left join positive as v on v.client_id = w.id
  left join orders as o on o.client_id = w.id
  left join amounts as m on m.client_id = w.id
$$;
comment on function agent.client_facts_v1(uuid[], timestamptz) is
'The facts of those of the clients that the caller sees and AI may work on, at that time.';

revoke all on function agent.without_ai_v1(uuid[]), agent.client_facts_v1(uuid[], timestamptz)
from public, anon, authenticated, service_role;
revoke all on type agent.client_facts, agent.signal from public, anon, authenticated, service_role;
grant usage on type agent.client_facts, agent.signal to authenticated;
grant execute on function agent.without_ai_v1(uuid[]), agent.client_facts_v1(uuid[], timestamptz) to authenticated;
