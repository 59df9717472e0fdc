-- Why: people see what is proposed, by rank and with the words for it, and a client that is opened has its suggestions at once.
-- Touches: new functions list_suggestions, list_suggestion_rules, set_suggestion_rule.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Definer: nobody may read agent.client_watches and client_changes.
create function agent.is_evaluation_due_v1(p_client_id uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select not exists (
    select from agent.client_watches as w
    where w.user_id = (select auth.uid()) and w.client_id = p_client_id and (w.due_at is null or w.due_at > now())
  ) or exists (
    select from agent.client_changes as c where c.user_id = (select auth.uid()) and c.client_id = p_client_id
  ) or (
    -- Another's client is not swept for who only looks at it.
    exists (select from agent.client_watches as w
      where w.user_id = (select auth.uid()) and w.client_id = p_client_id and w.evaluated_at < now() - interval '1 minute')
    and exists (select from crm.clients as c where c.id = p_client_id and c.owner_id is distinct from (select auth.uid()))
  )
$$;
comment on function agent.is_evaluation_due_v1(uuid) is
'Whether something may have changed for the caller since this client was evaluated.';

create function agent.rank_words(p_suggestion public.agent_suggestions, p_accepted bigint, p_dismissed bigint) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select initcap(p_suggestion.priority) || ': ' || coalesce(nullif(concat_ws(', ',
    case when (p_suggestion.factors ->> 'urgency')::numeric >= 0.9 then 'long overdue'
      when (p_suggestion.factors ->> 'urgency')::numeric >= 0.6 then 'overdue' end,
    case when (p_suggestion.factors ->> 'value')::numeric >= 0.8 then 'much is at stake'
      when (p_suggestion.factors ->> 'value')::numeric = 0 then 'no open deal' end,
    case (p_suggestion.factors ->> 'silence')::numeric when 1 then 'long silence' when 0.5 then 'silent for longer than usual' end,
    case when (p_suggestion.factors ->> 'freshness')::numeric >= 1 then 'new' when (p_suggestion.factors ->> 'freshness')::numeric < 0.5 then 'old' end
  ), ''), 'nothing stands out') || '.' || case
    when p_dismissed >= 3 and p_dismissed > p_accepted
      then format(' Shown less often: you dismissed %s of %s.', p_dismissed, p_accepted + p_dismissed)
    when p_accepted >= 3 and p_accepted > p_dismissed
      then format(' Shown more often: you accepted %s of %s.', p_accepted, p_accepted + p_dismissed)
    else ''
  end
$$;
comment on function agent.rank_words(public.agent_suggestions, bigint, bigint) is 'Why a suggestion ranks where it does, for people.';

create function agent.suggestion_page(
  p_client_id uuid, p_priority text, p_type text, p_include_snoozed boolean, p_limit integer, p_after_score numeric, p_after_id uuid
) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with
  habits as (
    select s.rule_key, count(*) filter (where s.status = 'accepted') as accepted, count(*) filter (where s.status = 'dismissed') as dismissed
    from public.agent_suggestions as s
    where s.assigned_to = (select auth.uid()) and s.status in ('accepted', 'dismissed')
    group by s.rule_key
  ),
  page as (
    select s as suggestion, s.id, s.score, c.name, h.accepted, h.dismissed
    from public.agent_suggestions as s
    inner join crm.clients as c on c.id = s.client_id
    left join habits as h on h.rule_key = s.rule_key
    where s.assigned_to = (select auth.uid()) and s.status = 'pending'
      and (p_include_snoozed or s.snoozed_until is null or s.snoozed_until <= now())
      and (p_client_id is null or s.client_id = p_client_id) and (p_priority is null or s.priority = p_priority)
      and (p_type is null or s.suggestion_type = p_type)
      and (p_after_id is null or (s.score, p_after_id) < (p_after_score, s.id))
    order by s.score desc, s.id
    limit p_limit + 1
  ),
  shown as (select p.* from page as p order by p.score desc, p.id limit p_limit)
  select jsonb_build_object(
    'items', coalesce((
      select jsonb_agg(
        to_jsonb(p.suggestion) - array['assigned_to', 'dedupe_key', 'result', 'resolved_by', 'resolved_at', 'dismiss_reason']
        || jsonb_build_object('client_name', p.name,
          'rank_words', agent.rank_words(p.suggestion, coalesce(p.accepted, 0), coalesce(p.dismissed, 0)))
        order by p.score desc, p.id)
      from shown as p
    ), '[]'),
    'next', case when (select count(*) from page) > p_limit then (
      select jsonb_build_object('after_score', p.score, 'after_id', p.id) from shown as p order by p.score, p.id desc limit 1
    ) end
  )
$$;
comment on function agent.suggestion_page(uuid, text, text, boolean, integer, numeric, uuid) is 'Behind list_suggestions.';

create function public.list_suggestions(
  p_client_id uuid default null, p_priority text default null, p_type text default null, p_include_snoozed boolean default false,
  p_limit integer default 20, p_after_score numeric default null, p_after_id uuid default null
) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_faults text[];
  v_ids uuid[];
begin
  perform agent.require_person();
  v_faults := array_remove(array[
    case when p_priority not in ('low', 'medium', 'high') then 'p_priority: use low, medium or high.' end,
    case when p_type not in ('follow_up', 'deal_action', 'task_create', 'upsell', 'at_risk', 'check_in')
      then 'p_type: use follow_up, deal_action, task_create, upsell, at_risk or check_in.' end,
    case when p_limit between 1 and 100 is not true then 'p_limit: use 1 to 100.' end,
    case when num_nulls(p_after_score, p_after_id) = 1 then 'p_after_score, p_after_id: pass both of "next", or none.' end
  ], null);
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again.';
  end if;
  if p_client_id is not null then
    if not exists (select from crm.clients as c where c.id = p_client_id) then
      raise exception using errcode = 'PT404', message = 'There is no such client among yours.', detail = 'client_not_found',
        hint = 'Reload the list.';
    end if;
    if agent.is_evaluation_due_v1(p_client_id) then
      v_ids := agent.begin_evaluation_v1(p_client_id);
      perform agent.evaluate_v1(v_ids);
    end if;
  end if;
  return agent.suggestion_page(p_client_id, p_priority, p_type, coalesce(p_include_snoozed, false), p_limit, p_after_score, p_after_id);
end
$$;
comment on function public.list_suggestions(uuid, text, text, boolean, integer, numeric, uuid) is
'{items, next}: what is proposed to the caller, the highest score first; of one client it is brought up to date first. next is '
'what to pass for the next page, null on the last.';

-- Definer, the next two: nobody may read or write agent.suggestion_rules.
create function agent.list_suggestion_rules_v1() returns setof agent.suggestion_rules
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform agent.require_admin();
  return query select r.* from agent.suggestion_rules as r order by r.rule_key;
end
$$;
comment on function agent.list_suggestion_rules_v1() is 'Behind list_suggestion_rules.';

create function public.list_suggestion_rules() returns table (
  rule_key text, suggestion_type text, stance text, watches text, is_on boolean, weight numeric, thresholds jsonb, description text,
  updated_at timestamptz
)
language sql stable set search_path = pg_catalog, pg_temp
as $$ select * from agent.list_suggestion_rules_v1() $$;
comment on function public.list_suggestion_rules() is 'An admin sees the rules, their thresholds and weights.';

create function agent.set_suggestion_rule_v1(p_rule_key text, p_is_on boolean, p_weight numeric, p_thresholds jsonb) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule agent.suggestion_rules;
  v_faults text[];
begin
  perform agent.require_admin();
  select * into v_rule from agent.suggestion_rules where rule_key = p_rule_key for update;
  if not found then
    raise exception using errcode = 'PT404', message = format('There is no rule %L.', left(p_rule_key, 60)), detail = 'rule_not_found',
      hint = (select 'One of: ' || string_agg(r.rule_key, ', ' order by r.rule_key) from agent.suggestion_rules as r);
  end if;
  v_faults := array_remove(array[
    case when p_weight not between 0 and 2 then 'p_weight: use 0 to 2.' end,
    case when jsonb_typeof(p_thresholds) <> 'object' then 'p_thresholds: use an object.' end
  ], null);
  v_faults := v_faults || array(
    select format('p_thresholds.%s: %s', left(t.key, 60), case
      when not v_rule.thresholds ? t.key then 'this rule has none of that name.'
      when jsonb_typeof(v_rule.thresholds -> t.key) = 'string' then 'use a name of 1 to 100 characters.'
      else 'use a number from 0.1 to 3650.'
    end)
    from jsonb_each(case when jsonb_typeof(p_thresholds) = 'object' then p_thresholds else '{}' end) as t
    where not v_rule.thresholds ? t.key
      or case
        when jsonb_typeof(v_rule.thresholds -> t.key) = 'string'
          then jsonb_typeof(t.value) <> 'string' or length(t.value #>> '{}') not between 1 and 100
        when jsonb_typeof(t.value) = 'number' then (t.value #>> '{}')::numeric not between 0.1 and 3650
        else true
      end
    order by t.key
  );
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again. Nothing was changed.';
  end if;
  update agent.suggestion_rules
  set is_on = coalesce(p_is_on, is_on), weight = coalesce(p_weight, weight), thresholds = thresholds || coalesce(p_thresholds, '{}'),
    updated_at = now()
  where rule_key = p_rule_key;
  -- Everything is evaluated once more.
  update agent.client_watches set due_at = now() where due_at is distinct from now();
  perform agent.append_audit('suggestion_rule_set', 'suggestion_rule', null, null, null,
    jsonb_strip_nulls(jsonb_build_object('rule_key', p_rule_key, 'is_on', p_is_on, 'weight', p_weight, 'thresholds', p_thresholds)));
end
$$;
comment on function agent.set_suggestion_rule_v1(text, boolean, numeric, jsonb) is 'Behind set_suggestion_rule.';

create function public.set_suggestion_rule(
  p_rule_key text, p_is_on boolean default null, p_weight numeric default null, p_thresholds jsonb default null
) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.set_suggestion_rule_v1(p_rule_key, p_is_on, p_weight, p_thresholds) $$;
comment on function public.set_suggestion_rule(text, boolean, numeric, jsonb) is
'An admin switches a rule on or off and sets its weight and thresholds; what is null stays. All clients are evaluated again.';

revoke all on function
agent.is_evaluation_due_v1(uuid), agent.rank_words(public.agent_suggestions, bigint, bigint),
agent.suggestion_page(uuid, text, text, boolean, integer, numeric, uuid), agent.list_suggestion_rules_v1(),
agent.set_suggestion_rule_v1(text, boolean, numeric, jsonb),
public.list_suggestions(uuid, text, text, boolean, integer, numeric, uuid), public.list_suggestion_rules(),
public.set_suggestion_rule(text, boolean, numeric, jsonb)
from public, anon, authenticated, service_role;
grant execute on function
agent.is_evaluation_due_v1(uuid), agent.rank_words(public.agent_suggestions, bigint, bigint),
agent.suggestion_page(uuid, text, text, boolean, integer, numeric, uuid), agent.list_suggestion_rules_v1(),
agent.set_suggestion_rule_v1(text, boolean, numeric, jsonb),
public.list_suggestions(uuid, text, text, boolean, integer, numeric, uuid), public.list_suggestion_rules(),
public.set_suggestion_rule(text, boolean, numeric, jsonb)
to authenticated;
notify pgrst, 'reload schema';
