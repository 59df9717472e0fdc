-- The control of the budget drill: looks first and writes after, as if one statement and a lock were not needed.
create or replace function agent.reserve(
  p_job agent.jobs, p_provider text, p_model text, p_input_tokens bigint, p_output_tokens bigint, p_is_batch boolean,
  out interaction_id uuid, out reserved_usd numeric, out is_degraded boolean
)
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_day constant date := (now() at time zone agent.time_zone())::date;
begin
  reserved_usd := agent.cost_usd(p_provider, p_model, now(), 0, p_input_tokens, 0, p_output_tokens);
  is_degraded := false;
  if exists (
    select from agent.budget_rows(p_job.user_id, v_day) as b
    inner join agent.ledger as l using (scope, user_id, period, starts_on)
    where l.spent_usd + l.reserved_usd + reserve.reserved_usd > b.limit_usd
  ) then
    raise exception using errcode = 'PT429', message = 'Used up.', detail = 'budget_exhausted';
  end if;
  perform pg_sleep(0.01);
  insert into agent.ledger as l (scope, user_id, period, starts_on, reserved_usd)
  select b.scope, b.user_id, b.period, b.starts_on, reserve.reserved_usd from agent.budget_rows(p_job.user_id, v_day) as b
  order by 1, 3, 4, 2
  on conflict (scope, period, starts_on, user_id) do update set reserved_usd = l.reserved_usd + excluded.reserved_usd;
  insert into public.ai_interactions (
    user_id, client_id, job_id, attempt, purpose, provider, model, outcome, reserved_usd, spent_on, settled_at,
    is_batch
  ) values (
    p_job.user_id, p_job.client_id, p_job.id, p_job.attempts, 'draft', p_provider, p_model, 'running', reserved_usd, v_day, null,
    p_is_batch
  ) returning id into interaction_id;
end
$$;
