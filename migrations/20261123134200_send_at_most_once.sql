-- Why: a mail is sent at most once. The attempt is on record before the mail server is asked, and an interrupted one is never repeated.
-- Touches: new functions begin_send_job, complete_send_job; a trigger on agent.jobs; replaces check_request_v1.
-- Rollout: new objects and a body; a short lock on agent.jobs.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function agent.lock_send() returns public.ai_sends
language plpgsql volatile set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
  v_job_id uuid := (auth.jwt() ->> 'job')::uuid;
  v_job agent.jobs;
  v_send public.ai_sends;
begin
  if agent.is_agent() is not true then
    raise exception using errcode = 'PT403', message = 'Only the agent sends.', detail = 'not_an_agent', hint = 'Send the job''s token.';
  end if;
  perform from agent.jobs as j where j.id = v_job_id for update;
  v_job := agent.current_job();
  if v_job.id is null or v_job.kind <> 'send' or v_job.state not in ('running', 'done') then
    raise exception using errcode = 'PT409', message = 'Another worker has this job now, or it is closed.', detail = 'stale_fence',
      hint = 'Drop what you have; nothing was changed.';
  end if;
  select * into v_send from public.ai_sends where job_id = v_job.id for update;
  if not found then
    raise exception using errcode = 'PT404', message = 'The mail has been erased.', detail = 'draft_not_found', hint = 'fail_job.';
  end if;
  return v_send;
end
$$;
comment on function agent.lock_send() is
'The record of the calling agent''s job of kind send, both locked, or PT403, PT404, PT409. Granted to nobody.';

create function agent.end_send(p_job agent.jobs, p_send public.ai_sends, p_state text, p_code text, p_reply text) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  update public.ai_sends
  set state = p_state, ended_at = now(), code = p_code, server_reply = nullif(agent.clean_text(p_reply, 300), ''),
    reason = (select f.sentence from agent.failure_codes as f where f.code = p_code)
  where id = p_send.id;
  update public.ai_drafts set sent_at = case when p_state = 'sent' then now() end, updated_at = now() where id = p_send.draft_id;
  if p_state = 'sent' then
    update agent.jobs set state = 'done', result_id = p_send.id, finished_at = now(), failure_code = null where id = p_job.id;
  else
    perform agent.close_jobs(array[p_job.id], 'failed', p_code);
  end if;
  perform agent.append_audit('send_' || p_state, 'ai_draft', p_send.draft_id, p_job.client_id, p_job.id,
    jsonb_strip_nulls(jsonb_build_object('code', p_code, 'content_hash', p_send.content_hash)));
end
$$;
comment on function agent.end_send(agent.jobs, public.ai_sends, text, text, text) is 'Ends a sending and its job. Granted to nobody.';

-- Definer, the next two: the agent may read and write none of these tables.
create function agent.begin_send_v1() returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job agent.jobs;
  v_send public.ai_sends;
  v_draft public.ai_drafts;
  v_sender record;
  v_code text;
begin
  v_send := agent.lock_send();
  v_job := agent.current_job();
  if agent.is_active_user(v_job.user_id) is not true then
    raise exception using errcode = 'PT403', message = 'The account that asked for this is closed or banned.', detail = 'user_inactive',
      hint = 'fail_job with user_inactive.';
  end if;
  if v_send.state = 'begun' then
    -- Whoever began is gone, or their answer was lost: the mail may have left.
    perform agent.end_send(v_job, v_send, 'unknown', 'send_unknown', null);
    return jsonb_build_object('state', 'unknown', 'code', 'send_unknown');
  end if;
  if v_send.state <> 'queued' then
    raise exception using errcode = 'PT409', message = 'This sending has ended.', detail = 'stale_fence', hint = 'Drop it.';
  end if;
  select * into v_draft from public.ai_drafts where id = v_send.draft_id;
  select * into v_sender from agent.sender_of(v_job.user_id);
  perform from public.profiles where id = v_job.user_id for no key update;
  v_code := case
    when v_draft.status <> 'approved' or v_draft.sent_at is not null or v_draft.content_hash <> v_send.content_hash
      or v_draft.approved_by is distinct from v_job.user_id then 'draft_changed'
    when agent.has_consent(v_draft.client_id, v_job.user_id, 'email') is not true then 'email_not_allowed'
    when v_sender.from_address is null then 'mail_not_set_up'
    when (agent.sends_today(v_job.user_id)).begun >= (select s.daily_sends_per_user from public.ai_settings as s) then 'send_cap'
  end;
  if v_code is not null then
    perform agent.end_send(v_job, v_send, 'refused', v_code, null);
    return jsonb_build_object('state', 'refused', 'code', v_code);
  end if;
  update public.ai_sends
  set state = 'begun', begun_at = clock_timestamp(), message_id = format(
    '<%s.%s@%s>', v_draft.id, left(v_draft.content_hash, 16), lower(split_part(v_sender.from_address, '@', 2))
  )
  where id = v_send.id
  returning * into v_send;
  return jsonb_build_object(
    'state', 'begun', 'send_id', v_send.id, 'client_id', v_draft.client_id, 'contact_id', v_draft.contact_id,
    'from_address', v_sender.from_address, 'from_name', v_sender.from_name, 'reply_to', v_sender.reply_to, 'to', v_draft.recipient,
    'subject', v_draft.subject, 'content', v_draft.content, 'language', v_draft.language, 'message_id', v_send.message_id,
    'signature', (select s.mail_signature from public.ai_settings as s)
  );
end
$$;
comment on function agent.begin_send_v1() is 'Behind begin_send_job.';

create function agent.finish_send_v1(p_outcome text, p_code text, p_reply text) returns uuid
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job agent.jobs;
  v_send public.ai_sends;
begin
  if p_outcome in ('sent', 'deferred', 'refused', 'unknown') is not true
    or (p_outcome = 'refused' and p_code in ('mail_refused', 'access_lost', 'recipient_changed', 'configuration') is not true) then
    raise exception using errcode = 'PT400', message = format('p_outcome is %s.', coalesce(quote_literal(left(p_outcome, 40)), 'null')),
      detail = 'invalid_argument: p_outcome', hint = 'Use sent, deferred, refused or unknown.';
  end if;
  v_send := agent.lock_send();
  v_job := agent.current_job();
  if v_job.state = 'done' then
    return v_send.id; -- said before
  end if;
  if v_send.state <> 'begun' then
    raise exception using errcode = 'PT409', message = 'This mail has not begun to be sent.', detail = 'not_begun',
      hint = 'Call begin_send_job first.';
  end if;
  if p_outcome = 'deferred' and v_job.attempts < v_job.max_attempts then
    -- The server took nothing: as if it had not begun.
    update public.ai_sends
    set state = 'queued', begun_at = null, code = 'mail_deferred', server_reply = nullif(agent.clean_text(p_reply, 300), ''),
      reason = (select f.sentence from agent.failure_codes as f where f.code = 'mail_deferred')
    where id = v_send.id;
    update agent.jobs
    set state = 'queued', failure_code = 'mail_deferred', turn = agent.next_turn(v_job.user_id, v_job.priority),
      due_at = now() + make_interval(secs => least(600, 15 * 2 ^ (v_job.attempts - 1)))
    where id = v_job.id;
  else
    perform agent.end_send(
      v_job, v_send, case p_outcome when 'deferred' then 'refused' else p_outcome end,
      case p_outcome when 'deferred' then 'mail_deferred' when 'unknown' then 'send_unknown' when 'refused' then p_code end, p_reply
    );
  end if;
  return v_send.id;
end
$$;
comment on function agent.finish_send_v1(text, text, text) is 'Behind complete_send_job.';

create function public.begin_send_job() returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_begun jsonb := agent.begin_send_v1();
  v_thread regprocedure := to_regprocedure('crm.thread_of(uuid, uuid)');
  v_references text[];
  v_code text;
begin
  if v_begun ->> 'state' <> 'begun' then
    return v_begun;
  end if;
  -- As the user: what they no longer see they no longer write to.
  v_code := case
    when not exists (select from crm.clients where id = (v_begun ->> 'client_id')::uuid) then 'access_lost'
    when not exists (
      select from crm.contacts
      where id = (v_begun ->> 'contact_id')::uuid and client_id = (v_begun ->> 'client_id')::uuid and email = v_begun ->> 'to'
    ) then 'recipient_changed'
  end;
  if v_code is not null then
    perform agent.finish_send_v1('refused', v_code, null);
    return jsonb_build_object('state', 'refused', 'code', v_code);
  end if;
  if v_thread is not null then
    execute format('select %s($1, $2)', v_thread::regproc) into v_references using (v_begun ->> 'client_id')::uuid, (v_begun ->> 'contact_id')::uuid;
  end if;
  return v_begun || jsonb_build_object('references', coalesce((
    select jsonb_agg(r.id order by r.place) from unnest(v_references) with ordinality as r (id, place)
    where r.id ~ '^<[^<>[:space:][:cntrl:]]{1,250}@[^<>[:space:][:cntrl:]]{1,250}>$'
  ), '[]'));
end
$$;
comment on function public.begin_send_job() is
'The agent, before it asks a mail server: all is checked again and the attempt noted. The mail''s parts are answered once; '
'a second call finds an attempt of unknown end and closes it as such.';

create function public.complete_send_job(p_outcome text, p_reply text default null) returns uuid
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.finish_send_v1(p_outcome, case when p_outcome = 'refused' then 'mail_refused' end, p_reply) $$;
comment on function public.complete_send_job(text, text) is
'The agent: the mail server took the mail (sent), did not now (deferred) or for good (refused), or nobody knows (unknown).';

-- Definer: the worker or claim that ends a job may write no table.
create function agent.tg_jobs__end_send() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.ai_sends
  set state = case when state = 'begun' then 'unknown' else 'refused' end, ended_at = now(),
    code = case when state = 'begun' then 'send_unknown' else new.failure_code end,
    reason = (
      select f.sentence from agent.failure_codes as f
      where f.code = case when ai_sends.state = 'begun' then 'send_unknown' else new.failure_code end
    )
  where job_id = new.id and state in ('queued', 'begun');
  -- So that whoever follows the draft is told.
  update public.ai_drafts set updated_at = now() where id = (new.payload ->> 'draft_id')::uuid;
  return null;
end
$$;
comment on function agent.tg_jobs__end_send() is
'However a job of kind send ends without its mail (attempts used up, user banned), its record tells the person.';
create trigger jobs_end_send after update of state on agent.jobs
for each row when (new.kind = 'send' and new.state in ('failed', 'cancelled')) execute function agent.tg_jobs__end_send();

create or replace function agent.check_request_v1(out is_read_only boolean, out host_hook text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;
  v_headers jsonb := coalesce(nullif(current_setting('request.headers', true), ''), '{}')::jsonb;
  v_function text := substring(current_setting('request.path', true) from '^/rpc/([a-z_]+)$');
  v_job agent.jobs;
begin
  host_hook := (select value from agent.host_settings where name = 'pgrst.db_pre_request');
  is_read_only := false;

  if v_claims ? 'act' then
    -- By name: a pattern such as complete_* could match a function of the host's.
    if (v_function = any (array['get_client_context', 'complete_draft_job', 'begin_send_job', 'complete_send_job'])) is not true
      or coalesce(v_headers ->> 'content-profile', 'public') <> 'public'
      or coalesce(v_headers ->> 'accept-profile', 'public') <> 'public' then
      raise exception using errcode = 'PT403', message = 'The agent may not do this.', detail = 'agent_refused',
        hint = 'An agent token may read its client and complete its own job, nothing else.';
    end if;
    v_job := agent.current_job();
    is_read_only := v_function = 'get_client_context';
    -- A completed job may be completed again: the answer to the first time may have been lost. The function itself judges.
    if v_job.id is null or not (v_job.state = 'running' or (v_job.state = 'done' and not is_read_only)) then
      raise exception using errcode = 'PT409', message = 'Another worker has this job now, or it is closed.', detail = 'stale_fence',
        hint = 'Drop what you have; nothing was changed.';
    end if;
    if agent.is_active_user(v_job.user_id) is not true then
      raise exception using errcode = 'PT403', message = 'The account that asked for this is closed or banned.',
        detail = 'user_inactive', hint = 'fail_job with user_inactive.';
    end if;
  elsif v_claims ->> 'role' = 'agent_worker' then
    perform agent.require_worker();
    if (v_function = any (array[
      'claim_jobs', 'claim_job', 'heartbeat_job', 'fail_job', 'reserve_budget', 'run_maintenance', 'start_batch', 'submit_batch',
      'poll_batches', 'end_batch'
    ])) is not true then
      raise exception using errcode = 'PT403', message = 'A worker key may not do this.', detail = 'worker_refused',
        hint = 'It may claim, keep, pay and fail jobs. For the rest use the token of a claimed job.';
    end if;
  end if;
end
$$;

revoke all on function
agent.lock_send(), agent.end_send(agent.jobs, public.ai_sends, text, text, text), agent.begin_send_v1(),
agent.finish_send_v1(text, text, text), agent.tg_jobs__end_send(), public.begin_send_job(), public.complete_send_job(text, text)
from public, anon, authenticated, service_role;
grant execute on function
agent.begin_send_v1(), agent.finish_send_v1(text, text, text), public.begin_send_job(), public.complete_send_job(text, text)
to authenticated;
notify pgrst, 'reload schema';
