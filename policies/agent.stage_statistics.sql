-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.stage_statistics.

-- The pipeline's own pace, over the deals of all users: figures only, no deal can be told from them while samples are many.

alter table agent.stage_statistics enable row level security;
alter table agent.stage_statistics force row level security;

-- Nobody but its owner holds anything here.
