-- profiles.role says who is an admin, so no client role may write it.
select format('%s to %s', p.privilege, r.role) as offender
from (values ('anon'), ('authenticated')) as r (role)
cross join (values ('insert'), ('update')) as p (privilege)
inner join pg_catalog.pg_attribute as a on a.attrelid = to_regclass('public.profiles') and a.attname = 'role'
inner join pg_catalog.pg_class as c on a.attrelid = c.oid
where has_column_privilege(r.role, a.attrelid, a.attnum, p.privilege)
  and (
    not c.relrowsecurity or exists (
      select from pg_catalog.pg_policies as w
      where w.schemaname = 'public' and w.tablename = 'profiles' and w.permissive = 'PERMISSIVE'
        and w.cmd in (upper(p.privilege), 'ALL') and w.roles && array[r.role, 'public']::name[]
    )
  )
