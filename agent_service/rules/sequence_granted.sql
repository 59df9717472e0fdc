-- No client role holds a sequence of ours: it counts what others do, and setval breaks what they do next.
select format('%s on %s', privilege, name) as offender
from our_grants
where role = 'authenticated' and kind = 'sequence'
