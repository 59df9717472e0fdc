-- Why: an evaluation writes what it found in one statement, and nothing where nothing changed.
-- Touches: new functions.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Definer, the next two: nobody may write suggestions, watches and changes. Whose they are comes from the claims.
create function agent.begin_evaluation_v1(p_client_id uuid) returns uuid[]
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := auth.uid();
  v_job agent.jobs;
  v_changed uuid[];
  v_due uuid[];
begin
  if agent.is_agent() then
    perform from agent.jobs as j where j.id = (auth.jwt() ->> 'job')::uuid for update;
    v_job := agent.current_job();
    if v_job.kind = 'sweep' and v_job.state = 'done' then
      return null; -- completed before: the answer to it may have been lost
    end if;
    if v_job.kind is distinct from 'sweep' or v_job.state <> 'running' or p_client_id is not null then
      raise exception using errcode = 'PT409', message = 'This is not a running sweep.', detail = 'stale_fence',
        hint = 'Drop what you have; nothing was changed.';
    end if;
  else
    v_user_id := agent.require_person();
  end if;
  perform agent.require_ai_on(v_user_id, p_client_id);
  -- One evaluation of a user at a time: the next one waits here, and then finds what is left.
  insert into agent.sweeps as s (user_id, evaluating_xid, started_at)
  values (v_user_id, pg_current_xact_id(), case when p_client_id is null then clock_timestamp() else '-infinity' end)
  on conflict (user_id) do update
  set evaluating_xid = excluded.evaluating_xid, started_at = case when p_client_id is null then clock_timestamp() else s.started_at end;
  if p_client_id is not null then
    delete from agent.client_changes where user_id = v_user_id and client_id = p_client_id;
    return array[p_client_id];
  end if;

  v_changed := array(
    select distinct o.client_id
    from (select c.client_id from agent.client_changes as c where c.user_id = v_user_id order by c.id limit 2000) as o
  );
  delete from agent.client_changes where user_id = v_user_id and client_id = any (v_changed);
  v_due := array(
    select w.client_id from agent.client_watches as w where w.user_id = v_user_id and w.due_at <= now() order by w.due_at limit 2000
  );
  return array(select unnest(v_changed) union select unnest(v_due));
end
$$;
comment on function agent.begin_evaluation_v1(uuid) is
'Opens an evaluation in this transaction: of one client for the person who asks, or of all clients of the sweeping agent''s user that '
'changed or are due. Returns them; null where the sweep is done already.';

create function agent.store_evaluation_v1(
  p_client_ids uuid[], p_facts agent.client_facts[], p_proposals agent.proposal[], p_due agent.client_watches[]
) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
set enable_nestloop = off -- nobody knows how long an array is: 5.2 s instead of 0.4 for 5,000 clients
as $$
declare
  v_user_id uuid := auth.uid();
  v_written integer;
  v_obsolete integer;
begin
  if agent.is_evaluating() is not true then
    raise exception using errcode = 'PT409', message = 'This transaction does not evaluate.', detail = 'stale_fence', hint = 'Nothing was changed.';
  end if;

  update public.agent_suggestions as s
  set status = 'obsolete', resolved_at = now(), updated_at = now(), resolved_by = o.row_id,
    result = case
      when o.is_true then jsonb_build_object('displaced', true)
      when o.row_id is not null then agent.row_of(o.table_name, o.row_id)
    end
  from (
    select e.id, p.dedupe_key is not null as is_true, r.watches as table_name,
      case
        when p.dedupe_key is not null then null
        when r.watches = 'activities' then f.last_activity_id
        when r.watches = 'orders' then f.last_order_id
        else (e.evidence -> 'rows' -> 0 ->> 'id')::uuid
      end as row_id
    from public.agent_suggestions as e
    left join unnest(p_proposals) as p on p.client_id = e.client_id and p.dedupe_key = e.dedupe_key
    left join unnest(p_facts) as f on f.client_id = e.client_id
    left join agent.suggestion_rules as r on r.rule_key = e.rule_key
    where e.assigned_to = v_user_id and e.status = 'pending' and e.client_id = any (p_client_ids)
      and p.is_chosen is not true and (p.dedupe_key is null or e.snoozed_until is null or e.snoozed_until <= now())
  ) as o
  where s.id = o.id;
  get diagnostics v_obsolete = row_count;

  insert into public.agent_suggestions as s (
    client_id, suggestion_type, priority, title, description, reasoning, action_data, assigned_to, rule_key, score, factors, evidence,
    dedupe_key
  )
  select p.client_id, p.suggestion_type, p.priority, p.title, p.description, p.reasoning, p.action_data, v_user_id, p.rule_key, p.score,
    p.factors, p.evidence, p.dedupe_key
  from unnest(p_proposals) as p
  where p.is_chosen and p.rule_key <> 'ai'
  on conflict (assigned_to, client_id, dedupe_key) where status <> 'obsolete' do update
  set priority = excluded.priority, title = excluded.title, reasoning = excluded.reasoning, action_data = excluded.action_data,
    score = excluded.score, factors = excluded.factors, evidence = excluded.evidence, updated_at = now()
  where s.status = 'pending'
    and (s.priority, s.title, s.reasoning, s.action_data, s.score, s.factors, s.evidence) is distinct from
    (excluded.priority, excluded.title, excluded.reasoning, excluded.action_data, excluded.score, excluded.factors, excluded.evidence);
  get diagnostics v_written = row_count;

  insert into agent.client_watches as w (client_id, user_id, due_at)
  select d.client_id, v_user_id, d.due_at from unnest(p_due) as d
  on conflict (user_id, client_id) do update set evaluated_at = now(), due_at = excluded.due_at
  where w.due_at is distinct from excluded.due_at;
  -- What the user does not see any more is not theirs to watch.
  delete from agent.client_watches as w
  where w.user_id = v_user_id and w.client_id = any (p_client_ids)
    and w.client_id not in (select d.client_id from unnest(p_due) as d);
  update agent.sweeps set evaluating_xid = null where user_id = v_user_id;
  return jsonb_build_object('clients', cardinality(p_client_ids), 'written', v_written, 'obsolete', v_obsolete);
end
$$;
comment on function agent.store_evaluation_v1(uuid[], agent.client_facts[], agent.proposal[], agent.client_watches[]) is
'Writes what an evaluation found, as the newest state of these clients for the caller, and closes it. Returns counts.';

create function agent.evaluate_v1(p_client_ids uuid[]) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD'
as $$
declare
  v_user_id uuid := (select auth.uid());
  v_now timestamptz := now();
  v_facts agent.client_facts[];
  v_signals agent.signal[];
  v_proposals agent.proposal[];
  v_due agent.client_watches[];
begin
  -- Days are the organisation's; both settings end with this function.
  perform set_config('timezone', (select r.thresholds ->> 'time_zone' from agent.suggestion_rules_v1() as r limit 1), true);
  -- A sweep is for owners: what was another's meanwhile has no facts, and so nothing is proposed.
  v_facts := agent.client_facts_v1(array(
    select c.id from crm.clients as c where c.id = any (p_client_ids) and (c.owner_id = v_user_id or agent.is_agent() is not true)
  ), v_now);

  v_signals := array(select s from agent.signals_v1(v_facts, v_now) as s);

  with
  rules as materialized (select * from agent.suggestion_rules_v1()),
  facts as materialized (
    select f.client_id, f.last_activity_at, interval '24 hours' * case when f.gaps >= 5 then greatest(f.gap_p90_days, 2) else 7 end as usual
    from unnest(v_facts) as f
  ),
  mine as materialized (
    select s.id, s.client_id, s.status, s.source, s.suggestion_type, s.priority, s.title, s.description, s.reasoning, s.action_data, s.rule_key,
      s.score, s.factors, s.evidence, s.dedupe_key, s.created_at,
      s.status <> 'pending' or coalesce(s.snoozed_until > v_now, false) as is_away, s.snoozed_until
    from public.agent_suggestions as s
    where s.assigned_to = v_user_id and s.client_id = any (p_client_ids) and s.status <> 'obsolete'
  ),
  habits as materialized (
    select s.rule_key, count(*) filter (where s.status = 'accepted') as accepted, count(*) filter (where s.status = 'dismissed') as dismissed
    from public.agent_suggestions as s
    where s.assigned_to = v_user_id and s.status in ('accepted', 'dismissed')
    group by s.rule_key
  ),
  found as (
    select g.client_id, r.suggestion_type, g.title, g.description, g.reasoning, g.action_data, g.rule_key, g.evidence, r.stance,
      g.rule_key || ':' || md5(g.basis) as dedupe_key, x.*,
      -- The mean of a Beta(2, 2) prior after so many yes and no (Gelman et al., Bayesian Data Analysis, 2.4): a half where nothing is known.
      round((coalesce(h.accepted, 0) + 2)::numeric / (coalesce(h.accepted, 0) + coalesce(h.dismissed, 0) + 4), 2) as acceptance
    from unnest(v_signals) as g
    inner join rules as r on r.rule_key = g.rule_key
    inner join facts as f on f.client_id = g.client_id
    left join habits as h on h.rule_key = g.rule_key
    -- Steps, not slopes: a score changes at hours that are known before, and nothing is written in between.
    cross join lateral (
      select
        least(1, r.weight * case
          when v_now >= g.starts_at + 3 * g.unit then 1 when v_now >= g.starts_at + g.unit then 0.7 else 0.4 end) as urgency,
        round(least(1, ln(1 + g.amount) / ln(100001.0)), 2) as value,
        case
          when f.last_activity_at is null or v_now < f.last_activity_at + f.usual then 0
          when v_now < f.last_activity_at + 2 * f.usual then 0.5 else 1 end as silence,
        case
          when v_now < g.starts_at + interval '3 days' then 1 when v_now < g.starts_at + interval '14 days' then 0.6 else 0.3 end as freshness
    ) as x
    where g.starts_at <= v_now and (g.ends_at is null or g.ends_at > v_now)
    union all
    -- What analysis has found stands beside the rules' for two weeks, under the same limits.
    select m.client_id, m.suggestion_type, m.title, m.description, m.reasoning, m.action_data, m.rule_key, m.evidence,
      case m.suggestion_type when 'upsell' then 'grow' when 'at_risk' then 'risk' else 'neutral' end, m.dedupe_key,
      (m.factors ->> 'urgency')::numeric, (m.factors ->> 'value')::numeric, (m.factors ->> 'silence')::numeric,
      (m.factors ->> 'freshness')::numeric, (m.factors ->> 'acceptance')::numeric
    from mine as m
    where m.source = 'ai' and m.status = 'pending' and m.created_at > v_now - interval '14 days'
  ),
  scored as (
    select n.*, m.id is not null or e.dedupe_key is not null as is_away,
      round(35 * n.urgency + 20 * n.value + 15 * n.silence + 20 * n.acceptance + 10 * n.freshness, 2) as score,
      n.stance = 'grow' and bool_or(n.stance = 'risk') over (partition by n.client_id) as is_contradicted
    from found as n
    left join mine as m on m.client_id = n.client_id and m.dedupe_key = n.dedupe_key and m.is_away
    left join agent.refused_evidence_v1(p_client_ids) as e on e.client_id = n.client_id and e.dedupe_key = n.dedupe_key
  ),
  ranked as (
    select s.*,
      -- The best of each rule come before the second of any.
      row_number() over (
        partition by s.client_id, s.is_away or s.is_contradicted order by s.of_its_rule > 1, s.score desc, s.rule_key, s.dedupe_key
      ) as place
    from (
      select c.*, row_number() over (
        partition by c.client_id, c.rule_key, c.is_away or c.is_contradicted order by c.score desc, c.dedupe_key
      ) as of_its_rule
      from scored as c
    ) as s
  )
  select coalesce(array_agg(row(
    k.client_id, k.suggestion_type, case when k.score >= 65 then 'high' when k.score >= 40 then 'medium' else 'low' end, k.title, k.description,
    k.reasoning, k.action_data, k.rule_key, k.score, jsonb_build_object('urgency', k.urgency, 'value', k.value, 'silence', k.silence,
      'acceptance', k.acceptance, 'freshness', k.freshness), k.evidence, k.dedupe_key,
    not (k.is_away or k.is_contradicted) and k.place <= 5
  )::agent.proposal), '{}')
  into v_proposals
  from ranked as k;

  select coalesce(array_agg(row(f.client_id, v_user_id, v_now, least(n.due_at, s.due_at, f.planned_at,
    case when n.is_true and v_now < f.last_activity_at + u.usual then f.last_activity_at + u.usual
      when n.is_true and v_now < f.last_activity_at + 2 * u.usual then f.last_activity_at + 2 * u.usual end
  ))::agent.client_watches), '{}')
  into v_due
  from unnest(v_facts) as f
  cross join lateral (
    select interval '24 hours' * case when f.gaps >= 5 then greatest(f.gap_p90_days, 2) else 7 end as usual
  ) as u
  left join (
    select g.client_id, bool_or(g.starts_at <= v_now) as is_true, min(least(
      case when g.starts_at > v_now then g.starts_at end, case when g.ends_at > v_now then g.ends_at end,
      case when g.starts_at + g.unit > v_now then g.starts_at + g.unit end,
      case when g.starts_at + 3 * g.unit > v_now then g.starts_at + 3 * g.unit end,
      case when g.starts_at + interval '3 days' > v_now then g.starts_at + interval '3 days' end,
      case when g.starts_at + interval '14 days' > v_now then g.starts_at + interval '14 days' end
    )) as due_at
    from unnest(v_signals) as g group by g.client_id
  ) as n on n.client_id = f.client_id
  left join (
    select m.client_id, min(case when m.snoozed_until > v_now then m.snoozed_until else m.created_at + interval '14 days' end) as due_at
    from public.agent_suggestions as m
    where m.assigned_to = v_user_id and m.client_id = any (p_client_ids) and m.status = 'pending'
      and (m.snoozed_until > v_now or m.source = 'ai')
    group by m.client_id
  ) as s on s.client_id = f.client_id;

  return agent.store_evaluation_v1(p_client_ids, v_facts, v_proposals, v_due);
end
$$;
comment on function agent.evaluate_v1(uuid[]) is
'Evaluates clients for the caller, under their row-level security, between begin_evaluation_v1 and store_evaluation_v1.';

revoke all on function
agent.begin_evaluation_v1(uuid), agent.evaluate_v1(uuid[]),
agent.store_evaluation_v1(uuid[], agent.client_facts[], agent.proposal[], agent.client_watches[])
from public, anon, authenticated, service_role;
grant execute on function
agent.begin_evaluation_v1(uuid), agent.evaluate_v1(uuid[]),
agent.store_evaluation_v1(uuid[], agent.client_facts[], agent.proposal[], agent.client_watches[])
to authenticated;
