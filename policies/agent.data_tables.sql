-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.data_tables.

-- Every table of ours, and what retention and erasure do with it. SQL for its row t; only the owner writes here, in migrations. A table that a later migration brings is listed before or after it is there; one that is not there is passed over.

alter table agent.data_tables enable row level security;
alter table agent.data_tables force row level security;

-- Nobody but its owner holds anything here.
