-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.model_routes.

-- Which model does which work, the most specific row first ("*" is any); degraded_model once a budget is used up by 80 %.

alter table agent.model_routes enable row level security;
alter table agent.model_routes force row level security;

-- Nobody but its owner holds anything here.
