-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.maintenance_runs.

-- When each task last ran, so that of all workers one does it each minute.

alter table agent.maintenance_runs enable row level security;
alter table agent.maintenance_runs force row level security;

-- Nobody but its owner holds anything here.
