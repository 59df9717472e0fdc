-- Why: approving may create a follow-up task, takes an explicit yes for a draft that is out of date, and works on many at once.
-- Touches: a column of ai_settings; replaces approve_draft; new functions approve_drafts, delete_drafts.
-- Rollout: new bodies; short locks on ai_settings, one row, for its column.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

alter table public.ai_settings add column follow_up_days integer not null default 3;
-- One row.
-- squawk-ignore constraint-missing-not-valid
alter table public.ai_settings add constraint ai_settings_follow_up_days_check check (follow_up_days between 1 and 90);
comment on column public.ai_settings.follow_up_days is 'When a task is due that approving creates and whose draft names no time.';

-- Definer: nobody holds UPDATE on ai_drafts.
create function agent.note_written_v1(p_draft_id uuid, p_written jsonb) returns public.ai_drafts
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_person();
  v_draft public.ai_drafts;
begin
  update public.ai_drafts set written = p_written
  where id = p_draft_id and approved_by = v_user_id and approved_at = now() and written is null
  returning * into v_draft;
  if not found then
    raise exception using errcode = 'PT409', message = 'This transaction has not approved that draft.', detail = 'not_approved',
      hint = 'Call approve_draft.';
  end if;
  return v_draft;
end
$$;
comment on function agent.note_written_v1(uuid, jsonb) is
'Behind approve_draft: keeps what it wrote into the CRM, once, in the transaction that approves.';

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
  if p_action = 'send' then
    raise exception using errcode = 'PT501', message = 'p_action ''send'' is not built yet: use save, and send the mail yourself.',
      detail = 'not_built', hint = 'Nothing was approved.';
  elsif p_action is distinct from 'save' then
    raise exception using errcode = 'PT400',
      message = format('p_action is %s: use save.', coalesce(quote_literal(left(p_action, 40)), 'null')),
      detail = 'invalid_argument: p_action', hint = 'Nothing was approved.';
  end if;

  perform agent.require_person();
  v_stale := (select s.reasons from agent.stale_reasons(array[p_draft_id]) as s); -- it looks at open drafts
  v_draft := agent.approve_draft_v1(p_draft_id, p_content_hash);
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
    -- As a note, a mail too: it is approved and kept, and nobody has sent it yet.
    v_written := v_written || crm.log_activity(
      v_draft.client_id, 'note', null, v_draft.subject, v_draft.content, v_contact_id, v_deal_id
    );
  end if;
  return agent.note_written_v1(v_draft.id, v_written);
end
$$;
comment on function public.approve_draft(uuid, text, text, boolean, boolean, boolean) is
'A person approves exactly the text whose content_hash they were shown. A mail or note is logged as a note, a task created, a memo kept; '
'p_create_task adds a follow-up task. PT409 draft_stale where the CRM has moved on, unless p_accept_stale.';

create function agent.follow_up_at() returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select (((now() at time zone s.time_zone)::date + s.follow_up_days) + time '09:00') at time zone s.time_zone from public.ai_settings as s
$$;
comment on function agent.follow_up_at() is 'Nine in the morning, so many days from now. Definer: only admins read the settings.';

create function public.approve_drafts(p_drafts jsonb, p_accept_stale boolean default false) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_results jsonb := jsonb_build_array();
  v_item jsonb;
  v_detail text;
  v_hint text;
begin
  perform agent.require_person();
  if jsonb_typeof(p_drafts) is distinct from 'array' or jsonb_array_length(p_drafts) not between 1 and 100
    or exists (
      select from jsonb_array_elements(p_drafts) as i
      where i ->> 'id' ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' is not true or i ->> 'content_hash' is null
    ) then
    raise exception using errcode = 'PT400', message = 'p_drafts is not a list of 1 to 100 objects with id and content_hash.',
      detail = 'invalid_argument: p_drafts', hint = 'Pass for each draft the hash of the text that was shown. Nothing was approved.';
  end if;
  -- In one order for everybody, so that two who approve the same drafts do not wait for each other in a ring.
  for v_item in select i from jsonb_array_elements(p_drafts) as i order by i ->> 'id' loop
    begin
      perform public.approve_draft((v_item ->> 'id')::uuid, v_item ->> 'content_hash', p_accept_stale => p_accept_stale);
      v_results := v_results || jsonb_build_object('id', v_item -> 'id', 'ok', true);
    exception
      when others then
        get stacked diagnostics v_detail = pg_exception_detail, v_hint = pg_exception_hint;
        -- Our own refusals are for one draft; anything else is a fault of all of it.
        if sqlstate !~ '^PT4' or sqlstate = 'PT401' then
          raise;
        end if;
        v_results := v_results || jsonb_build_object('id', v_item -> 'id', 'ok', false, 'error', jsonb_build_object(
          'code', split_part(v_detail, ':', 1), 'status', right(sqlstate, 3)::integer, 'message', sqlerrm, 'hint', v_hint
        ));
    end;
  end loop;
  return v_results;
end
$$;
comment on function public.approve_drafts(jsonb, boolean) is
'Approves each of [{id, content_hash}] as approve_draft does, and saves it; returns [{id, ok, error}]. One refusal keeps no other back.';

-- Definer: nobody holds DELETE on ai_drafts.
create function agent.delete_drafts_v1(p_draft_ids uuid[]) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_live_session();
  v_results jsonb;
begin
  if cardinality(p_draft_ids) between 1 and 100 is not true then
    raise exception using errcode = 'PT400', message = 'p_draft_ids is not a list of 1 to 100 ids.',
      detail = 'invalid_argument: p_draft_ids', hint = 'Delete them in several calls. Nothing was deleted.';
  end if;
  with gone as (
    delete from public.ai_drafts as d
    where d.id = any (p_draft_ids) and d.created_by = v_user_id and d.status <> 'approved'
    returning d.id, d.client_id, d.status
  ),
  kept as (
    insert into agent.audit_log (actor, actor_id, action, entity, entity_id, client_id, details)
    select a.actor, a.actor_id, 'draft_deleted', 'ai_draft', g.id, g.client_id, jsonb_build_object('status', g.status)
    from gone as g cross join agent.caller() as a
  )
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('id', w.id, 'ok', g.id is not null, 'error', case
    when g.id is not null then null
    when d.id is null then jsonb_build_object('code', 'draft_not_found', 'status', 404, 'message', 'There is no such draft of yours.',
      'hint', 'Reload the list.')
    else jsonb_build_object('code', 'draft_closed', 'status', 409, 'message', 'This draft is approved: it stays on record.',
      'hint', 'It goes when the time is over for which records are kept.')
  end)) order by w.place)
  into v_results
  from unnest(p_draft_ids) with ordinality as w (id, place)
  left join gone as g on g.id = w.id
  left join public.ai_drafts as d on d.id = w.id and d.created_by = v_user_id;
  return v_results;
end
$$;
comment on function agent.delete_drafts_v1(uuid[]) is 'Behind delete_drafts.';

create function public.delete_drafts(p_draft_ids uuid[]) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.delete_drafts_v1(p_draft_ids) $$;
comment on function public.delete_drafts(uuid[]) is
'A person deletes drafts of theirs with all their edits; returns [{id, ok, error}]. What was approved stays on record.';

revoke all on function
agent.note_written_v1(uuid, jsonb), agent.follow_up_at(), public.approve_drafts(jsonb, boolean), agent.delete_drafts_v1(uuid[]),
public.delete_drafts(uuid[])
from public, anon, authenticated, service_role;
grant execute on function
agent.note_written_v1(uuid, jsonb), agent.follow_up_at(), public.approve_drafts(jsonb, boolean), agent.delete_drafts_v1(uuid[]),
public.delete_drafts(uuid[])
to authenticated;
notify pgrst, 'reload schema';
