-- Beneath a view of ours, at any depth, nothing reads with its owner's rights: security_invoker ends at the next view.
with recursive beneath (relid) as (
  select oid from our_relations where relkind = 'v'
  union
  select d.refobjid
  from beneath as b
  inner join view_reads as d on b.relid = d.view_oid and d.refclassid = 'pg_class'::regclass
)

select b.relid::regclass::text as offender
from beneath as b
inner join pg_catalog.pg_class as c on b.relid = c.oid
left join all_views as v on b.relid = v.oid
where not exists (select from our_relations as r where r.oid = b.relid)
  and (c.relkind in ('m', 'f') or (c.relkind = 'v' and not v.is_invoker))
