-- Why: a person asks again for what they do not like, and calls off what they no longer want; neither may cost them a text of theirs.
-- Touches: two columns of ai_draft_requests; a trigger of ai_drafts; replaces request_draft, fail_job_v1 and request_draft_v1, which goes.
-- Rollout: the new columns are null and rewrite nothing; short locks on two tables of ours.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

insert into agent.failure_codes (code, retryable, sentence) values
('cancelled', false, 'This was cancelled.'),
('draft_edited', false, 'You changed the draft while a new one was being written: your text stays.');

alter table public.ai_draft_requests add column regenerates_id uuid, add column regenerates_version integer;
comment on column public.ai_draft_requests.regenerates_id is
'The open draft that the new one takes the place of, unless it was edited past regenerates_version meanwhile.';

create function agent.request_draft_v2(
  p_client_id uuid, p_draft_type text, p_purpose text, p_hints text, p_language text, p_contact_id uuid, p_deal_id uuid, p_task_id uuid,
  p_interactive boolean, p_regenerates_id uuid
) returns public.ai_draft_requests
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_person();
  v_settings public.ai_settings;
  v_request public.ai_draft_requests;
  v_draft_id uuid;
  v_count integer;
  v_oldest timestamptz;
begin
  perform agent.require_ai_on(v_user_id, p_client_id);
  -- Counting and inserting must be one step for one user: without the lock 62 of 64 racers passed a cap of 10. Their own row, since
  -- nobody else may lock it; an advisory lock of that number would be anybody's, and held for as long as a connection lives.
  perform from public.profiles where id = v_user_id for no key update;

  select * into v_request from public.ai_draft_requests as r
  where r.user_id = v_user_id and r.client_id = p_client_id and r.draft_type = p_draft_type and r.purpose = p_purpose
    and r.deal_id is not distinct from p_deal_id and r.task_id is not distinct from p_task_id and r.state in ('queued', 'running');
  if found then
    if v_request.hints is not distinct from p_hints and v_request.language is not distinct from p_language
      and v_request.contact_id is not distinct from p_contact_id and v_request.regenerates_id is not distinct from p_regenerates_id then
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
  if found and v_draft_id is distinct from p_regenerates_id then
    raise exception using errcode = 'PT409', message = 'There is an open draft of this kind for this client.',
      detail = 'draft_open: ' || v_draft_id, hint = 'Approve or reject it, or regenerate it.';
  end if;

  perform agent.require_budget(v_user_id);
  select * into v_settings from public.ai_settings;
  select count(*) into v_count from public.ai_draft_requests where user_id = v_user_id and state in ('queued', 'running');
  if v_count >= v_settings.open_jobs_per_user then
    raise exception using errcode = 'PT429', message = format('You have %s drafts being written.', v_count),
      detail = 'open_jobs_cap: ' || v_settings.open_jobs_per_user, hint = 'Ask again when one of them is done.';
  end if;
  -- The oldest of so many newest: when it is a minute old, there is room for one more.
  select r.created_at into v_oldest from public.ai_draft_requests as r where r.user_id = v_user_id
  order by r.created_at desc offset greatest(v_settings.drafts_per_minute - 1, 0) limit 1;
  if v_settings.drafts_per_minute = 0 or v_oldest > now() - interval '1 minute' then
    raise exception using errcode = 'PT429',
      message = format('You may ask for %s drafts a minute.', v_settings.drafts_per_minute),
      detail = 'rate_limited: ' || agent.seconds_until(coalesce(v_oldest, now()) + interval '1 minute'),
      hint = 'Ask again in a moment.';
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
    user_id, client_id, contact_id, deal_id, task_id, draft_type, purpose, hints, language, job_id, regenerates_id, regenerates_version
  ) values (
    v_user_id, p_client_id, p_contact_id, p_deal_id, p_task_id, p_draft_type, p_purpose, p_hints, p_language, gen_random_uuid(),
    p_regenerates_id, (select d.version from public.ai_drafts as d where d.id = p_regenerates_id)
  ) returning * into v_request;
  insert into agent.jobs (id, kind, user_id, client_id, request_id, dedupe_key, turn, interactive, due_at, payload)
  values (
    v_request.job_id, 'draft', v_user_id, p_client_id, v_request.id, 'draft:' || v_request.id,
    agent.next_turn(v_user_id, 0::smallint), p_interactive,
    now() + case when p_interactive then interval '5 seconds' else interval '0' end,
    jsonb_build_object('request_id', v_request.id, 'draft_type', p_draft_type, 'purpose', p_purpose,
      'language', p_language, 'contact_id', p_contact_id, 'deal_id', p_deal_id, 'task_id', p_task_id)
  );
  perform agent.append_audit('draft_requested', 'ai_draft_request', v_request.id, p_client_id, v_request.job_id);
  return v_request;
end
$$;
comment on function agent.request_draft_v2(uuid, text, text, text, text, uuid, uuid, uuid, boolean, uuid) is
'Behind request_draft and regenerate_draft.';

create or replace function public.request_draft(
  p_client_id uuid, p_draft_type text, p_purpose text, p_hints text default null, p_language text default null,
  p_contact_id uuid default null, p_deal_id uuid default null, p_task_id uuid default null, p_interactive boolean default false
) returns public.ai_draft_requests
language plpgsql volatile set search_path = pg_catalog, pg_temp
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
  return agent.request_draft_v2(
    p_client_id, p_draft_type, p_purpose, v_hints, p_language, v_contact_id, p_deal_id, p_task_id, p_interactive, null
  );
end
$$;

-- Nothing but the wrapper above called it.
-- squawk-ignore ban-drop-function
drop function agent.request_draft_v1(uuid, text, text, text, text, uuid, uuid, uuid, boolean);

-- Definer: nobody may lock or update rows of ai_drafts.
create function agent.draft_to_regenerate_v1(p_draft_id uuid) returns public.ai_drafts
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  return agent.lock_open_draft(p_draft_id, agent.require_person());
end
$$;
comment on function agent.draft_to_regenerate_v1(uuid) is 'The caller''s open draft, locked until its new request stands, or PT404, PT409.';

create function public.regenerate_draft(
  p_draft_id uuid, p_hints text default null, p_language text default null, p_interactive boolean default false
) returns public.ai_draft_requests
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_draft public.ai_drafts := agent.draft_to_regenerate_v1(p_draft_id);
  v_hints text := nullif(btrim(p_hints, E' \t\r\n'), '');
  v_faults text[];
begin
  if not exists (select from crm.clients where id = v_draft.client_id) then
    raise exception using errcode = 'PT404', message = 'There is no such client among those you may see.', detail = 'client_not_found',
      hint = 'Check the id, or ask for access.';
  end if;
  v_faults := array_remove(array[
    case when octet_length(v_hints) > 2048 then format('p_hints has %s bytes: shorten it to 2048.', octet_length(v_hints)) end,
    case when p_language !~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'
      then format('p_language is %L: use a language tag such as en or pt-BR.', left(p_language, 40)) end,
    case when p_interactive is null then 'p_interactive is null: use true or false.' end
  ], null);
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again.';
  end if;
  return agent.request_draft_v2(
    v_draft.client_id, v_draft.draft_type, v_draft.purpose, v_hints, coalesce(p_language, v_draft.language),
    -- What is gone by now, or out of sight, is not written about.
    (select k.id from crm.contacts as k where k.id = v_draft.contact_id and k.client_id = v_draft.client_id),
    (select d.id from crm.deals as d where d.id = v_draft.deal_id and d.client_id = v_draft.client_id),
    (select t.id from crm.tasks as t where t.id = v_draft.task_id and t.client_id = v_draft.client_id),
    p_interactive, v_draft.id
  );
end
$$;
comment on function public.regenerate_draft(uuid, text, text, boolean) is
'A person asks for another text in place of an open draft. The old one stays open until the new one is there, then becomes superseded.';

-- Definer: the agent, in whose transaction it runs, neither sees nor changes drafts.
create function agent.tg_ai_drafts__supersede() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_request public.ai_draft_requests;
  v_draft public.ai_drafts;
begin
  select * into v_request from public.ai_draft_requests where id = new.request_id;
  select * into v_draft from public.ai_drafts
  where id = v_request.regenerates_id and created_by = new.created_by and client_id = new.client_id for update;
  if v_draft.status in ('pending', 'edited') then
    if v_draft.version <> v_request.regenerates_version then
      raise exception using errcode = 'PT409', message = 'The draft was edited while this one was written.', detail = 'draft_edited',
        hint = 'fail_job with draft_edited.';
    end if;
    update public.ai_drafts set status = 'superseded', updated_at = now() where id = v_draft.id;
    new.supersedes_id := v_draft.id;
  end if;
  return new;
end
$$;
comment on function agent.tg_ai_drafts__supersede() is
'Before a regenerated draft comes in: the one it was asked in place of becomes superseded, or PT409 if a person has edited it since.';
create trigger ai_drafts_supersede before insert on public.ai_drafts
for each row when (new.request_id is not null) execute function agent.tg_ai_drafts__supersede();

create or replace function agent.fail_job_v1(p_job_token text, p_code text, p_retry_after_seconds integer, p_usage jsonb) returns text
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job agent.jobs;
  v_failure agent.failure_codes;
  v_tries integer;
  v_is_free boolean;
begin
  perform agent.require_worker();
  select * into v_failure from agent.failure_codes where code = p_code and code <> 'attempts_exhausted';
  if not found then
    raise exception using errcode = 'PT400', message = format('p_code is %s.', coalesce(quote_literal(p_code), 'null')),
      detail = 'invalid_argument: p_code',
      hint = (select 'One of: ' || string_agg(code, ', ' order by code) from agent.failure_codes where code <> 'attempts_exhausted');
  end if;
  if p_retry_after_seconds is not null and p_retry_after_seconds not between 0 and 86400 then
    raise exception using errcode = 'PT400', message = format('p_retry_after_seconds is %s.', p_retry_after_seconds),
      detail = 'invalid_argument: p_retry_after_seconds', hint = 'A delay is 0 to 86400 seconds.';
  end if;
  if agent.is_usage(p_usage) is not true then
    raise exception using errcode = 'PT400', message = 'p_usage is not an object of whole numbers.',
      detail = 'invalid_argument: p_usage', hint = 'Tokens and milliseconds are 0 to 999999999; leave out what is not known.';
  end if;

  v_job := agent.job_of_token(p_job_token);
  if v_job.state <> 'running' then
    if v_job.state = 'cancelled' then
      perform agent.settle(v_job.id, 'cancelled', p_usage); -- the reader left meanwhile: what the attempt had cost by then
    end if;
    return v_job.state; -- said before: the same answer again
  end if;
  perform agent.book_attempt(v_job, left(coalesce(p_usage ->> 'provider', 'none'), 40), p_usage ->> 'model', p_code, p_usage);

  -- Its newest row is this attempt. One that the provider turned away cost nothing, and costs the job no attempt: it waits, for a day.
  select count(*), (array_agg(i.cost_usd order by i.created_at desc, i.settled_at desc))[1] = 0 and p_code like 'provider\_%'
  into v_tries, v_is_free
  from public.ai_interactions as i where i.job_id = v_job.id;
  if p_code = 'provider_refused' then
    perform agent.raise_alert('provider_refused', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24'), 'critical',
      'The model''s provider refuses: the key, the model, or what is paid for.', jsonb_build_object('job_id', v_job.id));
  end if;
  if v_failure.retryable and (
    p_code = 'returned' or v_job.attempts < v_job.max_attempts or (v_is_free and v_job.created_at > now() - interval '1 day')
  ) then
    -- Without a word from the provider the delay doubles from 15 seconds to 10 minutes. A returned job costs no attempt.
    -- That one was not begun and keeps its turn; a failed one had its turn and takes a new one.
    update agent.jobs
    set state = 'queued', failure_code = p_code,
      turn = case when p_code = 'returned' then v_job.turn else agent.next_turn(v_job.user_id, v_job.priority) end,
      attempts = case when p_code = 'returned' or v_is_free then v_job.attempts - 1 else v_job.attempts end,
      due_at = now() + case
        when p_code = 'returned' then interval '0'
        else make_interval(secs => coalesce(p_retry_after_seconds, least(600, 15 * 2 ^ least(greatest(v_tries, v_job.attempts) - 1, 10))))
      end
    where id = v_job.id;
    update public.ai_draft_requests set state = 'queued', error = v_failure.sentence, updated_at = now() where id = v_job.request_id;
    perform agent.append_audit('job_requeued', 'job', v_job.id, v_job.client_id, v_job.id, jsonb_build_object('code', p_code));
    if p_code = 'returned' then
      perform pg_notify('agent_jobs', '');
    end if;
    return 'queued';
  end if;

  perform agent.close_jobs(array[v_job.id], case when p_code in ('user_inactive', 'cancelled') then 'cancelled' else 'failed' end,
    case when v_failure.retryable then 'attempts_exhausted' else p_code end);
  return (select state from agent.jobs where id = v_job.id);
end
$$;

-- Definer: nobody holds UPDATE on ai_draft_requests or agent.jobs.
create function agent.cancel_request_v1(p_request_id uuid) returns public.ai_draft_requests
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_person();
  v_request public.ai_draft_requests;
  v_job agent.jobs;
begin
  select * into v_request from public.ai_draft_requests where id = p_request_id and user_id = v_user_id;
  if not found then
    raise exception using errcode = 'PT404', message = 'There is no such request of yours.', detail = 'request_not_found',
      hint = 'Reload the list.';
  end if;
  -- The job first, as everybody who ends one does.
  select * into v_job from agent.jobs where id = v_request.job_id for update;
  if v_job.state in ('queued', 'running') then
    perform agent.close_jobs(array[v_job.id], 'cancelled', 'cancelled');
  end if;
  return (select r from public.ai_draft_requests as r where r.id = p_request_id);
end
$$;
comment on function agent.cancel_request_v1(uuid) is 'Behind cancel_request.';

create function public.cancel_request(p_request_id uuid) returns public.ai_draft_requests
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select * from agent.cancel_request_v1(p_request_id) $$;
comment on function public.cancel_request(uuid) is
'A person calls off a draft of theirs that is not written yet; what is closed already is returned as it is. Its attempt is still paid for.';

revoke all on function
agent.request_draft_v2(uuid, text, text, text, text, uuid, uuid, uuid, boolean, uuid), agent.draft_to_regenerate_v1(uuid),
public.regenerate_draft(uuid, text, text, boolean), agent.tg_ai_drafts__supersede(), agent.cancel_request_v1(uuid),
public.cancel_request(uuid)
from public, anon, authenticated, service_role;
grant execute on function
agent.request_draft_v2(uuid, text, text, text, text, uuid, uuid, uuid, boolean, uuid), agent.draft_to_regenerate_v1(uuid),
public.regenerate_draft(uuid, text, text, boolean), agent.cancel_request_v1(uuid), public.cancel_request(uuid)
to authenticated;
notify pgrst, 'reload schema';
