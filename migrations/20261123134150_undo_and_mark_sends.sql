-- Why: a person takes a mail back while it waits, says that they sent one themselves, and finds it in the CRM once it is sent.
-- Touches: new functions undo_send, mark_sent, log_sends.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Definer, the next three: nobody holds UPDATE on ai_drafts or ai_sends.
create function agent.undo_send_v1(p_draft_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_live_session();
  v_send public.ai_sends;
  v_draft public.ai_drafts;
begin
  select * into v_send from public.ai_sends
  where draft_id = p_draft_id and user_id = v_user_id and channel = 'smtp' order by created_at desc limit 1;
  -- In the order in which a worker locks them: job, send, draft.
  perform from agent.jobs where id = v_send.job_id for update;
  select * into v_send from public.ai_sends where id = v_send.id for update;
  if v_send.state is distinct from 'queued' then
    raise exception using errcode = 'PT409', message = 'There is nothing to undo: this mail is not waiting to be sent.',
      detail = 'send_closed: ' || coalesce(v_send.state, 'none'), hint = 'Reload it.';
  end if;
  update public.ai_sends set state = 'undone', ended_at = now() where id = v_send.id;
  update agent.jobs set state = 'cancelled', finished_at = now() where id = v_send.job_id;
  select * into v_draft from public.ai_drafts where id = p_draft_id for update;
  begin
    update public.ai_drafts as d
    set status = case when (d.content, d.subject) is distinct from (d.generated_content, d.generated_subject) then 'edited' else 'pending' end,
      approved_by = null, approved_at = null, written = null, updated_at = now(), expires_at = greatest(d.expires_at, now() + interval '1 day')
    where d.id = p_draft_id;
  exception
    when unique_violation then
      -- Another draft of that kind is open by now. This one stays approved; above all it is not sent.
      v_draft.written := null;
  end;
  perform agent.append_audit('send_undone', 'ai_draft', p_draft_id, v_draft.client_id, v_send.job_id);
  return v_draft.written;
end
$$;
comment on function agent.undo_send_v1(uuid) is 'Behind undo_send; returns what approving wrote into the CRM.';

create function public.undo_send(p_draft_id uuid) returns public.ai_drafts
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_written jsonb := agent.undo_send_v1(p_draft_id);
  v_draft public.ai_drafts;
begin
  -- What approving wrote into the CRM goes as well, as the person; what somebody has changed since stays.
  perform crm.undo(w) from jsonb_array_elements(v_written) as w;
  select * into v_draft from public.ai_drafts where id = p_draft_id;
  return v_draft;
end
$$;
comment on function public.undo_send(uuid) is
'Takes back a mail that has not begun to be sent: the draft is open again, with its text as it was approved, and is returned.';

create function agent.mark_sent_v1(p_draft_id uuid) returns public.ai_drafts
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_live_session();
  v_draft public.ai_drafts := agent.lock_approved_mail(p_draft_id, v_user_id);
begin
  if exists (select from public.ai_sends where draft_id = p_draft_id and state in ('queued', 'begun')) then
    raise exception using errcode = 'PT409', message = 'This mail is being sent.', detail = 'send_open', hint = 'Undo it first, or wait.';
  end if;
  update public.ai_sends set resolved_at = now() where draft_id = p_draft_id and state = 'unknown' and resolved_at is null;
  insert into public.ai_sends (draft_id, user_id, channel, state, content_hash, ended_at)
  values (p_draft_id, v_user_id, 'mailto', 'sent', v_draft.content_hash, now());
  update public.ai_drafts set sent_at = now(), updated_at = now() where id = p_draft_id returning * into v_draft;
  perform agent.append_audit('marked_sent', 'ai_draft', p_draft_id, v_draft.client_id, null,
    jsonb_build_object('content_hash', v_draft.content_hash));
  return v_draft;
end
$$;
comment on function agent.mark_sent_v1(uuid) is 'Behind mark_sent.';

create function agent.note_logged_v1(p_send_id uuid, p_written jsonb) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_live_session();
begin
  update public.ai_sends set logged_at = now()
  where id = p_send_id and user_id = v_user_id and state = 'sent' and logged_at is null;
  if not found then
    raise exception using errcode = 'PT409', message = 'That mail is in the CRM already, or was not sent.', detail = 'send_closed',
      hint = 'Call log_sends.';
  end if;
  update public.ai_drafts set written = p_written where id = (select draft_id from public.ai_sends where id = p_send_id);
end
$$;
comment on function agent.note_logged_v1(uuid, jsonb) is
'Behind log_sends: notes what it wrote into the CRM for one mail of the caller, once.';

-- An agent writes nothing into the CRM, so approving logs a note; the person's next call makes a mail of it, as that person.
create function public.log_sends() returns integer
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_mail record;
  v_logged integer := 0;
begin
  perform agent.require_person();
  for v_mail in
    select s.id as send_id, d.*
    from public.ai_sends as s
    inner join public.ai_drafts as d on d.id = s.draft_id
    inner join crm.clients as c on c.id = d.client_id
    where s.user_id = (select auth.uid()) and s.state = 'sent' and s.logged_at is null
      and d.written @? '$[*] ? (@.kind == "activity")'
    order by s.ended_at
    limit 100
  loop
    perform crm.undo(w) from jsonb_array_elements(v_mail.written) as w where w ->> 'kind' = 'activity';
    perform agent.note_logged_v1(v_mail.send_id, (
      select coalesce(jsonb_agg(w) filter (where w ->> 'kind' <> 'activity'), '[]') || crm.log_activity(
        v_mail.client_id, 'email', 'outbound', v_mail.subject, v_mail.content,
        (select id from crm.contacts where id = v_mail.contact_id), (select id from crm.deals where id = v_mail.deal_id), v_mail.sent_at
      )
      from jsonb_array_elements(v_mail.written) as w
    ));
    v_logged := v_logged + 1;
  end loop;
  return v_logged;
end
$$;
comment on function public.log_sends() is
'Writes mails of the caller that were sent into the CRM, in place of the notes that approving logged; returns how many. Call it any time.';

create function public.mark_sent(p_draft_id uuid) returns public.ai_drafts
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_draft public.ai_drafts := agent.mark_sent_v1(p_draft_id);
begin
  perform public.log_sends();
  return v_draft;
end
$$;
comment on function public.mark_sent(uuid) is
'A person says that they sent an approved mail themselves, or that one left whose sending was unknown.';

revoke all on function
agent.undo_send_v1(uuid), agent.mark_sent_v1(uuid), agent.note_logged_v1(uuid, jsonb),
public.undo_send(uuid), public.mark_sent(uuid), public.log_sends()
from public, anon, authenticated, service_role;
grant execute on function
agent.undo_send_v1(uuid), agent.mark_sent_v1(uuid), agent.note_logged_v1(uuid, jsonb),
public.undo_send(uuid), public.mark_sent(uuid), public.log_sends()
to authenticated;
notify pgrst, 'reload schema';
