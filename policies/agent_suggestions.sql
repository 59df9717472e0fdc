-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent_suggestions.

-- What is proposed for a client, to one user: found under that user's row-level security, resolved by that user. Nobody writes here directly.

alter table public.agent_suggestions enable row level security;
alter table public.agent_suggestions force row level security;

-- A user sees their own, of clients they still see; the agent none but while it evaluates.
create policy agent_suggestions_select_own on public.agent_suggestions
  as permissive for select to authenticated
  using ((assigned_to = (select auth.uid())) AND (((select agent.is_agent()) IS NOT TRUE) OR (select agent.is_evaluating())) AND (EXISTS ( SELECT
   FROM crm.clients c
  WHERE (c.id = agent_suggestions.client_id))));

grant select on table public.agent_suggestions to authenticated;

alter table public.agent_suggestions add constraint agent_suggestions_assigned_to_fkey FOREIGN KEY (assigned_to) REFERENCES public.profiles(id) ON DELETE CASCADE;
alter table public.agent_suggestions add constraint agent_suggestions_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

-- AFTER DELETE statement trigger of agent_suggestions.
CREATE TRIGGER agent_suggestions_remember AFTER DELETE ON public.agent_suggestions REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_agent_suggestions__remember();
