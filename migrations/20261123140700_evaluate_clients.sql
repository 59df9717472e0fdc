-- Why: from facts to what is proposed: the rules' signals, scored, at most five a client, written for one user at a time.
-- Touches: new tables agent.client_watches, agent.client_changes, agent.refused_evidence; new type agent.proposal; new functions.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.client_watches (
  client_id uuid not null,
  user_id uuid not null,
  evaluated_at timestamptz not null default now(),
  due_at timestamptz,
  constraint client_watches_pkey primary key (user_id, client_id)
);
comment on table agent.client_watches is
'When a client was last evaluated for a user, and when time alone makes the next evaluation worth it. Plain uuids: nothing of the '
'host waits for a row here.';
create index client_watches_due_at_idx on agent.client_watches (due_at) where due_at is not null;
create index client_watches_user_id_due_at_idx on agent.client_watches (user_id, due_at) where due_at is not null;
create index client_watches_client_id_idx on agent.client_watches (client_id);

-- Appended by triggers on the host's tables and taken by evaluations: two writers of the host never wait for each other here.
create table agent.client_changes (
  id bigint generated always as identity primary key,
  client_id uuid not null,
  user_id uuid not null,
  changed_at timestamptz not null default clock_timestamp()
);
comment on table agent.client_changes is 'Clients whose records changed since their owner''s last evaluation.';
create index client_changes_user_id_id_idx on agent.client_changes (user_id, id);

create table agent.refused_evidence (
  user_id uuid not null,
  client_id uuid not null,
  dedupe_key text not null,
  constraint refused_evidence_pkey primary key (user_id, client_id, dedupe_key)
);
comment on table agent.refused_evidence is
'Hashes of what a user has resolved and retention has removed: while its evidence is the same it stays away.';

create function agent.tg_agent_suggestions__remember() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp -- definer: whoever deletes holds no right on the table
as $$
begin
  insert into agent.refused_evidence (user_id, client_id, dedupe_key)
  select o.assigned_to, o.client_id, o.dedupe_key
  from old_rows as o
  inner join public.clients as c on c.id = o.client_id
  where o.status in ('accepted', 'dismissed')
  on conflict do nothing;
  return null;
end
$$;
comment on function agent.tg_agent_suggestions__remember() is 'AFTER DELETE statement trigger of agent_suggestions.';
create trigger agent_suggestions_remember after delete on public.agent_suggestions
referencing old table as old_rows for each statement execute function agent.tg_agent_suggestions__remember();

create type agent.proposal as (
  client_id uuid,
  suggestion_type text,
  priority text,
  title text,
  description text,
  reasoning text,
  action_data jsonb,
  rule_key text,
  score numeric,
  factors jsonb,
  evidence jsonb,
  dedupe_key text,
  is_chosen boolean
);
comment on type agent.proposal is 'What is true of a client now, and whether it is among those proposed.';

-- Definer: nobody may read agent.suggestion_rules, and every evaluation needs it.
create function agent.suggestion_rules_v1() returns setof agent.suggestion_rules
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select r.rule_key, r.suggestion_type, r.stance, r.watches, r.is_on, r.weight,
    r.thresholds || jsonb_build_object('time_zone', s.time_zone, 'answer_days', coalesce(u.thresholds -> 'most_days', '0')),
    r.description, r.updated_at
  from agent.suggestion_rules as r
  cross join public.ai_settings as s
  left join agent.suggestion_rules as u on u.rule_key = 'unanswered_message' and u.is_on
  where r.is_on
$$;
comment on function agent.suggestion_rules_v1() is 'The rules that are on, their thresholds with the organisation''s time zone.';

create function agent.signals_v1(p_facts agent.client_facts[], p_now timestamptz) returns setof agent.signal
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with
  r as materialized (select * from agent.suggestion_rules_v1()),
  d as materialized (select array(select o from agent.open_deals_v1(p_facts, p_now) as o) as deals)
  select s.* from r cross join lateral agent.rule_no_activity_v1(p_facts, r.thresholds, p_now) as s where r.rule_key = 'no_activity'
  union all
  select s.* from r cross join lateral agent.rule_unanswered_message_v1(p_facts, r.thresholds, p_now) as s
  where r.rule_key = 'unanswered_message'
  union all
  select s.* from r cross join lateral agent.rule_positive_activity_v1(p_facts, r.thresholds, p_now) as s
  where r.rule_key = 'positive_activity'
  union all
  select s.* from r cross join d cross join lateral agent.rule_stalled_deal_v1(d.deals, r.thresholds, p_now) as s where r.rule_key = 'stalled_deal'
  union all
  select s.* from r cross join d cross join lateral agent.rule_close_date_passed_v1(d.deals, r.thresholds, p_now) as s
  where r.rule_key = 'close_date_passed'
  union all
  select s.* from r cross join d cross join lateral agent.rule_unlikely_close_v1(d.deals, r.thresholds, p_now) as s where r.rule_key = 'unlikely_close'
  union all
  select s.* from r cross join lateral agent.rule_overdue_task_v1(p_facts, r.thresholds, p_now) as s where r.rule_key = 'overdue_task'
  union all
  select s.* from r cross join lateral agent.rule_order_rhythm_broken_v1(p_facts, r.thresholds, p_now) as s
  where r.rule_key = 'order_rhythm_broken'
  union all
  select s.* from r cross join lateral agent.rule_anniversary_v1(p_facts, r.thresholds, p_now) as s where r.rule_key = 'anniversary'
$$;
comment on function agent.signals_v1(agent.client_facts[], timestamptz) is
'What every rule that is on finds: true now, or at a later time that is known already.';

-- Definer: nobody may read agent.refused_evidence.
create function agent.refused_evidence_v1(p_client_ids uuid[]) returns setof agent.refused_evidence
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select e.* from agent.refused_evidence as e where e.user_id = (select auth.uid()) and e.client_id = any (p_client_ids) $$;
comment on function agent.refused_evidence_v1(uuid[]) is 'The caller''s own, for evaluations.';

revoke all on table agent.client_watches, agent.client_changes, agent.refused_evidence from public, anon, authenticated, service_role;
revoke all on sequence agent.client_changes_id_seq from public, anon, authenticated, service_role;
revoke all on type agent.proposal from public, anon, authenticated, service_role;
alter table agent.refused_evidence enable row level security;
alter table agent.refused_evidence force row level security;
revoke all on function
agent.tg_agent_suggestions__remember(), agent.refused_evidence_v1(uuid[]), agent.suggestion_rules_v1(),
agent.signals_v1(agent.client_facts[], timestamptz)
from public, anon, authenticated, service_role;
alter table agent.client_watches enable row level security;
alter table agent.client_watches force row level security;
alter table agent.client_changes enable row level security;
alter table agent.client_changes force row level security;
grant usage on type agent.proposal to authenticated;
grant execute on function
agent.refused_evidence_v1(uuid[]), agent.suggestion_rules_v1(), agent.signals_v1(agent.client_facts[], timestamptz)
to authenticated;
insert into agent.data_tables (relation, place, client_id, user_id, on_erase) values
('agent.client_watches', 4, 't.client_id', 't.user_id', 'delete'), ('agent.client_changes', 4, 't.client_id', 't.user_id', 'delete'),
('agent.refused_evidence', 4, 't.client_id', 't.user_id', 'delete');
