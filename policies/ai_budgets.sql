-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_budgets.

-- What may be spent, by each user and by all together, in a day and a month of the organisation's time zone. A null limit is none.

alter table public.ai_budgets enable row level security;
alter table public.ai_budgets force row level security;

-- A user sees a budget of their own, an admin all of them, the agent none.
create policy ai_budgets_select_concerned on public.ai_budgets
  as permissive for select to authenticated
  using (((user_id = (select auth.uid())) OR (select agent.is_admin())) AND ((select agent.is_agent()) IS NOT TRUE));

grant select on table public.ai_budgets to authenticated;

alter table public.ai_budgets add constraint ai_budgets_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id) ON DELETE CASCADE;
