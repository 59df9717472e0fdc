-- Rights are authenticated's and agent_worker's alone; any other role may reach the pre-request hook and nothing else.
select format('%s on %s %s to %s', privilege, kind, name, role) as offender
from our_grants
where role not in ('public', 'authenticated', 'agent_worker')
  and not (kind = 'schema' and name = 'agent' and privilege = 'USAGE')
  and not (kind = 'function' and name ~ '^agent\.check_request(_v\d+)?\(\)$')
