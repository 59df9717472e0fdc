-- Why: a client's picture is kept with what it was computed from, and computed again when that has changed or somebody asks.
-- Touches: new table client_insights, new functions get_client_intelligence, refresh_client_intelligence.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.client_insights (
  client_id uuid not null,
  user_id uuid not null,
  insights jsonb not null,
  computed_from jsonb not null,
  computed_at timestamptz not null default now(),
  summary text,
  summary_model text,
  constraint client_insights_pkey primary key (user_id, client_id),
  constraint client_insights_client_id_fkey foreign key (client_id) references public.clients (id) on delete cascade,
  constraint client_insights_user_id_fkey foreign key (user_id) references public.profiles (id) on delete cascade,
  constraint client_insights_summary_check check (length(summary) between 1 and 2000)
);
comment on table public.client_insights is
'The picture of a client as one user sees it: figures by SQL alone, and a summary by a model where there is one.';
comment on column public.client_insights.computed_from is
'Counts, newest times and a hash of the records that the figures rest on, and the day; while it is the same, so are the figures.';
create index client_insights_client_id_idx on public.client_insights (client_id);

create function agent.insight_basis_v1(p_client_id uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD'
as $$
  select jsonb_build_object(
    'day', (p_now at time zone agent.time_zone())::date, 'activities', a.count, 'newest_activity_at', a.newest,
    'deals', d.count, 'tasks', t.count, 'orders', o.count, 'hash', md5(concat_ws('|', a.hash, d.hash, t.hash, o.hash, r.hash))
  )
  from (
    select count(*) as count, max(x.occurred_at) as newest, md5(string_agg(concat_ws(',', x.id, x.type, x.direction, x.sentiment, x.status,
      x.occurred_at), ';' order by x.id)) as hash
    from crm.activities as x where x.client_id = p_client_id
  ) as a
  cross join (
    select count(*) as count, md5(string_agg(concat_ws(',', x.id, x.title, x.stage, x.amount, x.currency, x.expected_close, x.opened_at,
      x.closed_at, x.is_open), ';' order by x.id)) as hash
    from crm.deals as x where x.client_id = p_client_id
  ) as d
  cross join (
    select count(*) as count, md5(string_agg(concat_ws(',', x.id, x.title, x.due_at, x.is_open, x.priority), ';' order by x.id)) as hash
    from crm.tasks as x where x.client_id = p_client_id
  ) as t
  cross join (
    select count(*) as count, md5(string_agg(concat_ws(',', x.id, x.status, x.ordered_at), ';' order by x.id)) as hash
    from crm.orders as x where x.client_id = p_client_id
  ) as o
  cross join (
    select md5(string_agg(concat_ws(',', x.rule_key, x.thresholds), ';' order by x.rule_key)) as hash from agent.suggestion_rules_v1() as x
  ) as r
$$;
comment on function agent.insight_basis_v1(uuid, timestamptz) is 'What a client''s figures rest on, as the caller sees it.';

-- Definer: nobody may write insights. Whose they are comes from the claims, and only a person computes.
create function agent.store_insights_v1(p_insights jsonb, p_basis jsonb) returns public.client_insights
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_person();
  v_kept public.client_insights;
begin
  insert into public.client_insights as i (client_id, user_id, insights, computed_from)
  values ((p_insights ->> 'client_id')::uuid, v_user_id, p_insights, p_basis)
  on conflict (user_id, client_id) do update
  set insights = excluded.insights, computed_from = excluded.computed_from, computed_at = now(), summary = null, summary_model = null
  returning * into v_kept;
  return v_kept;
end
$$;
comment on function agent.store_insights_v1(jsonb, jsonb) is 'Keeps what a person''s call has computed, for that person.';

create function agent.intelligence(p_client_id uuid, p_is_fresh boolean) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_person();
  v_now timestamptz := now();
  v_basis jsonb;
  v_kept public.client_insights;
  v_insights jsonb;
begin
  if not exists (select from crm.clients as c where c.id = p_client_id) then
    raise exception using errcode = 'PT404', message = 'There is no such client among yours.', detail = 'client_not_found',
      hint = 'Reload the list.';
  end if;
  v_basis := agent.insight_basis_v1(p_client_id, v_now);
  select * into v_kept from public.client_insights as i where i.user_id = v_user_id and i.client_id = p_client_id;
  if p_is_fresh or v_kept.computed_from is distinct from v_basis then
    v_insights := agent.client_intelligence_v1(p_client_id, v_now);
    if v_insights is null then
      raise exception using errcode = 'PT403', message = 'AI may not work on this client''s data.', detail = 'ai_off: client',
        hint = 'Ask an administrator.';
    end if;
    v_kept := agent.store_insights_v1(v_insights, v_basis);
  end if;
  return v_kept.insights || jsonb_build_object('computed_from', v_kept.computed_from, 'summary', v_kept.summary);
end
$$;
comment on function agent.intelligence(uuid, boolean) is 'Behind get_client_intelligence and refresh_client_intelligence.';

create function public.get_client_intelligence(p_client_id uuid) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.intelligence(p_client_id, false) $$;
comment on function public.get_client_intelligence(uuid) is
'The picture of a client: communication, deals, engagement, trend, risks, opportunities, churn and upsell. Computed again where its '
'records have changed, or the day.';

create function public.refresh_client_intelligence(p_client_id uuid) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.intelligence(p_client_id, true) $$;
comment on function public.refresh_client_intelligence(uuid) is 'The same, computed now.';

alter table public.client_insights enable row level security;
alter table public.client_insights force row level security;
create policy client_insights_select_own on public.client_insights for select to authenticated
using (
  user_id = (select auth.uid()) and (select agent.is_agent()) is not true
  and exists (select from crm.clients as c where c.id = client_insights.client_id)
);
comment on policy client_insights_select_own on public.client_insights is
'A user sees their own, of clients they still see; the agent none.';
revoke all on table public.client_insights from public, anon, authenticated, service_role;
revoke all on function
agent.insight_basis_v1(uuid, timestamptz), agent.store_insights_v1(jsonb, jsonb), agent.intelligence(uuid, boolean),
public.get_client_intelligence(uuid), public.refresh_client_intelligence(uuid)
from public, anon, authenticated, service_role;
grant select on table public.client_insights to authenticated;
grant execute on function
agent.insight_basis_v1(uuid, timestamptz), agent.store_insights_v1(jsonb, jsonb), agent.intelligence(uuid, boolean),
public.get_client_intelligence(uuid), public.refresh_client_intelligence(uuid)
to authenticated;
insert into agent.data_tables (relation, place, client_id, user_id, aged_at, on_age, on_erase) values
('public.client_insights', 2, 't.client_id', 't.user_id', 't.computed_at', 'delete', 'delete');
notify pgrst, 'reload schema';
