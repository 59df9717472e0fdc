insert into public.tasks (
  id, client_id, assigned_to, title, priority, status, due_at, completed_at, created_at, updated_at
)
select
  pg_temp.id('task', k.n), m.id, m.owner_id,
  pg_temp.pick('task', k.n, array['Send the drawings', 'Call about the training', 'Ask for the audit page', 'Renew the care plan']),
  pg_temp.pick('priority', k.n, array['low', 'medium', 'medium', 'high']),
  case when t.done then 'done' else 'open' end, t.due,
  case when t.done then t.due + (pg_temp.roll('completed', k.n) - 0.5) * interval '2 days' end,
  t.due - interval '20 days', t.due - interval '20 days'
from made as m
cross join lateral generate_series(1, m.tasks) as g
cross join lateral (select m.n * 100 + g as n) as k
cross join lateral (
  select d.days > 0 and pg_temp.roll('done', k.n) < 0.7 as done, pg_temp.days_ago(d.days) as due
  from (select 60 * pg_temp.roll('due', k.n) - 20 as days) as d
) as t
where m.n between %(first)s and %(last)s
