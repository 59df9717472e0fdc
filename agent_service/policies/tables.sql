-- Each table of ours and each of the host's that we guard, as it would be written: its comment, row-level security, policies, grants and
-- triggers; of ours also the foreign keys, since deleting what they name deletes or changes rows without any right to. Owners' own rights
-- are left out.
with shown as (
  select c.oid, format('%I.%I', n.nspname, c.relname) as name, n.nspname, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relowner,
    c.relacl
  from pg_catalog.pg_class as c
  inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and (
    c.oid in (select o.oid from our_relations as o)
    or c.oid in (select t.tgrelid from pg_catalog.pg_trigger as t where t.tgname = 'agent_guard_write')
  )
),
granted as (
  select s.oid, case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee, lower(a.privilege_type) as privilege, null as columns
  from shown as s cross join lateral aclexplode(s.relacl) as a
  where a.grantee <> s.relowner
  union all
  select s.oid, case a.grantee when 0 then 'public' else a.grantee::regrole::text end, lower(a.privilege_type),
    string_agg(quote_ident(c.attname), ', ' order by c.attnum)
  from shown as s
  inner join pg_catalog.pg_attribute as c on c.attrelid = s.oid and c.attacl is not null and not c.attisdropped
  cross join lateral aclexplode(c.attacl) as a
  where a.grantee <> s.relowner
  group by 1, 2, 3
)
select
  case when s.nspname = 'public' then s.relname else s.name end as file,
  concat_ws(E'\n\n',
    coalesce('-- ' || replace(obj_description(s.oid, 'pg_class'), E'\n', E'\n-- '), '-- A table of the CRM, with its own policies and our guards.'),
    format('alter table %s %s row level security;', s.name, case when s.relrowsecurity then 'enable' else 'disable' end)
    || case when s.relforcerowsecurity then format(E'\nalter table %s force row level security;', s.name) else '' end,
    (
      select string_agg(
        coalesce('-- ' || replace(obj_description(p.oid, 'pg_policy'), E'\n', E'\n-- ') || E'\n', '')
        || format(E'create policy %I on %s\n  as %s for %s to %s', p.polname, s.name,
          case when p.polpermissive then 'permissive' else 'restrictive' end,
          case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
          (select string_agg(case r.oid when 0 then 'public' else r.oid::regrole::text end, ', ' order by 1) from unnest(p.polroles) as r (oid)))
        || coalesce(E'\n  using ' || regexp_replace(pg_get_expr(p.polqual, p.polrelid), '^(\w+)$', '(\1)'), '')
        || coalesce(E'\n  with check ' || regexp_replace(pg_get_expr(p.polwithcheck, p.polrelid), '^(\w+)$', '(\1)'), '') || ';',
        E'\n\n' order by p.polpermissive desc, array_position('{r,a,w,d,*}'::"char"[], p.polcmd), p.polname)
      from pg_catalog.pg_policy as p where p.polrelid = s.oid
    ),
    coalesce((
      select string_agg(format('grant %s on table %s to %s;', g.privileges, s.name, g.grantee), E'\n' order by g.grantee)
      from (
        select g.grantee, string_agg(g.privilege || coalesce(' (' || g.columns || ')', ''), ', ' order by g.privilege, g.columns) as privileges
        from granted as g where g.oid = s.oid group by g.grantee
      ) as g
    ), '-- Nobody but its owner holds anything here.'),
    (
      select string_agg(format('alter table %s add constraint %I %s;', s.name, k.conname, pg_get_constraintdef(k.oid)), E'\n' order by k.conname)
      from pg_catalog.pg_constraint as k
      where k.conrelid = s.oid and k.contype = 'f' and s.oid in (select o.oid from our_relations as o)
    ),
    (
      select string_agg(
        coalesce('-- ' || replace(obj_description(t.tgfoid, 'pg_proc'), E'\n', E'\n-- ') || E'\n', '')
        || pg_get_triggerdef(t.oid) || ';' || case t.tgenabled when 'O' then '' else ' -- enabled: ' || t.tgenabled::text end,
        E'\n\n' order by t.tgname)
      from pg_catalog.pg_trigger as t where t.tgrelid = s.oid and not t.tgisinternal
    )
  ) as text
from shown as s
order by 1
