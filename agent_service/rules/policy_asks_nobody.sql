-- A permissive policy asks whose a row is, or reads a table that has policies: an anonymous sign-in is authenticated, too.
select p.name as offender
from our_policies as p
where p.polpermissive
  and not exists (
    select from pg_catalog.pg_depend as d
    left join pg_catalog.pg_proc as f on d.refclassid = 'pg_proc'::regclass and d.refobjid = f.oid
    where d.classid = 'pg_policy'::regclass and d.objid = p.oid
      and (
        f.oid in (to_regprocedure('auth.uid()'), to_regprocedure('auth.jwt()'))
        or f.pronamespace = to_regnamespace('agent')
        or (d.refclassid = 'pg_class'::regclass and d.refobjid <> p.polrelid)
      )
  )
