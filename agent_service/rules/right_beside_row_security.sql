-- No client role may truncate a table of ours, point a key at it or put a trigger on it: row-level security governs none of these.
select format('%s on %s', privilege, name) as offender
from our_grants
where role = 'authenticated' and kind in ('table', 'column') and privilege in ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN')
