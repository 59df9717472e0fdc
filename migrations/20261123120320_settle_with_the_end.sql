-- Why: the money of an attempt is settled in the transaction that ends it, and no model's draft is taken that nothing was set aside for.
-- Touches: a column of ai_drafts; replaces book_attempt and finish_complete_v1.
-- Rollout: new bodies; the new column is null and rewrites nothing. Workers of before go on: the offline writer reserves nothing.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

alter table public.ai_drafts add column notice text;
comment on column public.ai_drafts.notice is 'A sentence for people about how it was written, e.g. that a template stands in for a model.';

create or replace function agent.book_attempt(p_job agent.jobs, p_provider text, p_model text, p_outcome text, p_usage jsonb) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  if agent.settle(p_job.id, p_outcome, p_usage) then
    return; -- its row was written when the money was set aside
  end if;
  insert into public.ai_interactions (
    user_id, client_id, job_id, attempt, purpose, provider, model, prompt_version_id, input_tokens, cache_write_tokens,
    cache_read_tokens, output_tokens, latency_ms, time_to_first_token_ms, outcome, request_id
  )
  select
    p_job.user_id, p_job.client_id, p_job.id, p_job.attempts, p_job.kind || '.' || coalesce(p_job.payload ->> 'purpose', 'other'),
    p_provider, left(p_model, 100), p_job.prompt_version_id, coalesce(u.input_tokens, 0), coalesce(u.cache_write_tokens, 0),
    coalesce(u.cache_read_tokens, 0), coalesce(u.output_tokens, 0), u.latency_ms, u.time_to_first_token_ms, p_outcome,
    left(u.request_id, 200)
  from jsonb_to_record(coalesce(p_usage, '{}')) as u (
    input_tokens integer, cache_write_tokens integer, cache_read_tokens integer, output_tokens integer, latency_ms integer,
    time_to_first_token_ms integer, request_id text
  );
end
$$;

create or replace function agent.finish_complete_v1(p_result_id uuid, p_provider text, p_model text, p_usage jsonb) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
  v_job agent.jobs := agent.current_job();
  v_failed_code text := agent.failed_code(p_usage, null);
begin
  if v_job.state is distinct from 'running' or v_job.completing_xid is distinct from pg_current_xact_id_if_assigned()
    or not exists (select from public.ai_drafts where id = p_result_id and request_id = v_job.request_id) then
    raise exception using errcode = 'PT409', message = 'This transaction is not completing that job.', detail = 'stale_fence',
      hint = 'Call complete_draft_job.';
  end if;
  if p_provider = 'offline' then
    -- The offline writer stepped in for a model: what that attempt cost is in p_usage.failed, or unknown.
    if agent.is_usage(nullif(p_usage -> 'failed', 'null')) is not true then
      raise exception using errcode = 'PT400', message = 'p_usage.failed is not an object of whole numbers.', detail = 'invalid_output',
        hint = 'Leave out what is not known.';
    end if;
    perform agent.settle(v_job.id, coalesce(v_failed_code, 'fallback'), nullif(p_usage -> 'failed', 'null'));
  elsif not exists (
    select from public.ai_interactions as i
    where i.job_id = v_job.id and i.settled_at is null and i.provider = p_provider and i.model is not distinct from p_model
  ) then
    raise exception using errcode = 'PT409', message = format('Nothing was set aside for %s of %s.', p_model, p_provider),
      detail = 'not_reserved', hint = 'Call reserve_budget before the model.';
  end if;
  update public.ai_drafts
  set prompt_version_id = case when p_provider <> 'offline' then v_job.prompt_version_id end,
    notice = case when p_provider = 'offline' and v_failed_code is not null then 'AI is temporarily unavailable: this is a template.' end
  where id = p_result_id and (p_provider <> 'offline' or v_failed_code is not null);
  update agent.jobs
  set state = 'done', result_id = p_result_id, finished_at = now(), failure_code = null, payload = payload - 'hints'
  where id = v_job.id;
  update public.ai_draft_requests set state = 'done', error = null, updated_at = now() where id = v_job.request_id;
  perform agent.book_attempt(v_job, p_provider, p_model, 'completed', p_usage);
  perform agent.append_audit('draft_written', 'ai_draft', p_result_id, v_job.client_id, v_job.id);
end
$$;
