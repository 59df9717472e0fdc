-- PUBLIC holds nothing on what is ours; a new function is PUBLIC's until it is revoked.
select format('%s on %s %s', privilege, kind, name) as offender
from our_grants
where role = 'public'
