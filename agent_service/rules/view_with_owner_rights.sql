-- A view of ours, or of the host's over a table of ours, asks as its caller: with (security_invoker = true).
select v.name as offender
from all_views as v
where v.relkind = 'v' and not v.is_invoker
  and (
    exists (select from our_relations as r where r.oid = v.oid)
    or exists (
      select from view_reads as d
      inner join our_relations as r on d.refobjid = r.oid
      where d.view_oid = v.oid
    )
  )
