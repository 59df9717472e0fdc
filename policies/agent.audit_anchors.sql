-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.audit_anchors.

-- How long the chain was and how it ended, once a day. Workers carry them out of the database: what is kept here alone proves little.

alter table agent.audit_anchors enable row level security;
alter table agent.audit_anchors force row level security;

-- Nobody but its owner holds anything here.
