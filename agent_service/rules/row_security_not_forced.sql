-- Every table of ours has row-level security, forced on its owner as well.
select name as offender
from our_relations
where relkind in ('r', 'p') and not (relrowsecurity and relforcerowsecurity)
