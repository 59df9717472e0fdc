-- Why: an agent token is a user's token with less: PostgREST asks this function before every request.
-- Touches: setting pgrst.db_pre_request of role authenticator; a hook that was there before is kept and called after ours.
-- Rollout: PostgREST reads it at once (NOTIFY pgrst). Remove with: alter role authenticator set pgrst.db_pre_request = '<the former>'.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.host_settings (
  name text primary key,
  value text not null
);
comment on table agent.host_settings is 'What the host had before us and needs again: its own pre-request hook.';
do $former$
declare
  v_name text := (
    select nullif(split_part(s.setting, '=', 2), '')
    from pg_catalog.pg_db_role_setting as r
    cross join lateral unnest(r.setconfig) as s (setting)
    where r.setrole = 'authenticator'::regrole
      and r.setdatabase in (0, (select d.oid from pg_catalog.pg_database as d where d.datname = current_database()))
      and s.setting like 'pgrst.db\_pre\_request=%'
    order by r.setdatabase desc -- as PostgREST reads it: a setting for the database wins over one for the role
    limit 1
  );
  v_function oid := coalesce(to_regprocedure(v_name || '()')::oid, to_regproc(v_name)::oid); -- the latter: it has defaults
  v_schema name;
begin
  if v_name is null or v_name = 'agent.check_request' then
    return;
  elsif v_function is null then
    raise exception using message = format('pgrst.db_pre_request names %s, and there is no such function to keep.', v_name),
      hint = 'Name it with its schema, or reset the setting of role authenticator.';
  end if;
  insert into agent.host_settings (name, value)
  select 'pgrst.db_pre_request', format('%I.%I', n.nspname, p.proname)
  from pg_catalog.pg_proc as p
  inner join pg_catalog.pg_namespace as n on p.pronamespace = n.oid
  where p.oid = v_function;
  -- Workers' requests go through it like everybody's.
  if not has_function_privilege('agent_worker', v_function, 'execute') then
    execute format('grant execute on function %s to agent_worker', v_function::regprocedure);
  end if;
  v_schema := (select p.pronamespace::regnamespace from pg_catalog.pg_proc as p where p.oid = v_function);
  if not has_schema_privilege('agent_worker', v_schema::text, 'usage') then
    execute format('grant usage on schema %I to agent_worker', v_schema);
  end if;
end
$former$;

-- Definer: it reads agent.jobs, agent.worker_keys and auth.users for a caller who may read none of them.
-- Returns what is left to the caller's own rights: whether to go read-only, and the host's own hook.
create function agent.check_request_v1(out is_read_only boolean, out host_hook text)
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_claims jsonb := coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;
  v_headers jsonb := coalesce(nullif(current_setting('request.headers', true), ''), '{}')::jsonb;
  v_function text := substring(current_setting('request.path', true) from '^/rpc/([a-z_]+)$');
  v_job agent.jobs;
begin
  host_hook := (select value from agent.host_settings where name = 'pgrst.db_pre_request');
  is_read_only := false;

  if v_claims ? 'act' then
    -- By name: a pattern such as complete_* could match a function of the host's.
    if (v_function = any (array['get_client_context', 'complete_draft_job'])) is not true
      or coalesce(v_headers ->> 'content-profile', 'public') <> 'public'
      or coalesce(v_headers ->> 'accept-profile', 'public') <> 'public' then
      raise exception using errcode = 'PT403', message = 'The agent may not do this.', detail = 'agent_refused',
        hint = 'An agent token may read its client and complete its own job, nothing else.';
    end if;
    v_job := agent.current_job();
    is_read_only := v_function = 'get_client_context';
    -- A completed job may be completed again: the answer to the first time may have been lost. The function itself judges.
    if v_job.id is null or not (v_job.state = 'running' or (v_job.state = 'done' and not is_read_only)) then
      raise exception using errcode = 'PT409', message = 'Another worker has this job now, or it is closed.', detail = 'stale_fence',
        hint = 'Drop what you have; nothing was changed.';
    end if;
    if agent.is_active_user(v_job.user_id) is not true then
      raise exception using errcode = 'PT403', message = 'The account that asked for this is closed or banned.',
        detail = 'user_inactive', hint = 'fail_job with user_inactive.';
    end if;
  elsif v_claims ->> 'role' = 'agent_worker' then
    perform agent.require_worker();
    if (v_function = any (array['claim_jobs', 'claim_job', 'heartbeat_job', 'fail_job'])) is not true then
      raise exception using errcode = 'PT403', message = 'A worker key may not do this.', detail = 'worker_refused',
        hint = 'It may claim, keep and fail jobs. For the rest use the token of a claimed job.';
    end if;
  end if;
end
$$;
comment on function agent.check_request_v1() is 'Behind check_request.';

-- Invoker: the host's own hook must run with the caller's rights, as it did before.
create function agent.check_request() returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_is_read_only boolean;
  v_host_hook text;
begin
  select c.is_read_only, c.host_hook into v_is_read_only, v_host_hook from agent.check_request_v1() as c;
  if v_host_hook is not null then
    execute format('select %s()', v_host_hook); -- quoted and qualified when it was stored
  end if;
  if v_is_read_only then -- last: the host's hook may write, to count requests for instance
    set local transaction_read_only = on;
  end if;
end
$$;
comment on function agent.check_request() is
'PostgREST''s db_pre_request: holds agent and worker tokens to their functions. The functions check again; this is not their only guard.';

alter table agent.host_settings enable row level security;
alter table agent.host_settings force row level security;
revoke all on table agent.host_settings from public, anon, authenticated, service_role;
revoke all on function agent.check_request_v1(), agent.check_request() from public, anon, authenticated, service_role;

-- Every role that PostgREST can become must be able to run it, or all its requests would fail.
do $grants$
declare
  v_role name;
begin
  for v_role in
    select r.rolname from pg_catalog.pg_roles as r
    where pg_has_role('authenticator', r.oid, 'member') and r.rolname !~ '^pg_' and r.rolname <> 'authenticator' and not r.rolsuper
    union select unnest(array['anon', 'authenticated', 'service_role', 'agent_worker']::name[])
  loop
    execute format('grant usage on schema agent to %I', v_role);
    execute format('grant execute on function agent.check_request_v1(), agent.check_request() to %I', v_role);
  end loop;
end
$grants$;

do $hook$
begin
  execute 'alter role authenticator set pgrst.db_pre_request = ''agent.check_request''';
  if exists (
    select from pg_catalog.pg_db_role_setting as r
    inner join pg_catalog.pg_database as d on r.setdatabase = d.oid
    where d.datname = current_database() and r.setrole = 'authenticator'::regrole
      and r.setconfig::text like '%pgrst.db\_pre\_request=%'
  ) then -- it would win over the one for the role
    execute format('alter role authenticator in database %I set pgrst.db_pre_request = ''agent.check_request''', current_database());
  end if;
end
$hook$;
notify pgrst, 'reload config';
