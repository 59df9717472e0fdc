-- Why: the schemas and the publication that a hosted Supabase project has before anyone adds to it.
-- Touches: the current database and its schemas.
-- Rollout: after 01_roles.sql, once per database.

do $owner$
begin
  execute format('alter database %I owner to postgres', current_database()); -- and so of schema public, by pg_database_owner
end
$owner$;

grant usage on schema public to anon, authenticated, service_role;

create schema extensions;
grant usage on schema extensions to anon, authenticated, service_role;
grant usage, create on schema extensions to postgres;

create schema graphql_public;
grant usage on schema graphql_public to postgres, anon, authenticated, service_role;

do $publication$
begin
  create publication supabase_realtime;
  alter publication supabase_realtime owner to postgres;
end
$publication$;
