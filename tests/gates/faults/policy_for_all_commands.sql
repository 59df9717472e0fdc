create policy host_settings_all_admin on agent.host_settings for all to authenticated
using ((select agent.is_admin())) with check ((select agent.is_admin()));
comment on policy host_settings_all_admin on agent.host_settings is 'Admins.';

-- mend
drop policy host_settings_all_admin on agent.host_settings;
