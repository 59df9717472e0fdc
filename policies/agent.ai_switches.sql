-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.ai_switches.

-- Where AI is off: a row is off, none is on. Plain text for the subject: it outlives a user or a client.

alter table agent.ai_switches enable row level security;
alter table agent.ai_switches force row level security;

-- Nobody but its owner holds anything here.
