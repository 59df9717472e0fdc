-- Why: where no worker runs, nobody sweeps either: who asks for a draft finds that nobody has taken one for ten minutes, and tells.
-- Touches: a trigger of public.ai_draft_requests; replaces agent_status_v1.
-- Rollout: short share-row-exclusive lock on ai_draft_requests; a new body.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function agent.tg_ai_draft_requests__alert() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp -- definer: nobody writes to ai_alerts
as $$
begin
  perform agent.raise_alert('silent_worker', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24'), 'critical',
    'Work has waited for 10 minutes and no worker has taken it.', jsonb_build_object('waiting_since', w.due_at))
  from agent.waiting_job() as w;
  return null;
end
$$;
comment on function agent.tg_ai_draft_requests__alert() is
'After a request: has nobody taken work for ten minutes?';
create trigger ai_draft_requests_alert after insert on public.ai_draft_requests
for each statement execute function agent.tg_ai_draft_requests__alert();

-- Definer: nobody may read agent.providers or the ledger.
create or replace function agent.agent_status_v1() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_person();
  v_switch agent.ai_switches;
  v_provider agent.providers;
  v_budget record;
  v_waiting_since timestamptz := (select w.due_at from agent.waiting_job() as w);
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
  elsif v_waiting_since is not null then
    return jsonb_build_object('state', 'down', 'since', v_waiting_since, 'reason', 'Nobody is writing at the moment: no worker answers.',
      'resumesAt', null);
  elsif v_provider.failures > 0 then
    return jsonb_build_object('state', 'degraded', 'since', v_provider.failing_since, 'reason', 'AI answers with errors.', 'resumesAt', null);
  elsif agent.is_degraded(v_user_id) then
    return jsonb_build_object('state', 'degraded', 'since', null, 'reason', 'The AI budget is nearly used up: a cheaper model writes.',
      'resumesAt', null);
  end if;
  return jsonb_build_object('state', 'available', 'since', null, 'reason', null, 'resumesAt', null);
end
$$;

revoke all on function agent.tg_ai_draft_requests__alert() from public, anon, authenticated, service_role;
