-- Generated from the catalog by `account-agent policies`; not to be edited. Table client_insights.

-- The picture of a client as one user sees it: figures by SQL alone, and a summary by a model where there is one.

alter table public.client_insights enable row level security;
alter table public.client_insights force row level security;

-- A user sees their own, of clients they still see; the agent none.
create policy client_insights_select_own on public.client_insights
  as permissive for select to authenticated
  using ((user_id = (select auth.uid())) AND ((select agent.is_agent()) IS NOT TRUE) AND (EXISTS ( SELECT
   FROM crm.clients c
  WHERE (c.id = client_insights.client_id))));

grant select on table public.client_insights to authenticated;

alter table public.client_insights add constraint client_insights_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;
alter table public.client_insights add constraint client_insights_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id) ON DELETE CASCADE;
