-- Nobody but its owner executes a trigger function: whoever may, may attach it to a table of their own.
select f.name as offender
from our_functions as f
inner join our_grants as g on g.kind = 'function' and f.oid = g.oid
where f.prorettype in ('trigger'::regtype, 'event_trigger'::regtype) and g.role = 'authenticated'
