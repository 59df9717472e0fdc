-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.worker_keys.

-- Every worker key that was minted. The key itself is not kept; revoking its jti ends it at once.

alter table agent.worker_keys enable row level security;
alter table agent.worker_keys force row level security;

-- Nobody but its owner holds anything here.
