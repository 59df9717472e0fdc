-- Why: an admin sets budgets; nobody writes to the table.
-- Touches: new function set_budget.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Definer: nobody holds INSERT, UPDATE or DELETE on ai_budgets.
create function agent.set_budget_v1(p_scope text, p_period text, p_limit_usd numeric, p_limit_tokens bigint, p_subject uuid)
returns public.ai_budgets
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_budget public.ai_budgets;
  v_faults text[] := array_remove(array[
    case when p_scope in ('user', 'organisation') is not true then 'p_scope: use user or organisation.' end,
    case when p_period in ('day', 'month') is not true then 'p_period: use day or month.' end,
    case when p_limit_usd between 0 and 1000000 is false then 'p_limit_usd: use 0 to 1000000 dollars, or null for no limit.' end,
    case when p_limit_tokens < 0 then 'p_limit_tokens: use 0 or more, or null for no limit.' end,
    case when p_scope = 'organisation' and p_subject is not null then 'p_subject: leave it out for the organisation.' end,
    case when p_subject is not null and not exists (select from public.profiles where id = p_subject)
      then 'p_subject: there is no such user.' end
  ], null);
begin
  perform agent.require_admin();
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again.';
  end if;
  insert into public.ai_budgets (scope, user_id, period, limit_usd, limit_tokens)
  values (p_scope, p_subject, p_period, p_limit_usd, p_limit_tokens)
  on conflict (scope, period, user_id) do update
  set limit_usd = excluded.limit_usd, limit_tokens = excluded.limit_tokens, updated_at = now()
  returning * into v_budget;
  perform agent.append_audit('budget_set', 'ai_budget', v_budget.id, null, null,
    jsonb_build_object('scope', p_scope, 'period', p_period, 'user_id', p_subject, 'usd', p_limit_usd, 'tokens', p_limit_tokens));
  return v_budget;
end
$$;
comment on function agent.set_budget_v1(text, text, numeric, bigint, uuid) is 'Behind set_budget.';

create function public.set_budget(
  p_scope text, p_period text, p_limit_usd numeric default null, p_limit_tokens bigint default null, p_subject uuid default null
) returns public.ai_budgets
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select * from agent.set_budget_v1(p_scope, p_period, p_limit_usd, p_limit_tokens, p_subject) $$;
comment on function public.set_budget(text, text, numeric, bigint, uuid) is
'An admin sets what a user (p_subject, or everybody without a budget of their own) or all together may spend; null is no limit.';

revoke all on function
agent.set_budget_v1(text, text, numeric, bigint, uuid), public.set_budget(text, text, numeric, bigint, uuid)
from public, anon, authenticated, service_role;
grant execute on function
agent.set_budget_v1(text, text, numeric, bigint, uuid), public.set_budget(text, text, numeric, bigint, uuid)
to authenticated;
notify pgrst, 'reload schema';
