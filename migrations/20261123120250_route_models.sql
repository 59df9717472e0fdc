-- Why: simple work goes to a cheaper model, and an admin decides which.
-- Touches: new table agent.model_routes, seeded; new functions set_model_route and list_model_routes.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.model_routes (
  kind text not null,
  draft_type text not null default '*',
  purpose text not null default '*',
  model text not null,
  degraded_model text not null,
  constraint model_routes_pkey primary key (kind, draft_type, purpose)
);
comment on table agent.model_routes is
'Which model does which work, the most specific row first ("*" is any); degraded_model once a budget is used up by 80 %.';
insert into agent.model_routes (kind, draft_type, purpose, model, degraded_model) values
('draft', '*', '*', 'claude-sonnet-5-5', 'claude-haiku-5-5'),
('draft', 'note', '*', 'claude-haiku-5-5', 'claude-haiku-5-5'),
('draft', '*', 'task_reminder', 'claude-haiku-5-5', 'claude-haiku-5-5'),
('draft', '*', 'check_in', 'claude-haiku-5-5', 'claude-haiku-5-5');

create function agent.route_model(p_user_id uuid, p_kind text, p_payload jsonb) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case when agent.is_degraded(p_user_id) then r.degraded_model else r.model end
    from agent.model_routes as r
    where r.kind = p_kind and r.draft_type in ('*', p_payload ->> 'draft_type') and r.purpose in ('*', p_payload ->> 'purpose')
    order by r.draft_type = '*', r.purpose = '*'
    limit 1
  );
end
$$;
comment on function agent.route_model(uuid, text, jsonb) is 'The model for a job now, or null where none is set. Granted to nobody.';

-- Definer, the next two: nobody may read or write agent.model_routes.
create function agent.set_model_route_v1(p_kind text, p_draft_type text, p_purpose text, p_model text, p_degraded_model text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_priced constant text[] := array(select distinct m.model from agent.model_prices as m where m.effective_at <= now());
  v_faults text[] := array_remove(array[
    case when p_kind ~ '^[a-z_]{1,40}$' is not true then 'p_kind: name a kind of job, such as draft.' end,
    case when p_draft_type in ('*', 'email', 'note', 'task', 'memo') is not true then 'p_draft_type: use email, note, task, memo or *.' end,
    case when p_purpose in ('*', 'follow_up', 'check_in', 'deal_update', 'task_reminder', 'custom') is not true
      then 'p_purpose: use follow_up, check_in, deal_update, task_reminder, custom or *.' end,
    case when p_model = any (v_priced) is not true
      then format('p_model: it has no price; these have one: %s.', array_to_string(v_priced, ', ')) end,
    case when p_degraded_model = any (v_priced) is not true
      then format('p_degraded_model: it has no price; these have one: %s.', array_to_string(v_priced, ', ')) end
  ], null);
begin
  perform agent.require_admin();
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again.';
  end if;
  insert into agent.model_routes (kind, draft_type, purpose, model, degraded_model)
  values (p_kind, p_draft_type, p_purpose, p_model, p_degraded_model)
  on conflict (kind, draft_type, purpose) do update set model = excluded.model, degraded_model = excluded.degraded_model;
  perform agent.append_audit('model_route_set', 'model_route', null, null, null, jsonb_build_object(
    'kind', p_kind, 'draft_type', p_draft_type, 'purpose', p_purpose, 'model', p_model, 'degraded_model', p_degraded_model));
end
$$;
comment on function agent.set_model_route_v1(text, text, text, text, text) is 'Behind set_model_route.';

create function public.set_model_route(
  p_kind text, p_draft_type text, p_purpose text, p_model text, p_degraded_model text
) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.set_model_route_v1(p_kind, p_draft_type, p_purpose, p_model, p_degraded_model) $$;
comment on function public.set_model_route(text, text, text, text, text) is
'An admin says which model does which work ("*" is any), and which one instead while a budget is used up by 80 %.';

create function agent.list_model_routes_v1() returns setof agent.model_routes
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform agent.require_admin();
  return query select r.* from agent.model_routes as r order by r.kind, r.draft_type, r.purpose;
end
$$;
comment on function agent.list_model_routes_v1() is 'Behind list_model_routes.';

create function public.list_model_routes() returns table (kind text, draft_type text, purpose text, model text, degraded_model text)
language sql stable set search_path = pg_catalog, pg_temp
as $$ select * from agent.list_model_routes_v1() $$;
comment on function public.list_model_routes() is
'An admin sees which model does which work; of several rows that fit, the most specific holds.';

alter table agent.model_routes enable row level security;
alter table agent.model_routes force row level security;
revoke all on table agent.model_routes from public, anon, authenticated, service_role;
revoke all on function
agent.route_model(uuid, text, jsonb), agent.set_model_route_v1(text, text, text, text, text), agent.list_model_routes_v1(),
public.set_model_route(text, text, text, text, text), public.list_model_routes()
from public, anon, authenticated, service_role;
grant execute on function
agent.set_model_route_v1(text, text, text, text, text), agent.list_model_routes_v1(),
public.set_model_route(text, text, text, text, text), public.list_model_routes()
to authenticated;
notify pgrst, 'reload schema';
