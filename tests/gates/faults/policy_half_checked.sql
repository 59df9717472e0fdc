create policy host_settings_update_admin on agent.host_settings for update to authenticated using ((select agent.is_admin()));
comment on policy host_settings_update_admin on agent.host_settings is 'Admins.';

-- mend
alter policy host_settings_update_admin on agent.host_settings with check ((select agent.is_admin()));
