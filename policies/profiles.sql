-- Generated from the catalog by `account-agent policies`; not to be edited. Table profiles.

-- A table of the CRM, with its own policies and our guards.

alter table public.profiles enable row level security;

create policy profiles_select_self_or_admin on public.profiles
  as permissive for select to authenticated
  using ((id = (select auth.uid())) OR (select private.is_admin()));

create policy profiles_update_self on public.profiles
  as permissive for update to authenticated
  using (id = (select auth.uid()))
  with check (id = (select auth.uid()));

-- The agent sees one profile: that of the user whose job runs.
create policy profiles_select_agent on public.profiles
  as restrictive for select to authenticated
  using (((select agent.is_agent()) IS NOT TRUE) OR (id = (select agent.current_job_user_id())));

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy profiles_insert_agent on public.profiles
  as restrictive for insert to authenticated
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy profiles_update_agent on public.profiles
  as restrictive for update to authenticated
  using ((select agent.is_agent()) IS NOT TRUE)
  with check ((select agent.is_agent()) IS NOT TRUE);

-- The agent writes nothing here; the trigger agent_guard_write says so aloud.
create policy profiles_delete_agent on public.profiles
  as restrictive for delete to authenticated
  using ((select agent.is_agent()) IS NOT TRUE);

grant select, update (full_name) on table public.profiles to authenticated;

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_truncate BEFORE TRUNCATE ON public.profiles FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();

-- BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.
CREATE TRIGGER agent_guard_write BEFORE INSERT OR DELETE OR UPDATE ON public.profiles FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_crm__refuse_agent();
