alter policy ai_settings_select_admin on public.ai_settings using (agent.is_admin());

-- mend
alter policy ai_settings_select_admin on public.ai_settings using ((select agent.is_admin()));
