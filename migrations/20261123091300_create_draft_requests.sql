-- Why: asking for a draft: one request, one job, inside the user's caps.
-- Touches: new functions.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Definer: nobody holds INSERT on ai_draft_requests or agent.jobs. Its wrapper has checked under the caller's own rights that
-- they see the client, the contact, the deal and the task; were it called without, the job would end when the agent reads.
create function agent.request_draft_v1(
  p_client_id uuid, p_draft_type text, p_purpose text, p_hints text, p_language text, p_contact_id uuid, p_deal_id uuid, p_task_id uuid,
  p_interactive boolean
) returns public.ai_draft_requests
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_user_id uuid := agent.require_person();
  v_settings public.ai_settings;
  v_request public.ai_draft_requests;
  v_draft_id uuid;
  v_count integer;
begin
  -- Counting and inserting must be one step for one user: without the lock 62 of 64 racers passed a cap of 10.
  perform pg_advisory_xact_lock(hashtextextended('agent.request_draft:' || v_user_id, 0));

  select * into v_request from public.ai_draft_requests as r
  where r.user_id = v_user_id and r.client_id = p_client_id and r.draft_type = p_draft_type and r.purpose = p_purpose
    and r.deal_id is not distinct from p_deal_id and r.task_id is not distinct from p_task_id and r.state in ('queued', 'running');
  if found then
    if v_request.hints is not distinct from p_hints and v_request.language is not distinct from p_language
      and v_request.contact_id is not distinct from p_contact_id then
      return v_request;
    end if;
    raise exception using errcode = 'PT409', message = 'A draft of this kind is being written for this client, from other hints.',
      detail = 'request_open: ' || v_request.id, hint = 'Wait for it, or cancel it first.';
  end if;

  -- A draft whose time is over is in nobody's way, whether or not a sweeper has been by.
  update public.ai_drafts
  set status = 'expired', updated_at = now()
  where created_by = v_user_id and client_id = p_client_id and status in ('pending', 'edited') and expires_at <= now();
  select d.id into v_draft_id from public.ai_drafts as d
  where d.created_by = v_user_id and d.client_id = p_client_id and d.draft_type = p_draft_type and d.purpose = p_purpose
    and d.deal_id is not distinct from p_deal_id and d.task_id is not distinct from p_task_id and d.status in ('pending', 'edited');
  if found then
    raise exception using errcode = 'PT409', message = 'There is an open draft of this kind for this client.',
      detail = 'draft_open: ' || v_draft_id, hint = 'Approve or reject it, or regenerate it.';
  end if;

  select * into v_settings from public.ai_settings;
  select count(*) into v_count from public.ai_draft_requests where user_id = v_user_id and state in ('queued', 'running');
  if v_count >= v_settings.open_jobs_per_user then
    raise exception using errcode = 'PT429', message = format('You have %s drafts being written.', v_count),
      detail = 'open_jobs_cap: ' || v_settings.open_jobs_per_user, hint = 'Ask again when one of them is done.';
  end if;
  select count(*) into v_count from public.ai_draft_requests
  where user_id = v_user_id
    and created_at >= date_trunc('day', now() at time zone v_settings.time_zone) at time zone v_settings.time_zone;
  if v_count >= v_settings.daily_jobs_per_user then
    raise exception using errcode = 'PT429', message = format('You have asked for %s drafts today.', v_count),
      detail = 'daily_jobs_cap: ' || v_settings.daily_jobs_per_user,
      hint = format('It starts anew at midnight (%s).', v_settings.time_zone);
  end if;

  insert into public.ai_draft_requests (
    user_id, client_id, contact_id, deal_id, task_id, draft_type, purpose, hints, language, job_id
  ) values (
    v_user_id, p_client_id, p_contact_id, p_deal_id, p_task_id, p_draft_type, p_purpose, p_hints, p_language, gen_random_uuid()
  ) returning * into v_request;
  insert into agent.jobs (id, kind, user_id, client_id, request_id, dedupe_key, turn, interactive, due_at, payload)
  values (
    v_request.job_id, 'draft', v_user_id, p_client_id, v_request.id, 'draft:' || v_request.id,
    agent.next_turn(v_user_id, 0::smallint), p_interactive,
    now() + case when p_interactive then interval '5 seconds' else interval '0' end,
    jsonb_build_object('request_id', v_request.id, 'draft_type', p_draft_type, 'purpose', p_purpose, 'hints', p_hints,
      'language', p_language, 'contact_id', p_contact_id, 'deal_id', p_deal_id, 'task_id', p_task_id)
  );
  perform agent.append_audit('draft_requested', 'ai_draft_request', v_request.id, p_client_id, v_request.job_id);
  return v_request;
end
$$;
comment on function agent.request_draft_v1(uuid, text, text, text, text, uuid, uuid, uuid, boolean) is 'Behind request_draft.';

create function public.request_draft(
  p_client_id uuid, p_draft_type text, p_purpose text, p_hints text default null, p_language text default null,
  p_contact_id uuid default null, p_deal_id uuid default null, p_task_id uuid default null, p_interactive boolean default false
) returns public.ai_draft_requests
language plpgsql volatile set search_path = ''
as $$
declare
  v_hints text := nullif(btrim(p_hints, E' \t\r\n'), '');
  v_contact_id uuid := p_contact_id;
  v_faults text[];
begin
  perform agent.require_person();
  if not exists (select from crm.clients where id = p_client_id) then
    raise exception using errcode = 'PT404', message = 'There is no such client among those you may see.', detail = 'client_not_found',
      hint = 'Check the id, or ask for access.';
  end if;

  v_faults := array_remove(array[
    case when p_draft_type in ('email', 'note', 'task', 'memo') is not true
      then format('p_draft_type is %s: use email, note, task or memo.', coalesce(quote_literal(left(p_draft_type, 40)), 'null')) end,
    case when p_purpose in ('follow_up', 'check_in', 'deal_update', 'task_reminder', 'custom') is not true
      then format('p_purpose is %s: use follow_up, check_in, deal_update, task_reminder or custom.',
        coalesce(quote_literal(left(p_purpose, 40)), 'null')) end,
    case when octet_length(v_hints) > 2048
      then format('p_hints has %s bytes: shorten it to 2048.', octet_length(v_hints)) end,
    case when p_language !~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'
      then format('p_language is %L: use a language tag such as en or pt-BR.', left(p_language, 40)) end,
    case when p_contact_id is not null and not exists (select from crm.contacts where id = p_contact_id and client_id = p_client_id)
      then 'p_contact_id is no contact of this client: leave it out for the primary one.' end,
    case when p_deal_id is not null and not exists (select from crm.deals where id = p_deal_id and client_id = p_client_id)
      then 'p_deal_id is no deal of this client that you may see.' end,
    case when p_task_id is not null and not exists (select from crm.tasks where id = p_task_id and client_id = p_client_id)
      then 'p_task_id is no task of this client that you may see.' end,
    case when p_interactive is null then 'p_interactive is null: use true or false.' end
  ], null);
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again.';
  end if;

  if v_contact_id is null then
    select c.id into v_contact_id from crm.contacts as c
    where c.client_id = p_client_id order by c.is_primary desc nulls last, c.name, c.id limit 1;
  end if;
  return agent.request_draft_v1(
    p_client_id, p_draft_type, p_purpose, v_hints, p_language, v_contact_id, p_deal_id, p_task_id, p_interactive
  );
end
$$;
comment on function public.request_draft(uuid, text, text, text, text, uuid, uuid, uuid, boolean) is
'A person asks for a draft. The same open request again returns the same row. p_interactive: the caller will have it written at once.';

revoke all on function
agent.request_draft_v1(uuid, text, text, text, text, uuid, uuid, uuid, boolean),
public.request_draft(uuid, text, text, text, text, uuid, uuid, uuid, boolean)
from public, anon, authenticated, service_role;
grant execute on function
agent.request_draft_v1(uuid, text, text, text, text, uuid, uuid, uuid, boolean),
public.request_draft(uuid, text, text, text, text, uuid, uuid, uuid, boolean)
to authenticated;
