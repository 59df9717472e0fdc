-- Why: nobody, and not all together, may spend more than was allowed; not by a race, not by a crash.
-- Touches: new tables ai_budgets and agent.ledger; columns of ai_interactions.
-- Rollout: new objects; the new columns have constant defaults and rewrite nothing.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.ai_budgets (
  id uuid primary key default gen_random_uuid(),
  scope text not null,
  user_id uuid,
  period text not null,
  limit_usd numeric(12, 2),
  limit_tokens bigint,
  updated_at timestamptz not null default now(),
  constraint ai_budgets_user_id_fkey foreign key (user_id) references public.profiles (id) on delete cascade,
  constraint ai_budgets_scope_check check (scope = 'user' or (scope = 'organisation' and user_id is null)),
  constraint ai_budgets_period_check check (period in ('day', 'month')),
  constraint ai_budgets_limit_usd_check check (limit_usd >= 0),
  constraint ai_budgets_limit_tokens_check check (limit_tokens >= 0)
);
comment on table public.ai_budgets is
'What may be spent, by each user and by all together, in a day and a month of the organisation''s time zone. A null limit is none.';
comment on column public.ai_budgets.user_id is 'Of scope user: whose budget it is; null is everybody''s who has none of their own.';
create unique index ai_budgets_scope_period_user_id_idx on public.ai_budgets (scope, period, user_id) nulls not distinct;
create index ai_budgets_user_id_idx on public.ai_budgets (user_id);
insert into public.ai_budgets (scope, period, limit_usd) values ('user', 'day', 2), ('organisation', 'month', 50);

create table agent.ledger (
  scope text not null,
  user_id uuid not null,
  period text not null,
  starts_on date not null,
  spent_usd numeric(14, 6) not null default 0,
  reserved_usd numeric(14, 6) not null default 0,
  spent_tokens bigint not null default 0,
  reserved_tokens bigint not null default 0,
  constraint ledger_pkey primary key (scope, period, starts_on, user_id),
  constraint ledger_amounts_check check (least(spent_usd, reserved_usd, spent_tokens, reserved_tokens) >= 0)
);
comment on table agent.ledger is
'A row for each user, and one for all (user_id of zeros), in each day and month: what is spent, and what is set aside.';

alter table public.ai_interactions
add column reserved_usd numeric(14, 6) not null default 0,
add column reserved_tokens bigint not null default 0,
add column spent_on date,
add column settled_at timestamptz default now(),
add column is_batch boolean not null default false,
add constraint ai_interactions_reserved_check check (reserved_usd >= 0 and reserved_tokens >= 0) not valid;
comment on column public.ai_interactions.reserved_usd is 'What was set aside before the attempt; kept after it was settled.';
comment on column public.ai_interactions.spent_on is
'The day, in the organisation''s time zone, that carries it; null where nothing was set aside.';
comment on column public.ai_interactions.settled_at is 'Null while the attempt runs.';
comment on column public.ai_interactions.is_batch is 'Sent through the provider''s batch interface, at its price.';
-- One attempt of a job runs at a time: the next is reserved only when it is settled.
-- squawk-ignore require-concurrent-index-creation
create unique index ai_interactions_job_id_unsettled_idx on public.ai_interactions (job_id) where settled_at is null;

create function agent.budget_rows(p_user_id uuid, p_day date)
returns table (scope text, user_id uuid, period text, starts_on date, limit_usd numeric, limit_tokens bigint)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select k.scope, k.user_id, p.period, p.starts_on, b.limit_usd, b.limit_tokens
  from (values ('organisation', '00000000-0000-0000-0000-000000000000'::uuid), ('user', p_user_id)) as k (scope, user_id)
  cross join (values ('day', p_day), ('month', date_trunc('month', p_day)::date)) as p (period, starts_on)
  left join lateral (
    select b.limit_usd, b.limit_tokens from public.ai_budgets as b
    where b.scope = k.scope and b.period = p.period and (b.user_id is null or b.user_id = k.user_id)
    order by b.user_id nulls last
    limit 1
  ) as b on true
$$;
comment on function agent.budget_rows(uuid, date) is
'The four rows of the ledger that carry what a user spends on a day, and their limits; null is no limit. Granted to nobody.';

create function agent.resumes_at(p_period text, p_starts_on date) returns timestamptz
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select (p_starts_on + case p_period when 'day' then interval '1 day' else interval '1 month' end) at time zone agent.time_zone()
$$;
comment on function agent.resumes_at(text, date) is 'When a budget that is used up begins anew. Granted to nobody.';

create function agent.raise_budget_exhausted(p_scope text, p_period text, p_starts_on date) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_resumes_at constant timestamptz := agent.resumes_at(p_period, p_starts_on);
begin
  raise exception using errcode = 'PT429',
    message = format('The AI budget of %s is used up for this %s. It resumes on %s.',
      case p_scope when 'user' then 'this user' else 'the organisation' end, p_period,
      to_char(v_resumes_at at time zone agent.time_zone(), 'YYYY-MM-DD "at" HH24:MI')),
    detail = 'budget_exhausted: ' || to_char(v_resumes_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    hint = 'Wait until then, or let an administrator raise the budget.';
end
$$;
comment on function agent.raise_budget_exhausted(text, text, date) is 'PT429 budget_exhausted and when it resumes. Granted to nobody.';

create function agent.is_degraded(p_user_id uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select coalesce(bool_or(
    l.spent_usd + l.reserved_usd >= 0.8 * b.limit_usd or l.spent_tokens + l.reserved_tokens >= 0.8 * b.limit_tokens
  ), false)
  from agent.budget_rows(p_user_id, (now() at time zone agent.time_zone())::date) as b
  inner join agent.ledger as l using (scope, user_id, period, starts_on)
$$;
comment on function agent.is_degraded(uuid) is
'Whether a budget that this user spends from is used up by 80 %: then the cheaper model is taken. Granted to nobody.';

alter table public.ai_budgets enable row level security;
alter table public.ai_budgets force row level security;
alter table agent.ledger enable row level security;
alter table agent.ledger force row level security;
create policy ai_budgets_select_concerned on public.ai_budgets for select to authenticated
using ((user_id = (select auth.uid()) or (select agent.is_admin())) and (select agent.is_agent()) is not true);
comment on policy ai_budgets_select_concerned on public.ai_budgets is
'A user sees a budget of their own, an admin all of them, the agent none.';

revoke all on table public.ai_budgets, agent.ledger from public, anon, authenticated, service_role;
revoke all on function
agent.budget_rows(uuid, date), agent.resumes_at(text, date),
agent.raise_budget_exhausted(text, text, date), agent.is_degraded(uuid)
from public, anon, authenticated, service_role;
grant select on table public.ai_budgets to authenticated;
