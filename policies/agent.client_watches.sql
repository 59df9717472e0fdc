-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.client_watches.

-- When a client was last evaluated for a user, and when time alone makes the next evaluation worth it. Plain uuids: nothing of the host waits for a row here.

alter table agent.client_watches enable row level security;
alter table agent.client_watches force row level security;

-- Nobody but its owner holds anything here.
