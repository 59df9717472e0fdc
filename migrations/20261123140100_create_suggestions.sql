-- Why: what the agent proposes for a client, kept for the user it is proposed to, and the rules that propose it.
-- Touches: new tables agent_suggestions, agent.suggestion_rules, agent.sweeps.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.suggestion_rules (
  rule_key text primary key,
  suggestion_type text not null,
  stance text not null default 'neutral',
  watches text not null,
  is_on boolean not null default true,
  weight numeric(3, 2) not null default 1,
  thresholds jsonb not null default '{}',
  description text not null,
  updated_at timestamptz not null default now(),
  constraint suggestion_rules_stance_check check (stance in ('grow', 'risk', 'neutral')),
  constraint suggestion_rules_watches_check check (watches in ('activities', 'deals', 'tasks', 'orders')),
  constraint suggestion_rules_weight_check check (weight between 0 and 2)
);
comment on table agent.suggestion_rules is
'The rules that suggest, each with the function agent.rule_<rule_key>_v1, a page in docs/rules and a test. Set by set_suggestion_rule.';
comment on column agent.suggestion_rules.stance is 'Nothing of stance grow stands beside something of stance risk.';
comment on column agent.suggestion_rules.watches is 'The records that make it true and untrue.';
comment on column agent.suggestion_rules.weight is 'What its urgency is multiplied with.';
comment on column agent.suggestion_rules.thresholds is 'Positive numbers by name, and lost_stage, the stage that it proposes.';

insert into agent.suggestion_rules (rule_key, suggestion_type, stance, watches, weight, thresholds, description) values
(
  'no_activity', 'follow_up', 'neutral', 'activities', 0.8, '{"days": 7, "least_days": 2, "least_gaps": 5}',
  'Nothing has happened for too long.'
),
(
  'unanswered_message', 'follow_up', 'neutral', 'activities', 1.2, '{"hours": 24, "most_days": 60}',
  'The client wrote or called last and has had no answer.'
),
(
  'positive_activity', 'upsell', 'grow', 'activities', 0.8, '{"most_days": 14}', 'Something went well lately.'
),
(
  'stalled_deal', 'deal_action', 'neutral', 'deals', 1, '{"days": 14, "least_days": 3, "least_samples": 20}',
  'A deal stays in its stage for too long.'
),
(
  'close_date_passed', 'deal_action', 'neutral', 'deals', 1, '{"lost_after_days": 90, "lost_stage": "lost"}',
  'A deal is open after the day on which it was to close.'
),
(
  'unlikely_close', 'deal_action', 'neutral', 'deals', 0.8, '{"least_samples": 20}',
  'Hardly any deal was won so fast as this one would have to be.'
),
('overdue_task', 'task_create', 'neutral', 'tasks', 1, '{"high_days": 1, "medium_days": 3, "low_days": 7}', 'A task is overdue.'),
(
  'order_rhythm_broken', 'at_risk', 'risk', 'orders', 1.2, '{"least_orders": 4, "least_days": 7, "times": 1.5}',
  'Orders came regularly and have stopped.'
),
(
  'anniversary', 'check_in', 'neutral', 'orders', 0.6, '{"days_before": 14}',
  'The anniversary of the first order or the last contract is near.'
);

create table public.agent_suggestions (
  id uuid primary key default gen_random_uuid(),
  client_id uuid not null,
  suggestion_type text not null,
  priority text default 'medium',
  title text not null,
  description text,
  reasoning text,
  action_data jsonb,
  status text default 'pending',
  created_at timestamptz default now(),
  resolved_at timestamptz,
  assigned_to uuid not null,
  rule_key text not null,
  source text not null default 'rule',
  score numeric(5, 2) not null,
  factors jsonb not null default '{}',
  evidence jsonb not null default '{}',
  dedupe_key text not null,
  snoozed_until timestamptz,
  dismiss_reason text,
  resolved_by uuid,
  result jsonb,
  updated_at timestamptz not null default now(),
  constraint agent_suggestions_client_id_fkey foreign key (client_id) references public.clients (id) on delete cascade,
  constraint agent_suggestions_assigned_to_fkey foreign key (assigned_to) references public.profiles (id) on delete cascade,
  constraint agent_suggestions_suggestion_type_check check (
    suggestion_type in ('follow_up', 'deal_action', 'task_create', 'upsell', 'at_risk', 'check_in')
  ),
  constraint agent_suggestions_priority_check check (priority is not null and priority in ('low', 'medium', 'high')),
  constraint agent_suggestions_status_check check (
    status is not null and status in ('pending', 'accepted', 'dismissed', 'obsolete')
  ),
  constraint agent_suggestions_resolved_at_check check ((resolved_at is null) = (status = 'pending')),
  constraint agent_suggestions_source_check check (source in ('rule', 'ai')),
  constraint agent_suggestions_score_check check (score between 0 and 100),
  constraint agent_suggestions_dismiss_reason_check check (length(dismiss_reason) between 1 and 500)
);
comment on table public.agent_suggestions is
'What is proposed for a client, to one user: found under that user''s row-level security, resolved by that user. '
'Nobody writes here directly.';
comment on column public.agent_suggestions.rule_key is 'The rule, or "ai".';
comment on column public.agent_suggestions.score is '0 to 100, as docs/suggestions.md says; priority is high from 65, medium from 40.';
comment on column public.agent_suggestions.factors is 'What the score is made of, each 0 to 1.';
comment on column public.agent_suggestions.evidence is
'rows: the records it rests on; expected and actual. Nothing in it changes with time alone.';
comment on column public.agent_suggestions.dedupe_key is
'The rule, what it is about, and a hash of the evidence: while that is the same, what was accepted or dismissed stays away.';
comment on column public.agent_suggestions.snoozed_until is 'A pending one is not shown before.';
comment on column public.agent_suggestions.resolved_by is 'The user who accepted or dismissed it, or the record that made it obsolete.';
comment on column public.agent_suggestions.result is 'What accepting it created, for undo_suggestion.';

create index idx_agent_suggestions_client on public.agent_suggestions (client_id);
create index idx_agent_suggestions_status on public.agent_suggestions (status, priority);
-- One pending row for one piece of evidence, and the list of a user by rank.
create unique index agent_suggestions_assigned_to_client_id_dedupe_key_idx
on public.agent_suggestions (assigned_to, client_id, dedupe_key) where status <> 'obsolete';
create index agent_suggestions_assigned_to_score_id_idx on public.agent_suggestions (assigned_to, score desc, id) where status = 'pending';
create index agent_suggestions_assigned_to_rule_key_idx on public.agent_suggestions (assigned_to, rule_key)
where status in ('accepted', 'dismissed');
create index agent_suggestions_assigned_to_updated_at_idx on public.agent_suggestions (assigned_to, updated_at, id);

create table agent.sweeps (
  user_id uuid primary key,
  started_at timestamptz not null default clock_timestamp(),
  evaluating_xid xid8
);
comment on table agent.sweeps is
'One row for each user whose clients were evaluated: the lock that makes evaluations of one user take turns, when the last began, '
'and the transaction that may write suggestions.';

-- Definer: nobody may read agent.sweeps.
create function agent.is_evaluating() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from agent.sweeps as s
    where s.user_id = (select auth.uid()) and s.evaluating_xid = pg_current_xact_id_if_assigned()
  )
$$;
comment on function agent.is_evaluating() is
'Whether this transaction evaluates clients of the caller: only then does the agent see them, and are suggestions written.';

alter table agent.suggestion_rules enable row level security;
alter table agent.suggestion_rules force row level security;
alter table agent.sweeps enable row level security;
alter table agent.sweeps force row level security;
alter table public.agent_suggestions enable row level security;
alter table public.agent_suggestions force row level security;

create policy agent_suggestions_select_own on public.agent_suggestions for select to authenticated
using (
  assigned_to = (select auth.uid())
  and ((select agent.is_agent()) is not true or (select agent.is_evaluating()))
  and exists (select from crm.clients as c where c.id = agent_suggestions.client_id)
);
comment on policy agent_suggestions_select_own on public.agent_suggestions is
'A user sees their own, of clients they still see; the agent none but while it evaluates.';
revoke all on table public.agent_suggestions, agent.suggestion_rules, agent.sweeps from public, anon, authenticated, service_role;
revoke all on function agent.is_evaluating() from public, anon, authenticated, service_role;
grant select on table public.agent_suggestions to authenticated;
grant execute on function agent.is_evaluating() to authenticated;

insert into agent.data_tables (relation, place, client_id, user_id, aged_at, keep_for, on_age, on_erase, kept) values
('public.agent_suggestions', 2, 't.client_id', 't.assigned_to', 't.created_at', null, 'delete', 'delete', null);
insert into agent.data_tables (relation, place, kept) values
('agent.suggestion_rules', 9, 'Rules and their thresholds.'),
('agent.sweeps', 9, 'Times by user.');
notify pgrst, 'reload schema';
