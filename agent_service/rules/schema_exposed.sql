-- PostgREST exposes neither agent nor crm.
select setting as offender
from authenticator_settings
where setting ~ '^pgrst\.db_schemas=.*\m(agent|crm)\M'
