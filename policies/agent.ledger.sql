-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.ledger.

-- A row for each user, and one for all (user_id of zeros), in each day and month: what is spent, and what is set aside.

alter table agent.ledger enable row level security;
alter table agent.ledger force row level security;

-- Nobody but its owner holds anything here.
