-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.request_slots.

-- When a user took their newest slots of a kind, oldest first: no more of them than the limit.

alter table agent.request_slots enable row level security;
alter table agent.request_slots force row level security;

-- Nobody but its owner holds anything here.
