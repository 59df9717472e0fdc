-- Names stay below 63 bytes: a longer one is cut off in silence.
select o.name as offender
from (
  select relname as name from our_relations
  union all
  select i.relname
  from pg_catalog.pg_class as i
  where exists (
    select from pg_catalog.pg_index as x
    inner join our_relations as r on x.indrelid = r.oid
    where x.indexrelid = i.oid
  )
  union all
  select c.conname
  from pg_catalog.pg_constraint as c
  inner join our_relations as r on c.conrelid = r.oid
  union all
  select t.tgname
  from pg_catalog.pg_trigger as t
  inner join our_relations as r on t.tgrelid = r.oid
  where not t.tgisinternal
  union all
  select proname from our_functions
  union all
  select polname from our_policies
) as o
where octet_length(o.name) >= 63
