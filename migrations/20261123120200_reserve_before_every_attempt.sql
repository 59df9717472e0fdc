-- Why: every attempt of a model is paid from a budget that was asked before, and is settled in the transaction that ends it.
-- Touches: new function reserve_budget and what is behind it.
-- Rollout: new objects only; the offline writer reserves nothing.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function agent.reserve(
  p_job agent.jobs, p_provider text, p_model text, p_input_tokens bigint, p_output_tokens bigint, p_is_batch boolean,
  out interaction_id uuid, out reserved_usd numeric, out is_degraded boolean
)
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_day constant date := (now() at time zone agent.time_zone())::date;
  v_tokens constant bigint := p_input_tokens + p_output_tokens;
  v_full record;
begin
  perform agent.require_provider(p_provider);
  -- As if all of the prompt were written to the cache: no attempt can cost more than that.
  reserved_usd := greatest(
    agent.cost_usd(p_provider, p_model, now(), p_input_tokens, 0, 0, p_output_tokens, p_is_batch),
    agent.cost_usd(p_provider, p_model, now(), 0, p_input_tokens, 0, p_output_tokens, p_is_batch)
  );
  if reserved_usd is null then
    raise exception using errcode = 'PT500', message = format('There is no price for %s of %s.', p_model, p_provider),
      detail = 'price_unknown', hint = 'A DBA adds it: insert into agent.model_prices.';
  end if;

  insert into agent.ledger (scope, user_id, period, starts_on)
  select b.scope, b.user_id, b.period, b.starts_on from agent.budget_rows(p_job.user_id, v_day) as b
  on conflict do nothing;
  -- In one order, so that two reservations never wait for each other.
  perform from agent.ledger as l
  inner join agent.budget_rows(p_job.user_id, v_day) as b using (scope, user_id, period, starts_on)
  order by l.scope, l.period, l.starts_on, l.user_id
  for update of l;
  -- All four or none: looked at and taken in one statement.
  with taken as (
    update agent.ledger as l
    set reserved_usd = l.reserved_usd + reserve.reserved_usd, reserved_tokens = l.reserved_tokens + v_tokens
    from agent.budget_rows(p_job.user_id, v_day) as b
    where l.scope = b.scope and l.user_id = b.user_id and l.period = b.period and l.starts_on = b.starts_on
      and (b.limit_usd is null or l.spent_usd + l.reserved_usd + reserve.reserved_usd <= b.limit_usd)
      and (b.limit_tokens is null or l.spent_tokens + l.reserved_tokens + v_tokens <= b.limit_tokens)
    returning l.scope, l.period
  )
  select b.scope, b.period, b.starts_on into v_full
  from agent.budget_rows(p_job.user_id, v_day) as b
  where not exists (select from taken as t where t.scope = b.scope and t.period = b.period)
  order by agent.resumes_at(b.period, b.starts_on) desc
  limit 1;
  if found then
    perform agent.raise_budget_exhausted(v_full.scope, v_full.period, v_full.starts_on);
  end if;

  is_degraded := agent.is_degraded(p_job.user_id);
  insert into public.ai_interactions (
    user_id, client_id, job_id, attempt, purpose, provider, model, prompt_version_id, outcome, reserved_usd, reserved_tokens, spent_on,
    settled_at, is_batch
  ) values (
    p_job.user_id, p_job.client_id, p_job.id, p_job.attempts, p_job.kind || '.' || coalesce(p_job.payload ->> 'purpose', 'other'),
    p_provider, left(p_model, 100), p_job.prompt_version_id, 'running', reserved_usd, v_tokens, v_day, null,
    p_is_batch
  ) returning id into interaction_id;
end
$$;

comment on function agent.reserve(agent.jobs, text, text, bigint, bigint, boolean) is
'Sets aside what one attempt may cost at most, in all four budgets or none: PT429 budget_exhausted. Granted to nobody.';

create function agent.settle(p_job_id uuid, p_outcome text, p_usage jsonb) returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_attempt public.ai_interactions;
  v_usage record;
  v_cost numeric;
  v_tokens bigint;
begin
  select * into v_attempt from public.ai_interactions where job_id = p_job_id and settled_at is null for update;
  if not found then
    return false;
  end if;
  select u.* into v_usage from jsonb_to_record(coalesce(p_usage, '{}')) as u (
    input_tokens integer, cache_write_tokens integer, cache_read_tokens integer, output_tokens integer, latency_ms integer,
    time_to_first_token_ms integer, request_id text
  );
  -- Where it is not known, all that was set aside: the most that it may have cost, never nothing.
  v_cost := coalesce(agent.cost_usd(v_attempt.provider, v_attempt.model, v_attempt.created_at, v_usage.input_tokens,
    coalesce(v_usage.cache_write_tokens, 0), coalesce(v_usage.cache_read_tokens, 0), v_usage.output_tokens, v_attempt.is_batch),
    v_attempt.reserved_usd);
  v_tokens := coalesce(v_usage.input_tokens + coalesce(v_usage.cache_write_tokens, 0) + coalesce(v_usage.cache_read_tokens, 0)
    + v_usage.output_tokens, v_attempt.reserved_tokens);

  perform from agent.ledger as l
  inner join agent.budget_rows(v_attempt.user_id, v_attempt.spent_on) as b using (scope, user_id, period, starts_on)
  order by l.scope, l.period, l.starts_on, l.user_id
  for update of l;
  update agent.ledger as l
  set reserved_usd = l.reserved_usd - v_attempt.reserved_usd, reserved_tokens = l.reserved_tokens - v_attempt.reserved_tokens,
    spent_usd = l.spent_usd + v_cost, spent_tokens = l.spent_tokens + v_tokens
  from agent.budget_rows(v_attempt.user_id, v_attempt.spent_on) as b
  where l.scope = b.scope and l.user_id = b.user_id and l.period = b.period and l.starts_on = b.starts_on;
  update public.ai_interactions
  set outcome = p_outcome, settled_at = now(), cost_usd = v_cost, input_tokens = coalesce(v_usage.input_tokens, 0),
    cache_write_tokens = coalesce(v_usage.cache_write_tokens, 0), cache_read_tokens = coalesce(v_usage.cache_read_tokens, 0),
    output_tokens = coalesce(v_usage.output_tokens, 0), latency_ms = v_usage.latency_ms,
    time_to_first_token_ms = v_usage.time_to_first_token_ms, request_id = left(v_usage.request_id, 200)
  where id = v_attempt.id;
  perform agent.note_outcome(v_attempt.provider, p_outcome);
  return true;
end
$$;
comment on function agent.settle(uuid, text, jsonb) is
'Ends the running attempt of a job, if one is: its cost from the tokens and the price of its day; without tokens, all that was set aside.';

create function agent.failed_code(p_usage jsonb, p_default text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((select f.code from agent.failure_codes as f where f.code = p_usage ->> 'failed_code'), p_default);
end
$$;
comment on function agent.failed_code(jsonb, text) is 'Why the try before this one failed, if the worker says one of the known codes.';

-- Definer: workers may touch no table.
create function agent.reserve_budget_v1(
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
  -- A second try within one claim: the first one ended without a draft.
  perform agent.settle(v_job.id, agent.failed_code(p_usage, 'retried'), p_usage);
  return query select r.* from agent.reserve(v_job, p_provider, p_model, p_input_tokens, p_output_tokens, p_is_batch) as r;
end
$$;
comment on function agent.reserve_budget_v1(text, text, text, bigint, bigint, jsonb, boolean) is 'Behind reserve_budget.';

create function public.reserve_budget(
  p_job_token text, p_provider text, p_model text, p_input_tokens bigint, p_output_tokens bigint, p_usage jsonb default null,
  p_is_batch boolean default false
) returns table (interaction_id uuid, reserved_usd numeric, is_degraded boolean)
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select * from agent.reserve_budget_v1(p_job_token, p_provider, p_model, p_input_tokens, p_output_tokens, p_usage, p_is_batch) $$;
comment on function public.reserve_budget(text, text, text, bigint, bigint, jsonb, boolean) is
'Workers, before every call of a model: sets aside the most it may cost, or PT429 budget_exhausted. p_usage: of the try before this one.';

revoke all on function
agent.reserve(agent.jobs, text, text, bigint, bigint, boolean), agent.settle(uuid, text, jsonb), agent.failed_code(jsonb, text),
agent.reserve_budget_v1(text, text, text, bigint, bigint, jsonb, boolean),
public.reserve_budget(text, text, text, bigint, bigint, jsonb, boolean)
from public, anon, authenticated, service_role;
grant execute on function
agent.reserve_budget_v1(text, text, text, bigint, bigint, jsonb, boolean),
public.reserve_budget(text, text, text, bigint, bigint, jsonb, boolean)
to agent_worker;
notify pgrst, 'reload schema';
