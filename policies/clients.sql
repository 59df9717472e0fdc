-- Generated from the catalog by `account-agent policies`; not to be edited. Table clients.

-- A table of the CRM, with its own policies and our guards.

alter table public.clients enable row level security;

create policy clients_select_owner_or_admin on public.clients
  as permissive for select to authenticated
  using ((owner_id = (select auth.uid())) OR (select private.is_admin()));

create policy clients_insert_owner_or_admin on public.clients
  as permissive for insert to authenticated
  with check ((owner_id = (select auth.uid())) OR (select private.is_admin()));

create policy clients_update_owner_or_admin on public.clients
  as permissive for update to authenticated
  using ((owner_id = (select auth.uid())) OR (select private.is_admin()))
  with check ((owner_id = (select auth.uid())) OR (select private.is_admin()));

create policy clients_delete_admin on public.clients
  as permissive for delete to authenticated
  using (select private.is_admin());

-- The agent sees one client, that of its job; a sweep its user's clients, inside the one transaction that evaluates them.
create policy clients_select_agent on public.clients
  as restrictive for select to authenticated
  using (((select agent.is_agent()) IS NOT TRUE) OR (id = (select agent.current_job_client_id())) OR (select agent.is_evaluating()));

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy clients_insert_agent on public.clients
  as restrictive for insert to authenticated
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy clients_update_agent on public.clients
  as restrictive for update to authenticated
  using ((select agent.is_agent()) IS NOT TRUE)
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy clients_delete_agent on public.clients
  as restrictive for delete to authenticated
  using ((select agent.is_agent()) IS NOT TRUE);

grant delete, insert, select, update on table public.clients to authenticated;

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_truncate BEFORE TRUNCATE ON public.clients FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_write BEFORE INSERT OR DELETE OR UPDATE ON public.clients FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();

-- AFTER INSERT and UPDATE statement triggers of clients.
CREATE TRIGGER agent_note_insert AFTER INSERT ON public.clients REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_clients__note_owner();

-- AFTER INSERT and UPDATE statement triggers of clients.
CREATE TRIGGER agent_note_update AFTER UPDATE ON public.clients REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_clients__note_owner();
