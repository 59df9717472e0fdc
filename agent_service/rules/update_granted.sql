-- Nobody updates or deletes a row of ours directly: owner, status and text change in functions that check.
select format('%s on %s', privilege, name) as offender
from our_grants
where role = 'authenticated' and kind in ('table', 'column') and privilege in ('UPDATE', 'DELETE')
