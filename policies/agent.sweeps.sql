-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.sweeps.

-- One row for each user whose clients were evaluated: the lock that makes evaluations of one user take turns, when the last began, and the transaction that may write suggestions.

alter table agent.sweeps enable row level security;
alter table agent.sweeps force row level security;

-- Nobody but its owner holds anything here.
