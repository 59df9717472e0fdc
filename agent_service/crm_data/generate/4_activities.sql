-- Defects: 1 in 200 notes was signed by a placeholder, 1 meeting in 100 is still scheduled though its day was a year ago.
insert into public.activities (
  id, client_id, contact_id, type, direction, subject, content, sentiment, status, occurred_at, created_by, created_at, updated_at
)
select
  pg_temp.id('activity', k.n), m.id,
  case when pg_temp.roll('contact', k.n) < 0.8 then pg_temp.id('contact', m.n * 100 + 1) end,
  t.type,
  case when t.type in ('email', 'call') then pg_temp.pick('direction', k.n, array['inbound', 'outbound']) end,
  pg_temp.pick('subject', k.n, array['Open points', 'Offer and terms', 'Delivery of the second lot', 'Training', 'Audit', 'Care plan']),
  x.content || case when pg_temp.roll('placeholder', k.n) < 0.005 then E'\n\n[Your Name]' else '' end,
  pg_temp.pick('sentiment', k.n, array['positive', 'neutral', 'neutral', 'negative', null]),
  case when t.forgotten then 'scheduled' else 'completed' end,
  t.at, m.owner_id, t.at, t.at
from made as m
cross join lateral generate_series(1, m.activities) as g
cross join lateral (select m.n * 100000 + g as n) as k
cross join lateral (
  select f.type, f.forgotten, pg_temp.days_ago(
    case when f.forgotten then 365 + 60 * pg_temp.roll('when', k.n)
      else current_setting('generate.days')::integer * pg_temp.roll('when', k.n) end
  ) as at
  from (
    select y.type, y.type = 'meeting' and pg_temp.roll('forgotten', k.n) < 0.01 as forgotten
    from (select pg_temp.pick('type', k.n, array['email', 'email', 'call', 'note', 'meeting']) as type) as y
  ) as f
) as t
inner join texts as x on x.n = floor(1000 * pg_temp.roll('text', k.n))
where m.n between %(first)s and %(last)s
