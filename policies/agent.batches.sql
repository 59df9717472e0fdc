-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.batches.

-- A batch at a provider. Written before it is made there: one that nobody submitted has cost, at most, what is set aside for its jobs.

alter table agent.batches enable row level security;
alter table agent.batches force row level security;

-- Nobody but its owner holds anything here.
