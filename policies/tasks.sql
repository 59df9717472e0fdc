-- Generated from the catalog by `account-agent policies`; not to be edited. Table tasks.

-- A table of the CRM, with its own policies and our guards.

alter table public.tasks enable row level security;

create policy tasks_select_of_visible_client on public.tasks
  as permissive for select to authenticated
  using (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = tasks.client_id)));

create policy tasks_insert_of_visible_client on public.tasks
  as permissive for insert to authenticated
  with check (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = tasks.client_id)));

create policy tasks_update_of_visible_client on public.tasks
  as permissive for update to authenticated
  using (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = tasks.client_id)))
  with check (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = tasks.client_id)));

create policy tasks_delete_of_visible_client on public.tasks
  as permissive for delete to authenticated
  using (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = tasks.client_id)));

-- The agent sees one client, that of its job; a sweep its user's clients, inside the one transaction that evaluates them.
create policy tasks_select_agent on public.tasks
  as restrictive for select to authenticated
  using (((select agent.is_agent()) IS NOT TRUE) OR (client_id = (select agent.current_job_client_id())) OR (select agent.is_evaluating()));

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy tasks_insert_agent on public.tasks
  as restrictive for insert to authenticated
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy tasks_update_agent on public.tasks
  as restrictive for update to authenticated
  using ((select agent.is_agent()) IS NOT TRUE)
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy tasks_delete_agent on public.tasks
  as restrictive for delete to authenticated
  using ((select agent.is_agent()) IS NOT TRUE);

grant delete, insert, select, update on table public.tasks to authenticated;

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_truncate BEFORE TRUNCATE ON public.tasks FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_write BEFORE INSERT OR DELETE OR UPDATE ON public.tasks FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();

-- AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.
CREATE TRIGGER agent_note_delete AFTER DELETE ON public.tasks REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__note_change();

-- AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.
CREATE TRIGGER agent_note_insert AFTER INSERT ON public.tasks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__note_change();

-- AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.
CREATE TRIGGER agent_note_update AFTER UPDATE ON public.tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__note_change();
