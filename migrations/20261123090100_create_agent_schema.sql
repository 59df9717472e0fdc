-- Why: the account manager's private ground: schemas, the worker's role, who is calling, and the audit log.
-- Touches: new schemas agent and crm, role agent_worker, no table of the host.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create schema agent;
create schema if not exists crm;
comment on schema agent is 'Job records, keys, audit and definer helpers of the AI account manager. Never exposed by PostgREST.';
comment on schema crm is
'The contract between the CRM and the account manager: views and write-back functions. Never exposed by PostgREST.';
revoke all on schema agent from public, anon, authenticated, service_role;
revoke all on schema crm from public, anon, service_role;

-- Roles belong to the cluster, not to the database: another database of it may have made this one.
do $role$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'agent_worker') then
    create role agent_worker nologin noinherit;
  end if;
end
$role$;
grant agent_worker to authenticator;

-- PostgREST calls the pre-request hook as the role of the request, so each of them must reach the schema it lives in.
-- USAGE shows nothing by itself: every table and function in it is granted by name or not at all.
grant usage on schema agent to anon, authenticated, service_role, agent_worker;
grant usage on schema crm to authenticated;
grant usage on schema public to agent_worker;

create table agent.audit_log (
  id bigint generated always as identity primary key,
  occurred_at timestamptz not null default clock_timestamp(),
  actor text not null,
  actor_id uuid,
  action text not null,
  entity text not null,
  entity_id uuid,
  client_id uuid,
  job_id uuid,
  details jsonb not null default '{}',
  constraint audit_log_actor_check check (actor in ('user', 'agent', 'worker', 'database'))
);
comment on table agent.audit_log is
'One row per act, appended by definer helpers only. Plain uuids: deleting a user or a client erases nothing here.';
comment on column agent.audit_log.actor_id is
'The user, or the user an agent acted for; the key''s jti for a worker; null for the owner of the database.';
create index audit_log_entity_id_idx on agent.audit_log (entity_id);
create index audit_log_occurred_at_idx on agent.audit_log (occurred_at);

create function agent.is_agent() returns boolean
language sql stable set search_path = ''
as $$ select coalesce(auth.jwt() ? 'act', false) $$;
comment on function agent.is_agent() is
'Whether the caller is the agent acting for a user (RFC 8693 actor claim). Asks for the key, not its value: "act": null is an agent too.';

create function agent.is_admin() returns boolean
language sql stable security definer set search_path = ''
as $$
  select agent.is_agent() is not true
    and exists (select from public.profiles where id = (select auth.uid()) and role = 'admin')
$$;
comment on function agent.is_admin() is
'Definer: policies ask it, and the policies of profiles must not decide. False for an agent, whoever it acts for.';

create function agent.is_active_user(p_user_id uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from auth.users
    where id = p_user_id and deleted_at is null and (banned_until is null or banned_until <= now())
  )
$$;
comment on function agent.is_active_user(uuid) is 'Definer: auth.users belongs to Supabase Auth. False for a deleted or banned user.';

create function agent.require_person() returns uuid
language plpgsql stable security definer set search_path = ''
as $$
begin
  if agent.is_agent() then
    raise exception using errcode = 'PT403', message = 'This takes a person.', detail = 'agent_refused',
      hint = 'An agent token may read its client and complete its own job, nothing else.';
  end if;
  if auth.uid() is null or auth.role() is distinct from 'authenticated' then
    raise exception using errcode = 'PT401', message = 'Sign in first.', detail = 'not_signed_in',
      hint = 'Send the access token of a user.';
  end if;
  if coalesce((auth.jwt() ->> 'is_anonymous')::boolean, false) then
    raise exception using errcode = 'PT403', message = 'An anonymous sign-in cannot do this.', detail = 'anonymous_user',
      hint = 'Sign in with an account.';
  end if;
  if agent.is_active_user(auth.uid()) is not true then
    raise exception using errcode = 'PT403', message = 'This account is closed or banned.', detail = 'user_inactive',
      hint = 'Ask an administrator.';
  end if;
  return auth.uid();
end
$$;
comment on function agent.require_person() is 'The caller''s id, or PT401 or PT403. Definer: it reads auth.users.';

create function agent.caller(out actor text, out actor_id uuid)
language sql stable set search_path = ''
as $$
  select
    case
      when agent.is_agent() then 'agent'
      when auth.role() = 'agent_worker' then 'worker'
      when auth.uid() is not null then 'user'
      else 'database'
    end,
    coalesce(auth.uid(), nullif(auth.jwt() ->> 'jti', '')::uuid)
$$;
comment on function agent.caller() is 'Who is calling, for the audit log: from the claims, never from an argument. Granted to nobody.';

create function agent.append_audit(
  p_action text, p_entity text, p_entity_id uuid, p_client_id uuid, p_job_id uuid default null, p_details jsonb default '{}'
) returns void
language sql volatile set search_path = ''
as $$
  insert into agent.audit_log (actor, actor_id, action, entity, entity_id, client_id, job_id, details)
  select c.actor, c.actor_id, p_action, p_entity, p_entity_id, p_client_id, p_job_id, p_details from agent.caller() as c
$$;
comment on function agent.append_audit(text, text, uuid, uuid, uuid, jsonb) is 'Called by definer helpers and granted to nobody.';

alter table agent.audit_log enable row level security;
alter table agent.audit_log force row level security;
revoke all on table agent.audit_log from public, anon, authenticated, service_role;

revoke all on function
agent.is_agent(), agent.is_admin(), agent.is_active_user(uuid), agent.require_person(), agent.caller(),
agent.append_audit(text, text, uuid, uuid, uuid, jsonb)
from public, anon, authenticated, service_role;
grant execute on function agent.is_agent(), agent.is_admin(), agent.require_person() to authenticated;
