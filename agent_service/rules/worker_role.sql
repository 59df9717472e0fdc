-- agent_worker cannot log in, bypasses nothing, is a member of nothing, and only authenticator and its creator may become it.
select 'it may ' || a.ability as offender
from pg_catalog.pg_roles as r
cross join lateral (
  values
  ('log in', r.rolcanlogin), ('do anything', r.rolsuper), ('bypass row-level security', r.rolbypassrls), ('inherit', r.rolinherit),
  ('create roles', r.rolcreaterole), ('create databases', r.rolcreatedb), ('replicate', r.rolreplication)
) as a (ability, held)
where r.rolname = 'agent_worker' and a.held
union all
select format('%s is a member of %s', m.member::regrole, m.roleid::regrole)
from pg_catalog.pg_auth_members as m
inner join pg_catalog.pg_namespace as n on n.nspname = 'agent'
where m.member = 'agent_worker'::regrole
  or (m.roleid = 'agent_worker'::regrole and m.member not in ('authenticator'::regrole, n.nspowner))
