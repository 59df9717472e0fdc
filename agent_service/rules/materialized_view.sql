-- No materialized view or foreign table holds what is ours: neither has row-level security.
select name as offender
from our_relations
where relkind in ('m', 'f')
union
select v.name
from all_views as v
inner join view_reads as d on v.oid = d.view_oid
inner join our_relations as r on d.refobjid = r.oid
where v.relkind = 'm'
