-- PostgREST asks agent.check_request before every request.
select coalesce(max(s.setting), 'pgrst.db_pre_request is not set') as offender
from (
  select setting
  from authenticator_settings
  where setting like 'pgrst.db\_pre\_request=%'
  order by is_for_database desc -- it wins over the one for the role
  limit 1
) as s
having max(s.setting) is distinct from 'pgrst.db_pre_request=agent.check_request'
