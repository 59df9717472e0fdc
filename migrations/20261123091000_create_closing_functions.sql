-- Why: how a job ends: with its draft in one transaction, or with a reason.
-- Touches: new functions.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function agent.is_usage(p_usage jsonb) returns boolean
language sql immutable set search_path = ''
as $$
  select case
    when p_usage is null then true
    when jsonb_typeof(p_usage) <> 'object' then false
    else not exists (
      select from jsonb_each(p_usage) as u
      where u.key in (
        'input_tokens', 'cache_write_tokens', 'cache_read_tokens', 'output_tokens', 'latency_ms', 'time_to_first_token_ms'
      ) and u.value::text !~ '^(\d{1,9}|null)$'
    )
  end
$$;
comment on function agent.is_usage(jsonb) is
'Whether agent.book_attempt can book it: an object whose counts are whole numbers below a billion.';

create function agent.book_attempt(p_job agent.jobs, p_provider text, p_model text, p_outcome text, p_usage jsonb) returns void
language sql volatile set search_path = ''
as $$
  insert into public.ai_interactions (
    user_id, client_id, job_id, attempt, purpose, provider, model, prompt_version_id, input_tokens, cache_write_tokens,
    cache_read_tokens, output_tokens, latency_ms, time_to_first_token_ms, outcome, request_id
  )
  select
    (p_job).user_id, (p_job).client_id, (p_job).id, (p_job).attempts,
    (p_job).kind || '.' || coalesce((p_job).payload ->> 'purpose', 'other'),
    p_provider, left(p_model, 100), null, coalesce(u.input_tokens, 0), coalesce(u.cache_write_tokens, 0),
    coalesce(u.cache_read_tokens, 0), coalesce(u.output_tokens, 0), u.latency_ms, u.time_to_first_token_ms, p_outcome,
    left(u.request_id, 200)
  from jsonb_to_record(coalesce(p_usage, '{}')) as u (
    input_tokens integer, cache_write_tokens integer, cache_read_tokens integer, output_tokens integer, latency_ms integer,
    time_to_first_token_ms integer, request_id text
  )
$$;
comment on function agent.book_attempt(agent.jobs, text, text, text, jsonb) is 'One row in the books. Granted to nobody.';

-- Definer: workers may touch no table.
create function agent.fail_job_v1(p_job_token text, p_code text, p_retry_after_seconds integer, p_usage jsonb) returns text
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job agent.jobs;
  v_failure agent.failure_codes;
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
    return v_job.state; -- said before: the same answer again
  end if;
  perform agent.book_attempt(v_job, left(coalesce(p_usage ->> 'provider', 'none'), 40), p_usage ->> 'model', p_code, p_usage);

  if v_failure.retryable and (p_code = 'returned' or v_job.attempts < v_job.max_attempts) then
    -- Without a word from the provider the delay doubles from 15 seconds to 10 minutes. A returned job costs no attempt.
    -- That one was not begun and keeps its turn; a failed one had its turn and takes a new one.
    update agent.jobs
    set state = 'queued', failure_code = p_code,
      turn = case when p_code = 'returned' then v_job.turn else agent.next_turn(v_job.user_id, v_job.priority) end,
      attempts = case when p_code = 'returned' then v_job.attempts - 1 else v_job.attempts end,
      due_at = now() + case
        when p_code = 'returned' then interval '0'
        else make_interval(secs => coalesce(p_retry_after_seconds, least(600, 15 * 2 ^ (v_job.attempts - 1))))
      end
    where id = v_job.id;
    update public.ai_draft_requests set state = 'queued', error = v_failure.sentence, updated_at = now() where id = v_job.request_id;
    perform agent.append_audit('job_requeued', 'job', v_job.id, v_job.client_id, v_job.id, jsonb_build_object('code', p_code));
    if p_code = 'returned' then
      perform pg_notify('agent_jobs', '');
    end if;
    return 'queued';
  end if;

  perform agent.close_jobs(array[v_job.id], case when p_code = 'user_inactive' then 'cancelled' else 'failed' end,
    case when v_failure.retryable then 'attempts_exhausted' else p_code end);
  return (select state from agent.jobs where id = v_job.id);
end
$$;
comment on function agent.fail_job_v1(text, text, integer, jsonb) is 'Behind fail_job.';

create function public.fail_job(
  p_job_token text, p_code text, p_retry_after_seconds integer default null, p_usage jsonb default null
) returns text
language sql volatile set search_path = ''
as $$ select agent.fail_job_v1(p_job_token, p_code, p_retry_after_seconds, p_usage) $$;
comment on function public.fail_job(text, text, integer, jsonb) is
'Workers: a job did not work out. p_code is one of agent.failure_codes; returns the new state: queued (again), failed or cancelled.';

-- Definer, the next two: the agent may touch no table of ours but ai_drafts, and that only between them.
create function agent.begin_complete_v1(out request_id uuid, out client_id uuid, out result_id uuid, out payload jsonb)
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job agent.jobs;
begin
  if agent.is_agent() is not true then
    raise exception using errcode = 'PT403', message = 'Only the agent completes a job.', detail = 'not_an_agent',
      hint = 'Send the job''s token.';
  end if;
  perform from agent.jobs as j where j.id = (auth.jwt() ->> 'job')::uuid for update;
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
    update agent.jobs set completing_xid = pg_current_xact_id() where id = v_job.id;
  end if;
  request_id := v_job.request_id;
  client_id := v_job.client_id;
  result_id := v_job.result_id;
  payload := v_job.payload;
end
$$;
comment on function agent.begin_complete_v1() is
'Locks the caller''s job and opens ai_drafts for this transaction. result_id is set when the same fence completed it before.';

create function agent.finish_complete_v1(p_result_id uuid, p_provider text, p_model text, p_usage jsonb) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job agent.jobs := agent.current_job();
begin
  if v_job.state is distinct from 'running' or v_job.completing_xid is distinct from pg_current_xact_id_if_assigned()
    or not exists (select from public.ai_drafts where id = p_result_id and request_id = v_job.request_id) then
    raise exception using errcode = 'PT409', message = 'This transaction is not completing that job.', detail = 'stale_fence',
      hint = 'Call complete_draft_job.';
  end if;
  update agent.jobs
  set state = 'done', result_id = p_result_id, finished_at = now(), failure_code = null, payload = payload - 'hints'
  where id = v_job.id;
  update public.ai_draft_requests set state = 'done', error = null, updated_at = now() where id = v_job.request_id;
  perform agent.book_attempt(v_job, p_provider, p_model, 'completed', p_usage);
  perform agent.append_audit('draft_written', 'ai_draft', p_result_id, v_job.client_id, v_job.id);
end
$$;
comment on function agent.finish_complete_v1(uuid, text, text, jsonb) is
'Closes the caller''s job on the draft that this transaction wrote.';

revoke all on function
agent.is_usage(jsonb), agent.book_attempt(agent.jobs, text, text, text, jsonb), agent.fail_job_v1(text, text, integer, jsonb),
public.fail_job(text, text, integer, jsonb), agent.begin_complete_v1(), agent.finish_complete_v1(uuid, text, text, jsonb)
from public, anon, authenticated, service_role;
grant execute on function agent.fail_job_v1(text, text, integer, jsonb), public.fail_job(text, text, integer, jsonb) to agent_worker;
grant execute on function agent.is_usage(jsonb), agent.begin_complete_v1(), agent.finish_complete_v1(uuid, text, text, jsonb)
to authenticated;
