-- All that is ours has one owner, that of schema agent: another could change it, and an owner's rights go with definer functions.
select o.name as offender
from (
  select name, relowner as owner from our_relations
  union all
  select name, proowner from our_functions
) as o
inner join pg_catalog.pg_namespace as n on n.nspname = 'agent' and o.owner <> n.nspowner
