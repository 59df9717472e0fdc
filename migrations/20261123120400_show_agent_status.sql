-- Why: a frontend tells people whether AI is there, since when it is not, and why.
-- Touches: new function agent_status.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Definer: nobody may read agent.providers or the ledger.
create function agent.agent_status_v1() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_person();
  v_switch agent.ai_switches;
  v_provider agent.providers;
  v_budget record;
begin
  select s.* into v_switch from agent.ai_switches as s
  where (s.scope, s.subject) in (('organisation', '*'), ('user', v_user_id::text))
    or (s.scope = 'role' and s.subject = (select p.role from public.profiles as p where p.id = v_user_id))
  order by array_position(array['organisation', 'role', 'user'], s.scope) limit 1;
  if found then
    return jsonb_build_object('state', 'off', 'since', v_switch.switched_off_at, 'reason', v_switch.reason, 'resumesAt', null);
  end if;
  select b.period, b.starts_on into v_budget
  from agent.budget_rows(v_user_id, (now() at time zone agent.time_zone())::date) as b
  inner join agent.ledger as l using (scope, user_id, period, starts_on)
  where l.spent_usd + l.reserved_usd >= b.limit_usd or l.spent_tokens + l.reserved_tokens >= b.limit_tokens
  order by agent.resumes_at(b.period, b.starts_on) desc limit 1;
  if found then
    return jsonb_build_object('state', 'down', 'since', null, 'reason', 'The AI budget is used up.',
      'resumesAt', agent.resumes_at(v_budget.period, v_budget.starts_on));
  end if;
  select p.* into v_provider from agent.providers as p where p.failures > 0 order by p.open_until desc nulls last limit 1;
  if v_provider.open_until is not null then
    return jsonb_build_object('state', 'down', 'since', v_provider.failing_since, 'reason', 'AI is temporarily unavailable.',
      'resumesAt', greatest(v_provider.open_until, now()));
  elsif v_provider.failures > 0 then
    return jsonb_build_object('state', 'degraded', 'since', v_provider.failing_since, 'reason', 'AI answers with errors.', 'resumesAt', null);
  elsif agent.is_degraded(v_user_id) then
    return jsonb_build_object('state', 'degraded', 'since', null, 'reason', 'The AI budget is nearly used up: a cheaper model writes.',
      'resumesAt', null);
  end if;
  return jsonb_build_object('state', 'available', 'since', null, 'reason', null, 'resumesAt', null);
end
$$;
comment on function agent.agent_status_v1() is 'Behind agent_status.';

create function public.agent_status() returns jsonb
language sql stable set search_path = pg_catalog, pg_temp
as $$ select agent.agent_status_v1() $$;
comment on function public.agent_status() is
'What a frontend shows: {state: available | degraded | down | off, since, reason, resumesAt}, for the user who asks.';

revoke all on function agent.agent_status_v1(), public.agent_status() from public, anon, authenticated, service_role;
grant execute on function agent.agent_status_v1(), public.agent_status() to authenticated;
notify pgrst, 'reload schema';
