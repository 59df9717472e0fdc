-- Why: a client or a user says whether AI may work on their data, write to them, or learn from them; who withdraws is left alone at once.
-- Touches: new table ai_consents, new functions record_consent, list_consents; replaces require_ai_on, which answers as before while
-- nobody has withdrawn.
-- Rollout: new objects and a body; there are no events at first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.ai_consents (
  id bigint generated always as identity primary key,
  client_id uuid,
  user_id uuid,
  kind text not null,
  granted boolean not null,
  reason text,
  recorded_by uuid,
  created_at timestamptz not null default now(),
  constraint ai_consents_subject_check check (num_nonnulls(client_id, user_id) = 1),
  constraint ai_consents_kind_check check (kind in ('processing', 'email', 'training')),
  constraint ai_consents_reason_check check (length(reason) between 1 and 500)
);
comment on table public.ai_consents is
'What a client or a user agreed to or took back, append-only: the newest event of a subject and kind counts. '
'Plain uuids: that somebody withdrew must be known for as long as data of theirs may come back.';
comment on column public.ai_consents.kind is
'processing: AI works on their data (yes unless withdrawn); email: they are written to (as the CRM''s contact_preferences say, else '
'yes); training: the model may learn from them (no unless given).';
comment on column public.ai_consents.recorded_by is 'The user who recorded it, from their claims.';
create index ai_consents_client_id_kind_id_idx on public.ai_consents (client_id, kind, id desc) where client_id is not null;
create index ai_consents_user_id_kind_id_idx on public.ai_consents (user_id, kind, id desc) where user_id is not null;

insert into agent.failure_codes (code, retryable, sentence) values
('consent_withdrawn', false, 'AI may no longer work on this client''s data. Write it yourself.');

create function agent.may_email(p_client_id uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    lower(p.preferences ->> 'do_not_contact') in ('true', 'yes', '1') is not true
    and lower(p.preferences ->> 'email') in ('false', 'no', '0', 'never') is not true,
    true
  )
  -- As jsonb: an adapter's view may lack the column.
  from (
    select (select to_jsonb(c) -> 'contact_preferences' from crm.clients as c where c.id = p_client_id) as preferences
  ) as p
$$;
comment on function agent.may_email(uuid) is
'What the CRM''s contact_preferences say of mail: {"email": false} and {"do_not_contact": true} say no, all else yes. Granted to nobody.';

create function agent.has_consent(p_client_id uuid, p_user_id uuid, p_kind text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select case when p_kind in ('processing', 'email', 'training') then
    coalesce(
      (select c.granted from public.ai_consents as c where c.client_id = p_client_id and c.kind = p_kind order by c.id desc limit 1),
      case p_kind when 'processing' then true when 'email' then agent.may_email(p_client_id) else p_client_id is null end
    )
    and coalesce(
      (select c.granted from public.ai_consents as c where c.user_id = p_user_id and c.kind = p_kind order by c.id desc limit 1),
      p_kind <> 'training' or p_user_id is null
    )
    and num_nonnulls(p_client_id, p_user_id) > 0
  else false end
$$;
comment on function agent.has_consent(uuid, uuid, text) is
'Whether both the client and the user agree; null for one of them asks the other alone. Granted to nobody.';

create or replace function agent.require_ai_on(p_user_id uuid, p_client_id uuid) returns void
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
  if agent.has_consent(p_client_id, p_user_id, 'processing') is not true then
    raise exception using errcode = 'PT403', message = 'AI may not work on this data: the client or the user has withdrawn their consent.',
      detail = 'consent_withdrawn', hint = 'Write it yourself.';
  end if;
end
$$;
comment on function agent.require_ai_on(uuid, uuid) is
'PT403 ai_off or consent_withdrawn where AI is off for this user or this client. Granted to nobody.';

create function agent.require_say_over(p_client_id uuid, p_user_id uuid) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_live_session();
begin
  if num_nonnulls(p_client_id, p_user_id) is distinct from 1 then
    raise exception using errcode = 'PT400', message = 'Name a client or a user, one of them.',
      detail = 'invalid_argument: p_client_id, p_user_id', hint = 'Pass the id of either.';
  end if;
  if agent.is_admin() then
    return v_user_id;
  end if;
  if p_user_id is distinct from v_user_id and p_user_id is not null then
    raise exception using errcode = 'PT403', message = 'Only an administrator may do this for others.', detail = 'not_an_admin',
      hint = 'Ask one.';
  end if;
  if p_client_id is not null and not exists (select from crm.clients as c where c.id = p_client_id and c.owner_id = v_user_id) then
    raise exception using errcode = 'PT404', message = 'There is no such client of yours.', detail = 'client_not_found',
      hint = 'Ask the client''s owner or an administrator.';
  end if;
  return v_user_id;
end
$$;
comment on function agent.require_say_over(uuid, uuid) is
'The caller''s id if they own the client, are the user or an admin, in a live session; or PT400, PT401, PT403, PT404. Granted to nobody.';

-- Definer, these two: nobody may read or write ai_consents.
create function agent.record_consent_v1(p_kind text, p_granted boolean, p_client_id uuid, p_subject_user_id uuid, p_reason text)
returns public.ai_consents
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_say_over(p_client_id, p_subject_user_id);
  v_faults text[] := array_remove(array[
    case when p_kind in ('processing', 'email', 'training') is not true then 'p_kind: use processing, email or training.' end,
    case when p_granted is null then 'p_granted is null: use true or false.' end,
    case when length(btrim(p_reason)) > 500 then 'p_reason: say it in 500 characters.' end
  ], null);
  v_consent public.ai_consents;
  v_job_ids uuid[];
begin
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again. Nothing was recorded.';
  end if;
  insert into public.ai_consents (client_id, user_id, kind, granted, reason, recorded_by)
  values (p_client_id, p_subject_user_id, p_kind, p_granted, nullif(btrim(p_reason), ''), v_user_id)
  returning * into v_consent;
  if p_kind = 'processing' and not p_granted then
    -- A completion holds its job's row: one that is ahead of us is waited for, one that comes after us finds its job cancelled.
    v_job_ids := array(
      select j.id from agent.jobs as j
      where (j.client_id = p_client_id or j.user_id = p_subject_user_id) and j.state in ('queued', 'running')
      order by j.id for update
    );
    perform agent.close_jobs(v_job_ids, 'cancelled', 'consent_withdrawn') where v_job_ids <> '{}';
  end if;
  perform agent.append_audit('consent_recorded', 'ai_consent', null, p_client_id, null,
    jsonb_build_object('kind', p_kind, 'granted', p_granted, 'user_id', p_subject_user_id));
  return v_consent;
end
$$;
comment on function agent.record_consent_v1(text, boolean, uuid, uuid, text) is 'Behind record_consent.';

create function public.record_consent(
  p_kind text, p_granted boolean, p_client_id uuid default null, p_subject_user_id uuid default null, p_reason text default null
) returns public.ai_consents
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select * from agent.record_consent_v1(p_kind, p_granted, p_client_id, p_subject_user_id, p_reason) $$;
comment on function public.record_consent(text, boolean, uuid, uuid, text) is
'A client''s owner, the user themself or an admin records that consent was given or withdrawn; withdrawn processing ends open jobs.';

create function agent.list_consents_v1(p_client_id uuid, p_subject_user_id uuid) returns setof public.ai_consents
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform agent.require_say_over(p_client_id, p_subject_user_id);
  return query
  select c.* from public.ai_consents as c where c.client_id = p_client_id or c.user_id = p_subject_user_id order by c.id desc limit 1000;
end
$$;
comment on function agent.list_consents_v1(uuid, uuid) is 'Behind list_consents.';

create function public.list_consents(p_client_id uuid default null, p_subject_user_id uuid default null) returns setof public.ai_consents
language sql stable set search_path = pg_catalog, pg_temp
as $$ select * from agent.list_consents_v1(p_client_id, p_subject_user_id) $$;
comment on function public.list_consents(uuid, uuid) is
'The consent events of a client or a user, newest first, for its owner, the user themself or an admin.';

alter table public.ai_consents enable row level security;
alter table public.ai_consents force row level security;
revoke all on table public.ai_consents from public, anon, authenticated, service_role;
revoke all on sequence public.ai_consents_id_seq from public, anon, authenticated, service_role;
revoke all on function
agent.may_email(uuid), agent.has_consent(uuid, uuid, text), agent.require_say_over(uuid, uuid),
agent.record_consent_v1(text, boolean, uuid, uuid, text), agent.list_consents_v1(uuid, uuid),
public.record_consent(text, boolean, uuid, uuid, text), public.list_consents(uuid, uuid)
from public, anon, authenticated, service_role;
grant execute on function
agent.record_consent_v1(text, boolean, uuid, uuid, text), agent.list_consents_v1(uuid, uuid),
public.record_consent(text, boolean, uuid, uuid, text), public.list_consents(uuid, uuid)
to authenticated;
notify pgrst, 'reload schema';
