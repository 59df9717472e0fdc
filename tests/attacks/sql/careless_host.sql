-- What owners of databases do. Older Supabase projects grant everything by default; a function that runs any SQL is in many a
-- tutorial. Schema testing is ours: its function takes a text out of another function.

create function public.run_sql(p_sql text) returns text language plpgsql as $$
declare
  v_result text;
begin
  if p_sql ~* '^\s*(select|with|explain|show)\M[^;]*$' then -- anything else has no result to fetch
    execute p_sql into v_result;
  else
    execute p_sql;
  end if;
  return v_result;
end
$$;
create function public.run_sql_as_owner(p_sql text) returns text language sql security definer as $$
  select public.run_sql(p_sql)
$$;
grant all on public.clients, public.contacts, public.activities, public.deals, public.tasks, public.orders
to authenticated;
create table public.notes (id uuid default gen_random_uuid(), body text);
grant all on public.notes to authenticated;
create function public.careless() returns boolean language sql as 'select true';
create schema testing;
create function testing.cut(p_function text, p_old text, p_new text) returns void language plpgsql as $$
declare
  v_definition text := pg_get_functiondef(
    case when p_function like '%(%' then p_function::regprocedure::oid else p_function::regproc::oid end
  );
begin -- a text that is not there, or there twice, would take nothing away, or too much
  if length(replace(v_definition, p_old, '')) <> length(v_definition) - length(p_old) then
    raise exception '% is not there exactly once in %', quote_literal(p_old), v_definition;
  end if;
  execute replace(v_definition, p_old, p_new);
end
$$;
create policy clients_careless on public.clients as restrictive for select to authenticated using (public.careless());
create view public.open_profiles as select * from public.profiles;
grant all on public.open_profiles to authenticated;
create view public.open_clients as select * from public.clients;
grant all on public.open_clients to authenticated;
create view public.open_contacts as select * from public.contacts;
grant all on public.open_contacts to authenticated;
create view public.open_activities as select * from public.activities;
grant all on public.open_activities to authenticated;
create view public.open_deals as select * from public.deals;
grant all on public.open_deals to authenticated;
create view public.open_tasks as select * from public.tasks;
grant all on public.open_tasks to authenticated;
create view public.open_orders as select * from public.orders;
grant all on public.open_orders to authenticated;
