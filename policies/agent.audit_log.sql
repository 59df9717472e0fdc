-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.audit_log.

-- One row per act, appended by definer helpers only. Plain uuids: deleting a user or a client erases nothing here.

alter table agent.audit_log enable row level security;
alter table agent.audit_log force row level security;

-- Nobody but its owner holds anything here.
