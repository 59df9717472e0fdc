-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.host_settings.

-- What the host had before us and needs again: its own pre-request hook.

alter table agent.host_settings enable row level security;
alter table agent.host_settings force row level security;

-- Nobody but its owner holds anything here.
