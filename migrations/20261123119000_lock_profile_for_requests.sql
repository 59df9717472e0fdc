-- Why: request_draft took an advisory lock by the user's id. Whoever can run SQL behind PostgREST could take the same one, for the
-- whole session of a pooled connection, and that user's requests would wait until they timed out.
-- Touches: replaces agent.request_draft_v1; it locks the row of its own user in public.profiles instead.
-- Rollout: a new body only. Requests that are in the middle of the old one finish; for that moment a user could pass a cap by one.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create or replace function agent.request_draft_v1(
  p_client_id uuid, p_draft_type text, p_purpose text, p_hints text, p_language text, p_contact_id uuid, p_deal_id uuid, p_task_id uuid,
  p_interactive boolean
) returns public.ai_draft_requests
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_person();
  v_settings public.ai_settings;
  v_request public.ai_draft_requests;
  v_draft_id uuid;
  v_count integer;
begin
  -- Counting and inserting must be one step for one user: without the lock 62 of 64 racers passed a cap of 10. Their own row, since
  -- nobody else may lock it; an advisory lock of that number would be anybody's, and held for as long as a connection lives.
  perform from public.profiles where id = v_user_id for no key update;

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
