-- A view that filters by who is asking is a security_barrier, or a leaky function in the caller's own filter sees the rows first.
select distinct v.name as offender
from all_views as v
inner join view_reads as d on v.oid = d.view_oid and d.refclassid = 'pg_proc'::regclass
inner join pg_catalog.pg_proc as p on d.refobjid = p.oid and p.pronamespace::regnamespace::text in ('agent', 'auth')
where v.relkind = 'v' and not v.is_barrier
  and (
    exists (select from our_relations as r where r.oid = v.oid)
    or exists (
      select from view_reads as t
      inner join our_relations as r on t.refobjid = r.oid
      where t.view_oid = v.oid
    )
  )
