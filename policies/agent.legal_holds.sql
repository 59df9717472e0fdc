-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.legal_holds.

-- Whose AI data must stay. Plain uuids and never deleted: who held what, and until when, is itself evidence.

alter table agent.legal_holds enable row level security;
alter table agent.legal_holds force row level security;

-- Nobody but its owner holds anything here.
