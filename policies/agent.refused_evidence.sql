-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.refused_evidence.

-- Hashes of what a user has resolved and retention has removed: while its evidence is the same it stays away.

alter table agent.refused_evidence enable row level security;
alter table agent.refused_evidence force row level security;

-- Nobody but its owner holds anything here.
