insert into public.orders (id, client_id, order_number, product, status, total, currency, ordered_at, created_at, updated_at)
select
  pg_temp.id('order', k.n), m.id, 'SO-' || k.n,
  case when pg_temp.roll('order spelling', k.n) < 0.05 then 'AirSensePro' else 'AirSense Pro' end,
  pg_temp.pick('order status', k.n, array['completed', 'completed', 'completed', 'pending', 'refunded']),
  round((200 + 20000 * pg_temp.roll('total', k.n) ^ 2)::numeric, 2), 'USD', at.moment, at.moment, at.moment
from made as m
cross join lateral generate_series(1, m.orders) as g
cross join lateral (select m.n * 100 + g as n) as k
cross join lateral (select pg_temp.days_ago(500 * pg_temp.roll('ordered', k.n)) as moment) as at
where m.n between %(first)s and %(last)s
