-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.client_changes.

-- Clients whose records changed since their owner's last evaluation.

alter table agent.client_changes enable row level security;
alter table agent.client_changes force row level security;

-- Nobody but its owner holds anything here.
