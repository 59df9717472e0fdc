-- Why: a provider that is down for an hour, or whose bill is not paid, must not use up the attempts of all that waits; nothing is wrong
-- with those jobs. They wait, up to a day, and admins are told.
-- Touches: a failure code, a kind of alert; replaces fail_job_v1 and note_outcome.
-- Rollout: new bodies; a short exclusive lock on ai_alerts.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

insert into agent.failure_codes (code, retryable, sentence) values
('provider_refused', true, 'AI is not set up correctly at the moment; your administrator is told. It will be tried again.');

-- One kind more: what was let in still is, and the table is small.
-- squawk-ignore ban-drop-constraint
alter table public.ai_alerts drop constraint ai_alerts_kind_check;
-- squawk-ignore constraint-missing-not-valid
alter table public.ai_alerts add constraint ai_alerts_kind_check
check (kind in ('budget_80', 'budget_100', 'error_rate', 'dead_letters', 'silent_worker', 'provider_refused'));

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

  perform agent.close_jobs(array[v_job.id], case when p_code = 'user_inactive' then 'cancelled' else 'failed' end,
    case when v_failure.retryable then 'attempts_exhausted' else p_code end);
  return (select state from agent.jobs where id = v_job.id);
end
$$;

create or replace function agent.note_outcome(p_provider text, p_outcome text) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  c_failures constant integer := 5; -- so many in a row open the circuit
begin
  if p_outcome in ('provider_unavailable', 'provider_rate_limited', 'provider_refused') then
    insert into agent.providers as p (provider, failures, failing_since, last_outcome) values (p_provider, 1, now(), p_outcome)
    on conflict (provider) do update
    set failures = p.failures + 1, failing_since = coalesce(p.failing_since, now()), last_outcome = p_outcome,
      -- 15 seconds, doubling to 5 minutes with each attempt that was let through and failed
      open_until = case when p.failures + 1 >= c_failures
        then now() + make_interval(secs => least(300, 15 * 2 ^ least(p.failures + 1 - c_failures, 10)))
      end;
  elsif p_outcome in ('completed', 'unusable_output', 'invalid_output', 'refused', 'too_large') then
    update agent.providers set failures = 0, failing_since = null, open_until = null, last_outcome = p_outcome
    where provider = p_provider and failures > 0;
  end if;
end
$$;
