-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.model_prices.

-- US dollars for a million tokens, from a day on. Rows are added, never changed.

alter table agent.model_prices enable row level security;
alter table agent.model_prices force row level security;

-- Nobody but its owner holds anything here.
