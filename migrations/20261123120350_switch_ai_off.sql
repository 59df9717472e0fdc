-- Why: AI can be switched off for everybody, a role, a user or one client, and what is under way then ends without a draft.
-- Touches: new table agent.ai_switches, new functions set_ai_switch and list_ai_switches; replaces begin_complete_v1, which answers as
-- before while nothing is off.
-- Rollout: new objects and bodies; nothing is off at first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.ai_switches (
  scope text not null,
  subject text not null,
  reason text not null,
  switched_off_by uuid,
  switched_off_at timestamptz not null default now(),
  constraint ai_switches_pkey primary key (scope, subject),
  constraint ai_switches_scope_check check (scope in ('organisation', 'role', 'user', 'client')),
  constraint ai_switches_subject_check check (
    case scope
      when 'organisation' then subject = '*'
      when 'role' then length(subject) between 1 and 100
      else subject ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'
    end
  ),
  constraint ai_switches_reason_check check (length(reason) between 1 and 500)
);
comment on table agent.ai_switches is
'Where AI is off: a row is off, none is on. Plain text for the subject: it outlives a user or a client.';
comment on column agent.ai_switches.subject is '"*" for the organisation, a profiles.role, or the id of a user or client.';

create function agent.require_ai_on(p_user_id uuid, p_client_id uuid) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_switch agent.ai_switches;
begin
  select s.* into v_switch
  from agent.ai_switches as s
  where (s.scope, s.subject) in (('organisation', '*'), ('user', p_user_id::text), ('client', p_client_id::text))
    or (s.scope = 'role' and s.subject = (select p.role from public.profiles as p where p.id = p_user_id))
  order by array_position(array['organisation', 'role', 'user', 'client'], s.scope)
  limit 1;
  if found then
    raise exception using errcode = 'PT403', message = format('AI is switched off: %s', v_switch.reason),
      detail = 'ai_off: ' || v_switch.scope, hint = 'Write it yourself, or ask an administrator.';
  end if;
end
$$;
comment on function agent.require_ai_on(uuid, uuid) is 'PT403 ai_off where AI is off for this user or this client. Granted to nobody.';

-- Definer: nobody may write to agent.ai_switches.
create function agent.set_ai_switch_v1(p_scope text, p_subject text, p_is_on boolean, p_reason text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_admin();
  v_faults text[] := array_remove(array[
    case when p_scope in ('organisation', 'role', 'user', 'client') is not true then 'p_scope: use organisation, role, user or client.' end,
    case
      when p_scope = 'organisation' and p_subject is distinct from '*' then 'p_subject: use * for the organisation.'
      when p_scope = 'role' and length(p_subject) between 1 and 100 is not true then 'p_subject: name a role.'
      when p_scope in ('user', 'client') and p_subject ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' is not true
        then 'p_subject: use the id of the user or client.'
    end,
    case when p_is_on is null then 'p_is_on is null: use true or false.' end,
    case when p_is_on is false and length(btrim(p_reason)) between 1 and 500 is not true
      then 'p_reason: say in 1 to 500 characters why it is off; people read it.' end
  ], null);
begin
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again.';
  end if;
  if p_is_on then
    delete from agent.ai_switches where scope = p_scope and subject = p_subject;
  else
    insert into agent.ai_switches (scope, subject, reason, switched_off_by)
    values (p_scope, p_subject, btrim(p_reason), v_user_id)
    on conflict (scope, subject) do update
    set reason = excluded.reason, switched_off_by = excluded.switched_off_by, switched_off_at = now();
  end if;
  perform agent.append_audit(case when p_is_on then 'ai_switched_on' else 'ai_switched_off' end, 'ai_switch',
    case when p_scope in ('user', 'client') then p_subject::uuid end, case when p_scope = 'client' then p_subject::uuid end, null,
    jsonb_build_object('scope', p_scope, 'subject', p_subject));
end
$$;
comment on function agent.set_ai_switch_v1(text, text, boolean, text) is 'Behind set_ai_switch.';

create function public.set_ai_switch(p_scope text, p_subject text, p_is_on boolean, p_reason text default null) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.set_ai_switch_v1(p_scope, p_subject, p_is_on, p_reason) $$;
comment on function public.set_ai_switch(text, text, boolean, text) is
'An admin switches AI off or on for the organisation (*), a role, a user or a client; asking and completing are refused while it is off.';

create function agent.list_ai_switches_v1() returns setof agent.ai_switches
language plpgsql stable security definer set search_path = pg_catalog, pg_temp -- definer: nobody may read agent.ai_switches
as $$
begin
  perform agent.require_admin();
  return query select s.* from agent.ai_switches as s order by s.switched_off_at desc;
end
$$;
comment on function agent.list_ai_switches_v1() is 'Behind list_ai_switches.';

create function public.list_ai_switches()
returns table (scope text, subject text, reason text, switched_off_by uuid, switched_off_at timestamptz)
language sql stable set search_path = pg_catalog, pg_temp
as $$ select * from agent.list_ai_switches_v1() $$;
comment on function public.list_ai_switches() is 'An admin sees where AI is off, and why.';

create or replace function agent.begin_complete_v1(out request_id uuid, out client_id uuid, out result_id uuid, out payload jsonb)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
  v_job_id uuid;
  v_job agent.jobs;
begin
  if agent.is_agent() is not true then
    raise exception using errcode = 'PT403', message = 'Only the agent completes a job.', detail = 'not_an_agent',
      hint = 'Send the job''s token.';
  end if;
  v_job_id := (auth.jwt() ->> 'job')::uuid;
  perform from agent.jobs as j where j.id = v_job_id for update;
  v_job := agent.current_job();
  if v_job.id is null or v_job.state not in ('running', 'done') then
    raise exception using errcode = 'PT409', message = 'Another worker has this job now, or it is closed.', detail = 'stale_fence',
      hint = 'Drop what you have; nothing was changed.';
  end if;
  if agent.is_active_user(v_job.user_id) is not true then
    raise exception using errcode = 'PT403', message = 'The account that asked for this is closed or banned.', detail = 'user_inactive',
      hint = 'fail_job with user_inactive.';
  end if;
  if v_job.state = 'running' then
    perform agent.require_ai_on(v_job.user_id, v_job.client_id);
    update agent.jobs set completing_xid = pg_current_xact_id() where id = v_job.id;
  end if;
  request_id := v_job.request_id;
  client_id := v_job.client_id;
  result_id := v_job.result_id;
  payload := v_job.payload;
end
$$;

alter table agent.ai_switches enable row level security;
alter table agent.ai_switches force row level security;
revoke all on table agent.ai_switches from public, anon, authenticated, service_role;
revoke all on function
agent.require_ai_on(uuid, uuid), agent.set_ai_switch_v1(text, text, boolean, text), agent.list_ai_switches_v1(),
public.set_ai_switch(text, text, boolean, text), public.list_ai_switches()
from public, anon, authenticated, service_role;
grant execute on function
agent.set_ai_switch_v1(text, text, boolean, text), agent.list_ai_switches_v1(), public.set_ai_switch(text, text, boolean, text),
public.list_ai_switches()
to authenticated;
notify pgrst, 'reload schema';
