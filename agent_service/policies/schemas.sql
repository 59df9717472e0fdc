-- What stands before the tables: schemas, the worker's role, PostgREST's hook, the contract's views, and whoever owns what is ours.
select text from (
  select 1 as place, n.nspname as name, concat_ws(E'\n',
    '-- ' || obj_description(n.oid, 'pg_namespace'),
    (
      select string_agg(format('grant %s on schema %I to %s;', lower(g.privilege), n.nspname, g.role), E'\n' order by g.role, g.privilege)
      from our_grants as g where g.kind = 'schema' and g.oid = n.oid
    )) as text
  from pg_catalog.pg_namespace as n where n.nspname in ('agent', 'crm')
  union all
  select 2, r.rolname, concat_ws(E'\n',
    '-- The role of worker keys.',
    format('create role %I %s %s%s;', r.rolname, case when r.rolcanlogin then 'login' else 'nologin' end,
      case when r.rolinherit then 'inherit' else 'noinherit' end,
      concat(case when r.rolsuper then ' superuser' end, case when r.rolbypassrls then ' bypassrls' end,
        case when r.rolcreaterole then ' createrole' end, case when r.rolcreatedb then ' createdb' end)),
    (
      select string_agg(format('grant %I to %I;', r.rolname, m.rolname), E'\n' order by m.rolname)
      from pg_catalog.pg_auth_members as x inner join pg_catalog.pg_roles as m on m.oid = x.member
      where x.roleid = r.oid and m.rolname not in ('postgres', 'supabase_admin')
    ))
  from pg_catalog.pg_roles as r where r.rolname = 'agent_worker'
  union all
  select 3, s.setting, '-- PostgREST runs it before each request, as the role of the request.' || E'\n'
    || format('alter role authenticator set %s;', replace(s.setting, '=', ' = '))
  from authenticator_settings as s where s.setting like 'pgrst.db\_pre\_request=%'
  union all
  select 4, v.name, concat_ws(E'\n',
    '-- ' || coalesce(obj_description(v.oid, 'pg_class'), 'Without a comment.'),
    format('create view %s (%s) with (%s) as select … from %s;', v.name,
      (select string_agg(a.attname, ', ' order by a.attnum) from pg_catalog.pg_attribute as a where a.attrelid = v.oid and a.attnum > 0),
      (select array_to_string(c.reloptions, ', ') from pg_catalog.pg_class as c where c.oid = v.oid),
      (select string_agg(distinct r.refobjid::regclass::text, ', ') from view_reads as r
       where r.view_oid = v.oid and r.refclassid = 'pg_class'::regclass)),
    (
      select string_agg(format('grant %s on %s to %s;', lower(g.privilege), v.name, g.role), E'\n' order by g.role, g.privilege)
      from our_grants as g where g.kind = 'table' and g.oid = v.oid
    ))
  from our_relations as v where v.relkind = 'v'
  union all
  select 5, '', concat_ws(E'\n',
    format('-- %s owns schema agent and with it everything of ours.', n.nspowner::regrole),
    (
      select string_agg(format('alter %s %s owner to %s;', o.kind, o.name, o.owner::regrole), E'\n' order by o.kind, o.name)
      from (
        select case relkind when 'v' then 'view' else 'table' end, name, relowner from our_relations
        union all
        select 'function', name, proowner from our_functions
      ) as o (kind, name, owner)
      where o.owner <> n.nspowner
    ))
  from pg_catalog.pg_namespace as n where n.nspname = 'agent'
) as told
order by place, name
