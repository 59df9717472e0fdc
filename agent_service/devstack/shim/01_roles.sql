-- Why: the roles of a hosted Supabase project, and above all a `postgres` that is not a superuser, as migrations meet it there.
-- Touches: the cluster's roles, so every statement can be repeated.
-- Rollout: as supabase_admin, before the other files.

do $roles$
declare
  v_role record;
begin
  for v_role in
    select r.name, r.attributes
    from (values
      ('postgres', 'login nosuperuser createrole createdb bypassrls replication'),
      ('anon', 'nologin noinherit'),
      ('authenticated', 'nologin noinherit'),
      ('service_role', 'nologin noinherit bypassrls'),
      ('authenticator', 'login noinherit'),
      ('supabase_auth_admin', 'login noinherit createrole'),
      ('agent_listener', 'login noinherit')
    ) as r (name, attributes)
  loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role.name) then
      execute format('create role %I', v_role.name);
    end if;
    execute format('alter role %I %s', v_role.name, v_role.attributes);
  end loop;
end
$roles$;

grant anon to authenticator;
grant authenticated to authenticator;
grant service_role to authenticator;
grant anon to postgres with admin option;
grant authenticated to postgres with admin option;
grant service_role to postgres with admin option;
grant authenticator to postgres with admin option;
grant pg_monitor to postgres;
grant pg_read_all_data to postgres;
grant pg_signal_backend to postgres;

alter role postgres set search_path = '$user', 'public', 'extensions';
alter role supabase_auth_admin set search_path = 'auth';
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';

-- On hosted projects supautils lets postgres set these on a role. Here each is a grant, which needs the full name.
do $parameters$
declare
  v_name text;
begin
  foreach v_name in array array[
    'db_pre_request', 'db_schemas', 'db_extra_search_path', 'db_max_rows', 'db_aggregates_enabled', 'db_plan_enabled', 'jwt_aud',
    'openapi_mode'
  ]
  loop
    execute format('grant set on parameter pgrst.%s to postgres', v_name);
  end loop;
end
$parameters$;
