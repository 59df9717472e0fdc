-- Generated from the catalog by `account-agent policies`; not to be edited. Table deals.

-- A table of the CRM, with its own policies and our guards.

alter table public.deals enable row level security;

create policy deals_select_owner_or_admin on public.deals
  as permissive for select to authenticated
  using ((owner_id = (select auth.uid())) OR (select private.is_admin()) OR (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = deals.client_id))));

create policy deals_insert_owner_or_admin on public.deals
  as permissive for insert to authenticated
  with check ((owner_id = (select auth.uid())) OR (select private.is_admin()) OR (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = deals.client_id))));

create policy deals_update_owner_or_admin on public.deals
  as permissive for update to authenticated
  using ((owner_id = (select auth.uid())) OR (select private.is_admin()) OR (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = deals.client_id))))
  with check ((owner_id = (select auth.uid())) OR (select private.is_admin()) OR (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = deals.client_id))));

create policy deals_delete_owner_or_admin on public.deals
  as permissive for delete to authenticated
  using ((owner_id = (select auth.uid())) OR (select private.is_admin()) OR (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = deals.client_id))));

-- The agent sees one client, that of its job; a sweep its user's clients, inside the one transaction that evaluates them.
create policy deals_select_agent on public.deals
  as restrictive for select to authenticated
  using (((select agent.is_agent()) IS NOT TRUE) OR (client_id = (select agent.current_job_client_id())) OR (select agent.is_evaluating()));

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy deals_insert_agent on public.deals
  as restrictive for insert to authenticated
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy deals_update_agent on public.deals
  as restrictive for update to authenticated
  using ((select agent.is_agent()) IS NOT TRUE)
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy deals_delete_agent on public.deals
  as restrictive for delete to authenticated
  using ((select agent.is_agent()) IS NOT TRUE);

grant delete, insert, select, update on table public.deals to authenticated;

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_truncate BEFORE TRUNCATE ON public.deals FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_write BEFORE INSERT OR DELETE OR UPDATE ON public.deals FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();

-- AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.
CREATE TRIGGER agent_note_delete AFTER DELETE ON public.deals REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__note_change();

-- AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.
CREATE TRIGGER agent_note_insert AFTER INSERT ON public.deals REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__note_change();

-- AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.
CREATE TRIGGER agent_note_update AFTER UPDATE ON public.deals REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__note_change();

-- AFTER INSERT statement trigger of public.deals: a bulk load of 8,000 deals is one insert here, not 8,000.
CREATE TRIGGER agent_record_first_stage AFTER INSERT ON public.deals REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_deals__record_first_stage();

-- AFTER UPDATE row trigger of public.deals, fired only where the stage moved (its WHEN is evaluated without calling it).
CREATE TRIGGER agent_record_stage AFTER UPDATE ON public.deals FOR EACH ROW WHEN (((new.stage IS NOT NULL) AND (old.stage IS DISTINCT FROM new.stage))) EXECUTE FUNCTION agent.tg_deals__record_stage();
