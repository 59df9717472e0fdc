alter policy ai_settings_select_admin on public.ai_settings rename to admins_only;

-- mend
alter policy admins_only on public.ai_settings rename to ai_settings_select_admin;
