-- Generated from the catalog by `account-agent policies`; not to be edited. Table orders.

-- A table of the CRM, with its own policies and our guards.

alter table public.orders enable row level security;

create policy orders_select_of_visible_client on public.orders
  as permissive for select to authenticated
  using (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = orders.client_id)));

create policy orders_insert_of_visible_client on public.orders
  as permissive for insert to authenticated
  with check (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = orders.client_id)));

create policy orders_update_of_visible_client on public.orders
  as permissive for update to authenticated
  using (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = orders.client_id)))
  with check (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = orders.client_id)));

create policy orders_delete_of_visible_client on public.orders
  as permissive for delete to authenticated
  using (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = orders.client_id)));

-- The agent sees one client, that of its job; a sweep its user's clients, inside the one transaction that evaluates them.
create policy orders_select_agent on public.orders
  as restrictive for select to authenticated
  using (((select agent.is_agent()) IS NOT TRUE) OR (client_id = (select agent.current_job_client_id())) OR (select agent.is_evaluating()));

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy orders_insert_agent on public.orders
  as restrictive for insert to authenticated
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy orders_update_agent on public.orders
  as restrictive for update to authenticated
  using ((select agent.is_agent()) IS NOT TRUE)
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy orders_delete_agent on public.orders
  as restrictive for delete to authenticated
  using ((select agent.is_agent()) IS NOT TRUE);

grant delete, insert, select, update on table public.orders to authenticated;

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_truncate BEFORE TRUNCATE ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_write BEFORE INSERT OR DELETE OR UPDATE ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();

-- AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.
CREATE TRIGGER agent_note_delete AFTER DELETE ON public.orders REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__note_change();

-- AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.
CREATE TRIGGER agent_note_insert AFTER INSERT ON public.orders REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__note_change();

-- AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.
CREATE TRIGGER agent_note_update AFTER UPDATE ON public.orders REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__note_change();
