create policy host_settings_select_admin on agent.host_settings for select using ((select agent.is_admin()));
comment on policy host_settings_select_admin on agent.host_settings is 'Admins.';

-- mend
alter policy host_settings_select_admin on agent.host_settings to authenticated;
