insert into public.contacts (id, client_id, name, email, title, is_primary, created_at, updated_at)
select
  pg_temp.id('contact', k.n), m.id, person.first || ' ' || person.last,
  lower(person.first || '.' || person.last) || g || '@client' || m.n || '.example',
  pg_temp.pick('title', k.n, array['Plant Director', 'Head of Purchasing', 'Facilities Manager', 'Works Engineer', null]),
  g = 1, pg_temp.days_ago(400), pg_temp.days_ago(400)
from made as m
cross join lateral generate_series(1, m.contacts) as g
cross join lateral (select m.n * 100 + g as n) as k
cross join lateral (
  select
    pg_temp.pick('contact first', k.n, array['Alma', 'Bruno', 'Carys', 'Dario', 'Edda', 'Farid', 'Greta', 'Ivo', 'Jona', 'Kira', 'Luca']) as first,
    pg_temp.pick('contact last', k.n, array['Arden', 'Bexley', 'Corrie', 'Dunmore', 'Eastley', 'Fenn', 'Garrow', 'Hazel', 'Innes']) as last
) as person
where m.n between %(first)s and %(last)s
