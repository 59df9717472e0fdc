insert into public.clients (id, name, company, owner_id, tags, preferred_language, contact_preferences, created_at, updated_at)
select
  m.id, m.name, m.name, m.owner_id,
  array[pg_temp.pick('tag', m.n, array['key account', 'partner', 'new', 'public sector', 'dormant'])],
  pg_temp.pick('language', m.n, array['en', 'en', 'en', 'de', 'fr', 'es', null]),
  case when pg_temp.roll('channel', m.n) < 0.5 then '{"channel": "email"}' else '{}' end::jsonb,
  made.at, made.at
from made as m
cross join lateral (select pg_temp.days_ago(400 + 600 * pg_temp.roll('client made', m.n)) as at) as made
where m.n between %(first)s and %(last)s
