-- In agent a client role may execute functions by name, and read no table; in agent and crm it may create nothing.
select format('%s on %s %s', privilege, kind, name) as offender
from our_grants
where role = 'authenticated'
  and (
    (kind in ('table', 'column') and privilege = 'SELECT' and name ~ '^agent\.')
    or (kind = 'schema' and privilege = 'CREATE')
  )
