-- Generated from the catalog by `account-agent policies`; not to be edited. Table contacts.

-- A table of the CRM, with its own policies and our guards.

alter table public.contacts enable row level security;

create policy contacts_select_of_visible_client on public.contacts
  as permissive for select to authenticated
  using (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = contacts.client_id)));

create policy contacts_insert_of_visible_client on public.contacts
  as permissive for insert to authenticated
  with check (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = contacts.client_id)));

create policy contacts_update_of_visible_client on public.contacts
  as permissive for update to authenticated
  using (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = contacts.client_id)))
  with check (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = contacts.client_id)));

create policy contacts_delete_of_visible_client on public.contacts
  as permissive for delete to authenticated
  using (EXISTS ( SELECT 1
   FROM public.clients
  WHERE (clients.id = contacts.client_id)));

-- The agent sees one client, that of its job; a sweep its user's clients, inside the one transaction that evaluates them.
create policy contacts_select_agent on public.contacts
  as restrictive for select to authenticated
  using (((select agent.is_agent()) IS NOT TRUE) OR (client_id = (select agent.current_job_client_id())) OR (select agent.is_evaluating()));

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy contacts_insert_agent on public.contacts
  as restrictive for insert to authenticated
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy contacts_update_agent on public.contacts
  as restrictive for update to authenticated
  using ((select agent.is_agent()) IS NOT TRUE)
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy contacts_delete_agent on public.contacts
  as restrictive for delete to authenticated
  using ((select agent.is_agent()) IS NOT TRUE);

grant delete, insert, select, update on table public.contacts to authenticated;

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_truncate BEFORE TRUNCATE ON public.contacts FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_write BEFORE INSERT OR DELETE OR UPDATE ON public.contacts FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();
