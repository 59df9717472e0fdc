-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.failure_codes.

-- Why a job did not end well, and what the person who asked is told. Workers name a code; they write no text.

alter table agent.failure_codes enable row level security;
alter table agent.failure_codes force row level security;

-- Nobody but its owner holds anything here.
