-- Why: the agent hands in its draft; a person approves or rejects it.
-- Touches: new functions. An approval writes to the CRM through crm.log_activity and crm.create_task, as that person.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function agent.is_iso_time(p_text text) returns boolean
language plpgsql immutable strict set search_path = ''
as $$
begin
  -- A zone is asked for: without one the same text would be another moment in another session.
  return p_text ~ '^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$' and p_text::timestamptz is not null;
exception
  when data_exception then -- 30 February
    return false;
end
$$;
comment on function agent.is_iso_time(text) is 'Whether it is an ISO 8601 time with its zone, on a day that exists.';

create function public.complete_draft_job(
  p_content text, p_subject text default null, p_details jsonb default '{}', p_language text default 'en', p_context jsonb default null,
  p_provider text default 'offline', p_model text default null, p_usage jsonb default '{}', p_grounding jsonb default null
) returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_job record;
  v_draft_id uuid := gen_random_uuid();
  v_type text;
  v_content text := agent.clean_text(p_content, 20000);
  v_subject text := nullif(translate(agent.clean_text(p_subject, 300), E'\n', ' '), '');
  v_recipient text;
  v_faults text[];
begin
  select * into v_job from agent.begin_complete_v1();
  if v_job.result_id is not null then
    return v_job.result_id;
  end if;
  if not exists (select from crm.clients as c where c.id = v_job.client_id) then
    raise exception using errcode = 'PT404', message = 'The user who asked no longer sees this client.', detail = 'client_not_found',
      hint = 'fail_job with access_lost.';
  end if;

  v_type := v_job.payload ->> 'draft_type';
  v_faults := array_remove(array[
    case when coalesce(v_content, '') = '' then 'p_content is empty: write something.' end,
    case when length(p_content) > 20000 then format('p_content has %s characters: 20000 is the most.', length(p_content)) end,
    case when length(p_subject) > 300 then format('p_subject has %s characters: 300 is the most.', length(p_subject)) end,
    case when v_type in ('email', 'task') and v_subject is null then format('p_subject is empty: an %s needs one.', v_type) end,
    case when jsonb_typeof(p_details) is distinct from 'object' then 'p_details is not an object.' end,
    case when octet_length(p_details::text) > 8192 then 'p_details is larger than 8 KiB.' end,
    case when p_details ->> 'priority' not in ('low', 'medium', 'high') then 'p_details.priority: use low, medium or high.' end,
    case when agent.is_iso_time(p_details ->> 'due_at') is false
      then 'p_details.due_at: use an ISO 8601 time with its zone.' end,
    case when p_language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' is not true then 'p_language: use a language tag such as en.' end,
    case when p_provider ~ '^[a-z][a-z0-9_-]{0,39}$' is not true then 'p_provider: use a short lower-case name.' end,
    case when agent.is_usage(p_usage) is not true then 'p_usage is not an object of whole numbers.' end,
    case when octet_length(p_context::text) > 262144 then 'p_context is larger than 256 KiB.' end,
    case when octet_length(p_grounding::text) > 262144 then 'p_grounding is larger than 256 KiB.' end
  ], null);
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_output',
      hint = 'fail_job with invalid_output, or mend it and complete again.';
  end if;

  -- The address comes from the CRM row that the user chose, whatever the text says.
  if v_type = 'email' then
    select k.email into v_recipient from crm.contacts as k
    where k.id = (v_job.payload ->> 'contact_id')::uuid and k.client_id = v_job.client_id;
  end if;
  insert into public.ai_drafts (
    id, client_id, draft_type, subject, content, context_snapshot, created_by, purpose, contact_id, deal_id, task_id, recipient, details,
    language, generated_subject, generated_content, request_id, provider, model, context_version, grounding, expires_at
  ) values (
    v_draft_id, v_job.client_id, v_type, v_subject, v_content, p_context, (select auth.uid()), v_job.payload ->> 'purpose',
    (v_job.payload ->> 'contact_id')::uuid, (v_job.payload ->> 'deal_id')::uuid, (v_job.payload ->> 'task_id')::uuid, v_recipient,
    p_details, p_language, v_subject, v_content, v_job.request_id, p_provider, left(p_model, 100), p_context ->> 'contextVersion',
    p_grounding, now() + make_interval(days => agent.draft_expiry_days())
  );
  perform agent.finish_complete_v1(v_draft_id, p_provider, p_model, p_usage);
  return v_draft_id;
end
$$;
comment on function public.complete_draft_job(text, text, jsonb, text, jsonb, text, text, jsonb, jsonb) is
'The agent, with its job''s token: writes the draft, books it and closes the job in one transaction. Again: the same id.';

create function agent.draft_expiry_days() returns integer
language sql stable security definer set search_path = ''
as $$ select draft_expiry_days from public.ai_settings $$;
comment on function agent.draft_expiry_days() is 'Definer: only admins read the settings.';

-- Definer, the next three: nobody holds UPDATE on ai_drafts; auth.sessions belongs to Supabase Auth.
create function agent.require_live_session() returns uuid
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_user_id uuid := agent.require_person();
begin
  if not exists (
    select from auth.sessions
    where id = nullif(auth.jwt() ->> 'session_id', '')::uuid and user_id = v_user_id and (not_after is null or not_after > now())
  ) then
    raise exception using errcode = 'PT401', message = 'This sign-in has ended.', detail = 'session_ended', hint = 'Sign in again.';
  end if;
  return v_user_id;
end
$$;
comment on function agent.require_live_session() is
'The caller''s id if they are a person with a sign-in that still exists, or PT401, PT403.';

create function agent.lock_open_draft(p_draft_id uuid, p_user_id uuid) returns public.ai_drafts
language plpgsql volatile set search_path = ''
as $$
declare
  v_draft public.ai_drafts;
begin
  select * into v_draft from public.ai_drafts where id = p_draft_id and created_by = p_user_id for update;
  if not found then
    raise exception using errcode = 'PT404', message = 'There is no such draft of yours.', detail = 'draft_not_found',
      hint = 'Reload the list.';
  end if;
  if v_draft.status not in ('pending', 'edited') or v_draft.expires_at <= now() then
    v_draft.status := case when v_draft.status in ('pending', 'edited') then 'expired' else v_draft.status end;
    raise exception using errcode = 'PT409', message = format('This draft is %s already.', v_draft.status),
      detail = 'draft_closed: ' || v_draft.status, hint = 'Reload it; ask for a new one if you need it.';
  end if;
  return v_draft;
end
$$;
comment on function agent.lock_open_draft(uuid, uuid) is 'The user''s open draft, locked, or PT404, PT409. Granted to nobody.';

create function agent.approve_draft_v1(p_draft_id uuid, p_content_hash text) returns public.ai_drafts
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_user_id uuid := agent.require_live_session();
  v_draft public.ai_drafts := agent.lock_open_draft(p_draft_id, v_user_id);
begin
  if v_draft.content_hash is distinct from p_content_hash then
    raise exception using errcode = 'PT409', message = 'The text has changed since it was shown to you.', detail = 'draft_changed',
      hint = 'Read it as it is now, then approve with its content_hash.';
  end if;
  update public.ai_drafts
  set status = 'approved', approved_by = v_user_id, approved_at = now(), updated_at = now()
  where id = p_draft_id
  returning * into v_draft;
  perform agent.append_audit('draft_approved', 'ai_draft', v_draft.id, v_draft.client_id, null,
    jsonb_build_object('content_hash', v_draft.content_hash, 'version', v_draft.version));
  return v_draft;
end
$$;
comment on function agent.approve_draft_v1(uuid, text) is 'Behind approve_draft.';

create function agent.reject_draft_v1(p_draft_id uuid, p_reason text) returns public.ai_drafts
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_user_id uuid := agent.require_live_session();
  v_draft public.ai_drafts := agent.lock_open_draft(p_draft_id, v_user_id);
begin
  update public.ai_drafts
  set status = 'rejected', rejected_reason = nullif(btrim(left(p_reason, 1000)), ''), updated_at = now()
  where id = p_draft_id
  returning * into v_draft;
  perform agent.append_audit('draft_rejected', 'ai_draft', v_draft.id, v_draft.client_id);
  return v_draft;
end
$$;
comment on function agent.reject_draft_v1(uuid, text) is 'Behind reject_draft.';

create function public.approve_draft(
  p_draft_id uuid, p_content_hash text, p_action text default 'save', p_log_activity boolean default null,
  p_create_task boolean default false, p_accept_stale boolean default false
) returns public.ai_drafts
language plpgsql volatile set search_path = ''
as $$
declare
  v_draft public.ai_drafts;
  v_contact_id uuid;
  v_deal_id uuid;
  v_faults text[];
begin
  v_faults := array_remove(array[
    case when p_action = 'send' then 'p_action ''send'' is not built yet: use save, and send the mail yourself.'
      when p_action is distinct from 'save' then format('p_action is %s: use save.', coalesce(quote_literal(left(p_action, 40)), 'null')) end,
    case when p_create_task then 'p_create_task is not built yet: leave it out. (Approving a draft of type task creates that task.)' end,
    case when p_accept_stale then 'p_accept_stale is not built yet: leave it out. Drafts are not checked for staleness.' end
  ], null);
  if cardinality(v_faults) > 0 then
    raise exception using errcode = case when p_action in ('save', 'send') then 'PT501' else 'PT400' end,
      message = array_to_string(v_faults, ' '),
      detail = case when p_action in ('save', 'send') then 'not_built' else 'invalid_argument: p_action' end,
      hint = 'Nothing was approved.';
  end if;

  v_draft := agent.approve_draft_v1(p_draft_id, p_content_hash);
  if not exists (select from crm.clients where id = v_draft.client_id) then
    raise exception using errcode = 'PT403', message = 'You no longer have access to this client.', detail = 'access_lost',
      hint = 'Nothing was approved.';
  end if;
  if v_draft.recipient is not null and not exists (
    select from crm.contacts where id = v_draft.contact_id and client_id = v_draft.client_id and email = v_draft.recipient
  ) then
    raise exception using errcode = 'PT409', message = 'The contact''s address has changed since this was written.',
      detail = 'recipient_changed', hint = 'Reject it and ask for a new draft. Nothing was approved.';
  end if;

  -- As the person, under their own policies: what they may not write, approving does not write for them. A contact or a deal that
  -- is gone by now must not keep a note or a task from being approved.
  v_contact_id := (select id from crm.contacts where id = v_draft.contact_id);
  v_deal_id := (select id from crm.deals where id = v_draft.deal_id);
  if v_draft.draft_type = 'task' then
    perform crm.create_task(v_draft.client_id, v_draft.subject, v_draft.content, (v_draft.details ->> 'due_at')::timestamptz,
      coalesce(v_draft.details ->> 'priority', 'medium'), v_deal_id);
  end if;
  if coalesce(p_log_activity, v_draft.draft_type in ('email', 'note')) then
    -- As a note, a mail too: it is approved and kept, and nobody has sent it yet.
    perform crm.log_activity(v_draft.client_id, 'note', null, v_draft.subject, v_draft.content, v_contact_id, v_deal_id);
  end if;
  return v_draft;
end
$$;
comment on function public.approve_draft(uuid, text, text, boolean, boolean, boolean) is
'A person approves exactly the text whose content_hash they were shown. A mail or note is logged as a note, a task created, a memo kept.';

create function public.reject_draft(p_draft_id uuid, p_reason text default null) returns public.ai_drafts
language sql volatile set search_path = ''
as $$ select * from agent.reject_draft_v1(p_draft_id, p_reason) $$;
comment on function public.reject_draft(uuid, text) is 'A person turns a draft down; the reason helps later ones.';

revoke all on function
agent.is_iso_time(text), public.complete_draft_job(text, text, jsonb, text, jsonb, text, text, jsonb, jsonb), agent.draft_expiry_days(),
agent.require_live_session(), agent.lock_open_draft(uuid, uuid), agent.approve_draft_v1(uuid, text), agent.reject_draft_v1(uuid, text),
public.approve_draft(uuid, text, text, boolean, boolean, boolean), public.reject_draft(uuid, text)
from public, anon, authenticated, service_role;
grant execute on function
agent.is_iso_time(text), public.complete_draft_job(text, text, jsonb, text, jsonb, text, text, jsonb, jsonb), agent.draft_expiry_days(),
agent.approve_draft_v1(uuid, text), agent.reject_draft_v1(uuid, text),
public.approve_draft(uuid, text, text, boolean, boolean, boolean), public.reject_draft(uuid, text)
to authenticated;
notify pgrst, 'reload schema';
