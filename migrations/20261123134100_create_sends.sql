-- Why: an approved mail is sent after a hold in which its person can take it back, and every sending is on record.
-- Touches: new table ai_sends; columns of ai_settings; kinds of agent.jobs; new function send_draft;
-- approve_draft takes the action send.
-- Rollout: short locks on ai_settings, ai_drafts and agent.jobs; the new kind is checked against the jobs that there are.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

alter table public.ai_settings
add column send_hold_seconds integer not null default 30,
add column daily_sends_per_user integer not null default 100,
add column mail_from text,
add column mail_from_name text,
add column mail_user_domains text[] not null default '{}',
add column mail_signature text;
alter table public.ai_settings
add constraint ai_settings_send_hold_seconds_check check (send_hold_seconds between 0 and 600) not valid,
add constraint ai_settings_daily_sends_per_user_check check (daily_sends_per_user between 0 and 100000) not valid,
add constraint ai_settings_mail_from_check
check (mail_from ~ '^[A-Za-z0-9.!#$%&''*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+$' and length(mail_from) <= 254) not valid,
add constraint ai_settings_mail_from_name_check check (mail_from_name !~ '[[:cntrl:]]' and length(mail_from_name) <= 100) not valid,
add constraint ai_settings_mail_signature_check check (length(mail_signature) <= 2000) not valid;
comment on column public.ai_settings.send_hold_seconds is
'How long an approved mail waits before it is sent, for its person to take it back.';
comment on column public.ai_settings.daily_sends_per_user is 'Asked when a mail is queued and again when it is sent: 0 stops all sending.';
comment on column public.ai_settings.mail_from is
'The team''s address: From for people whose own is of none of mail_user_domains, with theirs as Reply-To.';
comment on column public.ai_settings.mail_user_domains is
'Domains in whose name the mail server may send: people with an address there are From themselves.';
comment on column public.ai_settings.mail_signature is 'Plain text below each mail.';

-- Every job of before is of kind draft.
-- squawk-ignore ban-drop-constraint
alter table agent.jobs drop constraint jobs_kind_check;
-- squawk-ignore constraint-missing-not-valid
alter table agent.jobs add constraint jobs_kind_check check (kind in ('draft', 'send'));

insert into agent.failure_codes (code, retryable, sentence) values
('mail_deferred', true, 'The mail server did not take it yet. It will be tried again.'),
('mail_refused', false, 'The mail server refused it. It was not sent.'),
(
  'send_unknown', false,
  'The sending was interrupted, and nobody knows whether the mail left. Look into the sent mail, then mark it as sent or send it again.'
),
('email_not_allowed', false, 'This client may not be sent mail. It was not sent.'),
('recipient_changed', false, 'The contact''s address has changed since this was approved. It was not sent.'),
('draft_changed', false, 'The draft is no longer as it was approved. It was not sent.'),
('send_cap', false, 'You have sent as many mails today as one person may. It was not sent.'),
('mail_not_set_up', false, 'Sending is not set up for your address. Ask your administrator. It was not sent.');

create table public.ai_sends (
  id uuid primary key default gen_random_uuid(),
  draft_id uuid not null,
  user_id uuid not null,
  channel text not null,
  state text not null,
  content_hash text not null,
  job_id uuid,
  message_id text,
  due_at timestamptz not null default now(),
  begun_at timestamptz,
  ended_at timestamptz,
  resolved_at timestamptz,
  logged_at timestamptz,
  code text,
  reason text,
  server_reply text,
  created_at timestamptz not null default now(),
  constraint ai_sends_draft_id_fkey foreign key (draft_id) references public.ai_drafts (id) on delete cascade,
  constraint ai_sends_user_id_fkey foreign key (user_id) references public.profiles (id) on delete cascade,
  constraint ai_sends_channel_check check (channel in ('smtp', 'mailto')),
  constraint ai_sends_state_check check (state in ('queued', 'begun', 'sent', 'refused', 'unknown', 'undone')),
  constraint ai_sends_ended_at_check check ((ended_at is null) = (state in ('queued', 'begun'))),
  constraint ai_sends_begun_at_check check (begun_at is not null or channel = 'mailto' or state not in ('begun', 'sent', 'unknown'))
);
comment on table public.ai_sends is 'Each time a draft was to be sent, and what became of it. Written by functions only.';
comment on column public.ai_sends.begun_at is 'From here on the mail may have left: nothing sends it again by itself.';
comment on column public.ai_sends.resolved_at is 'When its person said what became of an unknown one: sent after all, or to be sent again.';
comment on column public.ai_sends.logged_at is 'When the CRM''s record of the mail was written, as its person.';
comment on column public.ai_sends.reason is 'A sentence for people, from agent.failure_codes.';
create unique index ai_sends_draft_id_idx on public.ai_sends (draft_id)
where state in ('queued', 'begun', 'sent') or (state = 'unknown' and resolved_at is null);
create index ai_sends_draft_id_created_at_idx on public.ai_sends (draft_id, created_at);
create index ai_sends_user_id_created_at_idx on public.ai_sends (user_id, created_at);
create unique index ai_sends_job_id_idx on public.ai_sends (job_id) where job_id is not null;

create function agent.sends_today(p_user_id uuid, out asked bigint, out begun bigint)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with today (starts_at) as (
    select date_trunc('day', now() at time zone s.time_zone) at time zone s.time_zone from public.ai_settings as s
  )
  select
    count(*) filter (where i.created_at >= t.starts_at and i.state not in ('undone', 'refused')),
    count(*) filter (where i.begun_at >= t.starts_at)
  from today as t
  left join public.ai_sends as i
    on i.user_id = p_user_id and i.channel = 'smtp' and (i.created_at >= t.starts_at or i.begun_at >= t.starts_at)
$$;
comment on function agent.sends_today(uuid) is 'Mails of this user since the organisation''s midnight. Granted to nobody.';

create function agent.sender_of(p_user_id uuid, out from_address text, out from_name text, out reply_to text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select
    case when u.is_own then u.email else s.mail_from end,
    case when u.is_own then u.name else coalesce(s.mail_from_name, u.name) end,
    case when not u.is_own then u.email end
  from public.ai_settings as s
  left join lateral (
    -- Confirmed: whoever may change their address must not write in another's name. Of profiles only id and role are sure to be there.
    select a.email, coalesce(to_jsonb(p) ->> 'full_name', to_jsonb(p) ->> 'name') as name,
      lower(split_part(a.email, '@', 2)) = any (s.mail_user_domains) as is_own
    from auth.users as a inner join public.profiles as p on p.id = a.id
    where a.id = p_user_id and a.email_confirmed_at is not null
  ) as u on true
$$;
comment on function agent.sender_of(uuid) is
'In whose name this user''s mails go. No address: sending is not set up for them. Granted to nobody.';

create function agent.lock_approved_mail(p_draft_id uuid, p_user_id uuid) returns public.ai_drafts
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_draft public.ai_drafts;
begin
  select * into v_draft from public.ai_drafts where id = p_draft_id and created_by = p_user_id for update;
  if not found then
    raise exception using errcode = 'PT404', message = 'There is no such draft of yours.', detail = 'draft_not_found',
      hint = 'Reload the list.';
  end if;
  if v_draft.draft_type <> 'email' or v_draft.status <> 'approved' or v_draft.approved_by is distinct from p_user_id then
    raise exception using errcode = 'PT409', message = 'Only an email that you have approved can be sent.', detail = 'not_approved',
      hint = 'Approve it first.';
  end if;
  if v_draft.sent_at is not null then
    raise exception using errcode = 'PT409', message = 'This mail has been sent.', detail = 'already_sent', hint = 'Reload it.';
  end if;
  return v_draft;
end
$$;
comment on function agent.lock_approved_mail(uuid, uuid) is
'The user''s approved, unsent email, locked, or PT404, PT409. Granted to nobody.';

-- Definer: nobody may write ai_sends or agent.jobs.
create function agent.open_send_v1(p_draft_id uuid, p_send_again boolean) returns public.ai_sends
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_live_session();
  v_draft public.ai_drafts := agent.lock_approved_mail(p_draft_id, v_user_id);
  v_settings public.ai_settings := (select s from public.ai_settings as s);
  v_job_id uuid := gen_random_uuid();
  v_send public.ai_sends;
begin
  select * into v_send from public.ai_sends
  where draft_id = p_draft_id and (state in ('queued', 'begun') or (state = 'unknown' and resolved_at is null));
  if v_send.state in ('queued', 'begun') then
    raise exception using errcode = 'PT409', message = 'This mail is being sent.', detail = 'send_open: ' || v_send.id,
      hint = 'Wait for it, or undo it.';
  end if;
  if v_send.state = 'unknown' and p_send_again is not true then
    raise exception using errcode = 'PT409', message = 'Nobody knows whether this mail left when it was sent before.',
      detail = 'send_unknown', hint = 'Look into the sent mail: mark_sent if it is there, else send_draft with p_send_again.';
  end if;
  if v_draft.recipient is null then
    raise exception using errcode = 'PT409', message = 'This mail has no recipient.', detail = 'recipient_missing',
      hint = 'Give the contact an address and ask for a new draft.';
  end if;
  if agent.has_consent(v_draft.client_id, v_user_id, 'email') is not true then
    raise exception using errcode = 'PT403', message = 'This client may not be sent mail.', detail = 'email_not_allowed',
      hint = 'Ask the client, and record what they say.';
  end if;
  if (agent.sender_of(v_user_id)).from_address is null then
    raise exception using errcode = 'PT409', message = 'Sending is not set up for your address.', detail = 'mail_not_set_up',
      hint = 'An administrator sets mail_from or mail_user_domains; until then send it yourself and mark it as sent.';
  end if;
  -- One at a time for each user, or a race would pass the cap.
  perform from public.profiles where id = v_user_id for no key update;
  if (agent.sends_today(v_user_id)).asked >= v_settings.daily_sends_per_user then
    raise exception using errcode = 'PT429', message = 'You have sent as many mails today as one person may.', detail = 'send_cap',
      hint = 'Send it tomorrow.';
  end if;

  update public.ai_sends set resolved_at = now() where id = v_send.id;
  insert into agent.jobs (id, kind, user_id, client_id, payload, turn, due_at) values (
    v_job_id, 'send', v_user_id, v_draft.client_id, jsonb_build_object('draft_id', v_draft.id),
    agent.next_turn(v_user_id, 0::smallint), now() + make_interval(secs => v_settings.send_hold_seconds)
  );
  insert into public.ai_sends (draft_id, user_id, channel, state, content_hash, job_id, due_at) values (
    v_draft.id, v_user_id, 'smtp', 'queued', v_draft.content_hash, v_job_id, now() + make_interval(secs => v_settings.send_hold_seconds)
  ) returning * into v_send;
  perform agent.append_audit('send_queued', 'ai_draft', v_draft.id, v_draft.client_id, v_job_id,
    jsonb_build_object('content_hash', v_draft.content_hash));
  return v_send;
end
$$;
comment on function agent.open_send_v1(uuid, boolean) is
'Behind queue_send_v1: the job and its record, for an approved mail of the caller.';

-- Invoker: what the person sees, they must see now.
create function agent.queue_send_v1(p_draft_id uuid, p_send_again boolean default false) returns public.ai_sends
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_send public.ai_sends := agent.open_send_v1(p_draft_id, p_send_again);
begin
  if not exists (
    select from public.ai_drafts as d inner join crm.clients as c on c.id = d.client_id
    where d.id = p_draft_id
  ) then
    raise exception using errcode = 'PT403', message = 'You no longer have access to this client.', detail = 'access_lost',
      hint = 'Nothing is sent.';
  end if;
  if not exists (
    select from public.ai_drafts as d
    inner join crm.contacts as k on k.id = d.contact_id and k.client_id = d.client_id and k.email = d.recipient
    where d.id = p_draft_id
  ) then
    raise exception using errcode = 'PT409', message = 'The contact''s address has changed since this was written.',
      detail = 'recipient_changed', hint = 'Ask for a new draft. Nothing is sent.';
  end if;
  return v_send;
end
$$;
comment on function agent.queue_send_v1(uuid, boolean) is
'Behind approve_draft with p_action send, and send_draft: queues the sending of the caller''s approved mail, to begin after the hold.';

create or replace function public.approve_draft(
  p_draft_id uuid, p_content_hash text, p_action text default 'save', p_log_activity boolean default null,
  p_create_task boolean default false, p_accept_stale boolean default false
) returns public.ai_drafts
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_stale jsonb;
  v_draft public.ai_drafts;
  v_contact_id uuid;
  v_deal_id uuid;
  v_written jsonb := jsonb_build_array();
begin
  if p_action in ('save', 'send') is not true then
    raise exception using errcode = 'PT400',
      message = format('p_action is %s: use save or send.', coalesce(quote_literal(left(p_action, 40)), 'null')),
      detail = 'invalid_argument: p_action', hint = 'Nothing was approved.';
  end if;

  perform agent.require_person();
  v_stale := (select s.reasons from agent.stale_reasons(array[p_draft_id]) as s); -- it looks at open drafts
  v_draft := agent.approve_draft_v1(p_draft_id, p_content_hash);
  if p_action = 'send' and v_draft.draft_type <> 'email' then
    raise exception using errcode = 'PT409', message = format('p_action is ''send'', and this draft is a %s.', v_draft.draft_type),
      detail = 'not_an_email', hint = 'Use save. Nothing was approved.';
  end if;
  if v_stale is not null and p_accept_stale is not true then
    raise exception using errcode = 'PT409',
      message = 'Things have changed since this was written: '
        || (select string_agg(r ->> 'text', ' ') from jsonb_array_elements(v_stale) as r),
      detail = 'draft_stale: ' || jsonb_array_length(v_stale),
      hint = 'Regenerate it, or approve it as it stands with p_accept_stale. Nothing was approved.';
  end if;
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
  if v_draft.draft_type = 'task' or p_create_task then
    v_written := v_written || crm.create_task(
      v_draft.client_id,
      case when v_draft.draft_type = 'task' then v_draft.subject
        else left('Follow up: ' || coalesce(v_draft.subject, (select c.name from crm.clients as c where c.id = v_draft.client_id)), 300) end,
      case when v_draft.draft_type = 'task' then v_draft.content end,
      coalesce((v_draft.details ->> 'due_at')::timestamptz, case when v_draft.draft_type <> 'task' then agent.follow_up_at() end),
      coalesce(v_draft.details ->> 'priority', 'medium'), v_deal_id
    );
  end if;
  if coalesce(p_log_activity, v_draft.draft_type in ('email', 'note')) then
    -- As a note, a mail too: nobody has sent it yet. log_sends makes a mail of it.
    v_written := v_written || crm.log_activity(
      v_draft.client_id, 'note', null, v_draft.subject, v_draft.content, v_contact_id, v_deal_id
    );
  end if;
  v_draft := agent.note_written_v1(v_draft.id, v_written);
  if p_action = 'send' then
    perform agent.queue_send_v1(v_draft.id);
  end if;
  return v_draft;
end
$$;
comment on function public.approve_draft(uuid, text, text, boolean, boolean, boolean) is
'A person approves exactly the text whose hash was shown, or is told why not: p_action save keeps it, send sends the mail after the hold; '
'logs the activity and creates the task asked for, all in one transaction as that person.';

create function public.send_draft(p_draft_id uuid, p_send_again boolean default false) returns public.ai_sends
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select * from agent.queue_send_v1(p_draft_id, p_send_again) $$;
comment on function public.send_draft(uuid, boolean) is
'Sends an approved, unsent mail of the caller after the hold. One whose sending is unknown is sent again only with p_send_again.';

insert into agent.data_tables (relation, place, client_id, user_id, aged_at, on_age, on_erase) values (
  'public.ai_sends', 1, '(select d.client_id from public.ai_drafts as d where d.id = t.draft_id)', 't.user_id', 't.created_at', 'delete',
  'delete'
);

alter table public.ai_sends enable row level security;
alter table public.ai_sends force row level security;
create policy ai_sends_select_owner on public.ai_sends for select to authenticated
using (user_id = (select auth.uid()) and (select agent.is_agent()) is not true);
comment on policy ai_sends_select_owner on public.ai_sends is
'A user sees what became of their own mails; the agent gets its one from begin_send_job.';
revoke all on table public.ai_sends from public, anon, authenticated, service_role;
revoke all on function
agent.sends_today(uuid), agent.sender_of(uuid), agent.lock_approved_mail(uuid, uuid), agent.open_send_v1(uuid, boolean),
agent.queue_send_v1(uuid, boolean), public.send_draft(uuid, boolean)
from public, anon, authenticated, service_role;
grant select on table public.ai_sends to authenticated;
grant execute on function agent.open_send_v1(uuid, boolean), agent.queue_send_v1(uuid, boolean), public.send_draft(uuid, boolean)
to authenticated;
notify pgrst, 'reload schema';
