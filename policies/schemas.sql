-- Generated from the catalog by `account-agent policies`; not to be edited. Schemas, the worker's role, PostgREST's hook, the contract's views, the owner.

-- Job records, keys, audit and definer helpers of the AI account manager. Never exposed by PostgREST.
grant usage on schema agent to agent_worker;
grant usage on schema agent to anon;
grant usage on schema agent to authenticated;
grant usage on schema agent to service_role;

-- The contract between the CRM and the account manager: views and write-back functions. Never exposed by PostgREST.
grant usage on schema crm to authenticated;

-- The role of worker keys.
create role agent_worker nologin noinherit;
grant agent_worker to authenticator;

-- PostgREST runs it before each request, as the role of the request.
alter role authenticator set pgrst.db_pre_request = agent.check_request;

-- Read by the account manager under the user's own row-level security.
create view crm.activities (id, client_id, contact_id, deal_id, type, direction, subject, content, sentiment, status, occurred_at, created_by) with (security_invoker=true) as select … from public.activities;
grant select on crm.activities to authenticated;

-- Read by the account manager under the user's own row-level security.
create view crm.clients (id, name, company, tags, owner_id, preferred_language, contact_preferences) with (security_invoker=true) as select … from public.clients;
grant select on crm.clients to authenticated;

-- Read by the account manager under the user's own row-level security.
create view crm.contacts (id, client_id, name, email, phone, title, is_primary) with (security_invoker=true) as select … from public.contacts;
grant select on crm.contacts to authenticated;

-- Read by the account manager under the user's own row-level security.
create view crm.deals (id, client_id, owner_id, title, product, stage, amount, currency, expected_close, opened_at, closed_at, is_open) with (security_invoker=true) as select … from public.deals;
grant select on crm.deals to authenticated;

-- Read by the account manager under the user's own row-level security.
create view crm.orders (id, client_id, order_number, product, status, total, currency, ordered_at) with (security_invoker=true) as select … from public.orders;
grant select on crm.orders to authenticated;

-- Read by the account manager under the user's own row-level security.
create view crm.tasks (id, client_id, deal_id, assigned_to, title, description, priority, status, due_at, is_open) with (security_invoker=true) as select … from public.tasks;
grant select on crm.tasks to authenticated;

-- postgres owns schema agent and with it everything of ours.
