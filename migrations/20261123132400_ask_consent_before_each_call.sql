-- Why: nothing of a client goes to a model after they withdrew, or after AI was switched off, even where the job began before.
-- Touches: replaces reserve_budget_v1, which workers call before each call of a model.
-- Rollout: a body; its answers are as before, and PT403 ai_off or consent_withdrawn.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create or replace function agent.reserve_budget_v1(
  p_job_token text, p_provider text, p_model text, p_input_tokens bigint, p_output_tokens bigint, p_usage jsonb, p_is_batch boolean
) returns table (interaction_id uuid, reserved_usd numeric, is_degraded boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job agent.jobs;
  v_faults text[];
begin
  perform agent.require_worker();
  v_faults := array_remove(array[
    case when p_provider ~ '^[a-z][a-z0-9_-]{0,39}$' is not true then 'p_provider: use a short lower-case name.' end,
    case when length(p_model) between 1 and 100 is not true then 'p_model: use 1 to 100 characters.' end,
    case when p_input_tokens between 0 and 10000000 is not true then 'p_input_tokens: use 0 to 10000000.' end,
    case when p_output_tokens between 1 and 1000000 is not true then 'p_output_tokens: use 1 to 1000000.' end,
    case when agent.is_usage(p_usage) is not true then 'p_usage is not an object of whole numbers.' end,
    case when p_is_batch is null then 'p_is_batch is null: use true or false.' end
  ], null);
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again.';
  end if;
  v_job := agent.job_of_token(p_job_token);
  if v_job.state <> 'running' then
    raise exception using errcode = 'PT409', message = format('This job is %s.', v_job.state), detail = 'stale_fence',
      hint = 'Drop what you have; nothing was changed.';
  end if;
  -- Here, as the last thing before the client's records leave: a request that was on its way while somebody withdrew is stopped.
  perform agent.require_ai_on(v_job.user_id, v_job.client_id);
  -- A second try within one claim: the first one ended without a draft.
  perform agent.settle(v_job.id, agent.failed_code(p_usage, 'retried'), p_usage);
  return query select r.* from agent.reserve(v_job, p_provider, p_model, p_input_tokens, p_output_tokens, p_is_batch) as r;
end
$$;
