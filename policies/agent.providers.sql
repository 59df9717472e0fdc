-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.providers.

-- The circuit breaker that all workers share: one row for each provider that ever failed, written only when something changes.

alter table agent.providers enable row level security;
alter table agent.providers force row level security;

-- Nobody but its owner holds anything here.
