-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.signing_keys.

-- Which Vault secret signs under which key id. Of those not retired the last promoted signs; the secret itself is only in Vault.

alter table agent.signing_keys enable row level security;
alter table agent.signing_keys force row level security;

-- Nobody but its owner holds anything here.
