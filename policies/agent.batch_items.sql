-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.batch_items.

-- custom_id is the attempt's row in ai_interactions: a result finds its job and its money by it.

alter table agent.batch_items enable row level security;
alter table agent.batch_items force row level security;

-- Nobody but its owner holds anything here.
