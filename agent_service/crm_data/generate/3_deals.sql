-- Defects: 1 in 100 has lost its client, 3 in 100 their owner, 1 in 20 spells its product another way, 1 in 100 of the closed ones was
-- closed the day before it was opened. None has a history of its stages.
insert into public.deals (
  id, client_id, owner_id, title, product, stage, amount, currency, expected_close, opened_at, closed_at, created_at, updated_at
)
select
  pg_temp.id('deal', k.n),
  case when pg_temp.roll('orphan', k.n) >= 0.01 then m.id end,
  case when pg_temp.roll('deal owner', k.n) >= 0.03 then m.owner_id end,
  'Deal ' || m.n || '-' || g,
  case when pg_temp.roll('spelling', k.n) < 0.05 then 'AirSensePro'
    else pg_temp.pick('product', k.n, array['AirSense Pro', 'AirSense One', 'Install & Care']) end,
  t.stage,
  case when pg_temp.roll('no amount', k.n) >= 0.05 then round((500 + 40000 * pg_temp.roll('amount', k.n) ^ 2)::numeric, -1) end,
  case when pg_temp.roll('currency', k.n) < 0.8 then 'USD' else 'EUR' end,
  case when t.stage not in ('won', 'lost') then (pg_temp.today() + (90 * pg_temp.roll('close', k.n) - 20) * interval '1 day')::date end,
  t.opened,
  case
    when t.stage not in ('won', 'lost') then null
    when pg_temp.roll('closed before', k.n) < 0.01 then t.opened - interval '1 day'
    else t.opened + t.age * pg_temp.roll('length', k.n) * interval '1 day'
  end,
  t.opened, t.opened
from made as m
cross join lateral generate_series(1, m.deals) as g
cross join lateral (select m.n * 100 + g as n) as k
cross join lateral (
  select age.days as age, pg_temp.days_ago(age.days) as opened,
    pg_temp.pick('stage', k.n, array['lead', 'qualified', 'proposal', 'negotiation', 'won', 'won', 'lost']) as stage
  from (select 5 + 300 * pg_temp.roll('opened', k.n) as days) as age
) as t
where m.n between %(first)s and %(last)s
