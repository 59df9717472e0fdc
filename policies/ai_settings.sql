-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_settings.

-- The organisation's settings, one row: one Supabase project is one organisation.

alter table public.ai_settings enable row level security;
alter table public.ai_settings force row level security;

-- Admins see the settings; functions read them for everybody.
create policy ai_settings_select_admin on public.ai_settings
  as permissive for select to authenticated
  using (select agent.is_admin());

grant select on table public.ai_settings to authenticated;
