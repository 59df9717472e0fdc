-- Why: an admin hears of it when drafts fail, money runs out or no worker comes, before the salespeople do.
-- Touches: new table ai_alerts, new function acknowledge_alert; replaces close_jobs, which answers as before.
-- Rollout: new objects and bodies; one index on the job table, which is small: it is built while writers wait.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.ai_alerts (
  id uuid primary key default gen_random_uuid(),
  kind text not null,
  dedupe_key text not null,
  severity text not null,
  message text not null,
  details jsonb not null default '{}',
  count integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  acknowledged_at timestamptz,
  acknowledged_by uuid,
  delivered_at timestamptz,
  constraint ai_alerts_dedupe_key_key unique (dedupe_key),
  constraint ai_alerts_kind_check check (kind in ('budget_80', 'budget_100', 'error_rate', 'dead_letters', 'silent_worker')),
  constraint ai_alerts_severity_check check (severity in ('warning', 'critical')),
  constraint ai_alerts_message_check check (length(message) between 1 and 500),
  constraint ai_alerts_count_check check (count >= 1)
);
comment on table public.ai_alerts is
'What an admin should look at: figures, ids and codes, never what a client or a person wrote. One row for what happens again and again.';
comment on column public.ai_alerts.dedupe_key is 'The same trouble in the same period is one row; count says how often.';
comment on column public.ai_alerts.acknowledged_by is 'A plain uuid: the alert outlives who acknowledged it.';
comment on column public.ai_alerts.delivered_at is 'When a worker had it taken by the webhook; null where there is none.';
create index ai_alerts_created_at_idx on public.ai_alerts (created_at desc);
create index ai_alerts_undelivered_idx on public.ai_alerts (created_at) where delivered_at is null;

create function agent.raise_alert(p_kind text, p_key text, p_severity text, p_message text, p_details jsonb) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  insert into public.ai_alerts as a (kind, dedupe_key, severity, message, details)
  values (p_kind, p_kind || ':' || p_key, p_severity, p_message, p_details)
  on conflict (dedupe_key) do update set count = a.count + 1, updated_at = now()
$$;
comment on function agent.raise_alert(text, text, text, text, jsonb) is
'Writes an alert, or counts one more of the same. Only figures, ids and codes go into it. Granted to nobody.';

create function agent.raise_budget_alerts(p_user_id uuid, p_day date, p_kind text) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  -- Once for each budget and period: whoever is told at 80 % is not told at 81 %.
  insert into public.ai_alerts (kind, dedupe_key, severity, message, details)
  select
    p_kind, concat_ws(':', p_kind, b.scope, b.user_id, b.period, b.starts_on), case p_kind when 'budget_100' then 'critical' else 'warning' end,
    format('The AI budget of %s for this %s is %s. It begins anew on %s.',
      case b.scope when 'user' then 'a user' else 'the organisation' end, b.period,
      case p_kind when 'budget_100' then 'used up' else 'used up by 80 %' end,
      to_char(agent.resumes_at(b.period, b.starts_on) at time zone agent.time_zone(), 'YYYY-MM-DD "at" HH24:MI')),
    jsonb_build_object('scope', b.scope, 'user_id', nullif(b.user_id, '00000000-0000-0000-0000-000000000000'), 'period', b.period,
      'limit_usd', b.limit_usd, 'limit_tokens', b.limit_tokens)
  from agent.budget_rows(p_user_id, p_day) as b
  inner join agent.ledger as l using (scope, user_id, period, starts_on)
  where l.spent_usd + l.reserved_usd >= 0.8 * b.limit_usd or l.spent_tokens + l.reserved_tokens >= 0.8 * b.limit_tokens
  on conflict (dedupe_key) do nothing
$$;
comment on function agent.raise_budget_alerts(uuid, date, text) is
'An alert for each budget of this user that is used up by 80 %. Granted to nobody.';

create function agent.tg_ai_interactions__alert() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp -- definer: the ledger is nobody's
as $$
begin
  if agent.is_degraded(new.user_id) then
    perform agent.raise_budget_alerts(new.user_id, new.spent_on, 'budget_80');
  end if;
  return null;
end
$$;
comment on function agent.tg_ai_interactions__alert() is 'After an attempt was reserved: is a budget used up by 80 % with it?';
create trigger ai_interactions_alert after insert on public.ai_interactions
for each row when (new.reserved_usd > 0) execute function agent.tg_ai_interactions__alert();

create function agent.tg_jobs__alert() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp -- definer: nobody writes to ai_alerts
as $$
begin
  if new.failure_code = 'budget_exhausted' then
    perform agent.raise_budget_alerts(new.user_id, (now() at time zone agent.time_zone())::date, 'budget_100');
  elsif new.failure_code <> 'ai_off' then
    perform agent.raise_alert('dead_letters', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24'), 'warning',
      'Work ended without a result.', jsonb_build_object('job_id', new.id, 'kind', new.kind, 'code', new.failure_code));
  end if;
  return null;
end
$$;
comment on function agent.tg_jobs__alert() is 'After a job became a dead letter.';
create trigger jobs_alert after update of state on agent.jobs
for each row when (new.state = 'failed' and old.state <> 'failed') execute function agent.tg_jobs__alert();

create function agent.waiting_job() returns table (due_at timestamptz)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select j.due_at from agent.jobs as j
  where j.state = 'queued' and j.due_at <= now() - interval '10 minutes'
    and not exists (select from agent.jobs as t where t.claimed_at > now() - interval '10 minutes')
  order by j.due_at
  limit 1
$$;
comment on function agent.waiting_job() is
'The job that waits longest, if one was due 10 minutes ago and nothing was claimed since. Granted to nobody.';
-- squawk-ignore require-concurrent-index-creation
create index jobs_claimed_at_idx on agent.jobs (claimed_at);

create function agent.raise_rate_alerts() returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  with tried as (
    select count(*) as attempts, count(*) filter (where i.outcome <> 'completed') as failed
    from public.ai_interactions as i
    where i.settled_at > now() - interval '15 minutes' and i.created_at > now() - interval '1 day' and i.provider not in ('offline', 'none')
  )
  select agent.raise_alert('error_rate', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24'), 'critical',
    format('%s of %s attempts in 15 minutes failed.', t.failed, t.attempts), to_jsonb(t))
  from tried as t
  where t.attempts >= 10 and t.failed >= 0.5 * t.attempts
  union all
  select agent.raise_alert('silent_worker', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24'), 'critical',
    'Work has waited for 10 minutes and no worker has taken it.', jsonb_build_object('waiting_since', j.due_at))
  from agent.waiting_job() as j
$$;
comment on function agent.raise_rate_alerts() is
'Alerts on half of at least 10 attempts failing within 15 minutes, and on work that nobody takes. Granted to nobody.';

create function agent.budget_sentence(p_user_id uuid, p_sentence text) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  -- The budget that is fullest is the one that had no room.
  select p_sentence || coalesce(' ' || (
    select format('It resumes on %s.',
      to_char(agent.resumes_at(b.period, b.starts_on) at time zone agent.time_zone(), 'YYYY-MM-DD "at" HH24:MI'))
    from agent.budget_rows(p_user_id, (now() at time zone agent.time_zone())::date) as b
    inner join agent.ledger as l using (scope, user_id, period, starts_on)
    order by greatest((l.spent_usd + l.reserved_usd) / nullif(b.limit_usd, 0),
      (l.spent_tokens + l.reserved_tokens)::numeric / nullif(b.limit_tokens, 0)) desc nulls last
    limit 1
  ), '')
$$;
comment on function agent.budget_sentence(uuid, text) is
'The sentence, and when the fullest budget of this user begins anew. Granted to nobody.';

-- Definer: nobody holds UPDATE on ai_alerts.
create function agent.acknowledge_alert_v1(p_alert_id uuid) returns public.ai_alerts
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_admin();
  v_alert public.ai_alerts;
begin
  update public.ai_alerts set acknowledged_at = coalesce(acknowledged_at, now()), acknowledged_by = coalesce(acknowledged_by, v_user_id)
  where id = p_alert_id returning * into v_alert;
  if not found then
    raise exception using errcode = 'PT404', message = 'There is no such alert.', detail = 'alert_not_found', hint = 'Reload the list.';
  end if;
  perform agent.append_audit('alert_acknowledged', 'ai_alert', p_alert_id, null);
  return v_alert;
end
$$;
comment on function agent.acknowledge_alert_v1(uuid) is 'Behind acknowledge_alert.';

create function public.acknowledge_alert(p_alert_id uuid) returns public.ai_alerts
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select * from agent.acknowledge_alert_v1(p_alert_id) $$;
comment on function public.acknowledge_alert(uuid) is 'An admin has seen to it. The first to say so stays on record.';

create or replace function agent.close_jobs(p_job_ids uuid[], p_state text, p_code text) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  with closed as (
    -- These rows outlive the user and the client; what was written about them must not. The hints stay with the request.
    update agent.jobs set state = p_state, failure_code = p_code, finished_at = now(), payload = payload - 'hints'
    where id = any (p_job_ids)
    returning id, request_id, client_id, user_id
  ),
  told as (
    update public.ai_draft_requests as r
    set state = p_state, error = case when p_code = 'budget_exhausted' then agent.budget_sentence(c.user_id, f.sentence) else f.sentence end, updated_at = now()
    from closed as c, agent.failure_codes as f
    where r.id = c.request_id and f.code = p_code
  )
  insert into agent.audit_log (actor, actor_id, action, entity, entity_id, client_id, job_id, details)
  select a.actor, a.actor_id, 'job_' || p_state, 'job', c.id, c.client_id, c.id, jsonb_build_object('code', p_code)
  from closed as c cross join agent.caller() as a
$$;

alter table public.ai_alerts enable row level security;
alter table public.ai_alerts force row level security;
create policy ai_alerts_select_admin on public.ai_alerts for select to authenticated using ((select agent.is_admin()));
comment on policy ai_alerts_select_admin on public.ai_alerts is 'Alerts are for admins.';
revoke all on table public.ai_alerts from public, anon, authenticated, service_role;
revoke all on function
agent.raise_alert(text, text, text, text, jsonb), agent.raise_budget_alerts(uuid, date, text), agent.tg_ai_interactions__alert(),
agent.tg_jobs__alert(), agent.raise_rate_alerts(), agent.waiting_job(),
agent.budget_sentence(uuid, text), agent.acknowledge_alert_v1(uuid), public.acknowledge_alert(uuid)
from public, anon, authenticated, service_role;
grant execute on function agent.acknowledge_alert_v1(uuid), public.acknowledge_alert(uuid) to authenticated;
grant select on table public.ai_alerts to authenticated;
notify pgrst, 'reload schema';
