-- Why: owner or admin, in the plain way a careful team writes it.
-- Touches: RLS, policies and grants of the sample CRM.
-- Rollout: with 01_tables.sql, before any data.

create schema private;
grant usage on schema private to authenticated;

-- Definer: the policies of profiles must not recurse into profiles.
create function private.is_admin() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select exists (select 1 from public.profiles where id = (select auth.uid()) and role = 'admin') $$;
revoke all on function private.is_admin() from public, anon, authenticated, service_role;
grant execute on function private.is_admin() to authenticated;

alter table public.profiles enable row level security;
alter table public.clients enable row level security;
alter table public.contacts enable row level security;
alter table public.deals enable row level security;
alter table public.activities enable row level security;
alter table public.tasks enable row level security;
alter table public.orders enable row level security;

create policy profiles_select_self_or_admin on public.profiles for select to authenticated
using (id = (select auth.uid()) or (select private.is_admin()));
create policy profiles_update_self on public.profiles for update to authenticated
using (id = (select auth.uid())) with check (id = (select auth.uid()));

create policy clients_select_owner_or_admin on public.clients for select to authenticated
using (owner_id = (select auth.uid()) or (select private.is_admin()));
create policy clients_insert_owner_or_admin on public.clients for insert to authenticated
with check (owner_id = (select auth.uid()) or (select private.is_admin()));
create policy clients_update_owner_or_admin on public.clients for update to authenticated
using (owner_id = (select auth.uid()) or (select private.is_admin()))
with check (owner_id = (select auth.uid()) or (select private.is_admin()));
create policy clients_delete_admin on public.clients for delete to authenticated
using ((select private.is_admin()));

-- A deal has an owner of its own; the client's owner sees it as well.
create policy deals_select_owner_or_admin on public.deals for select to authenticated
using (
  owner_id = (select auth.uid()) or (select private.is_admin())
  or exists (select 1 from public.clients where clients.id = deals.client_id)
);
create policy deals_insert_owner_or_admin on public.deals for insert to authenticated
with check (
  owner_id = (select auth.uid()) or (select private.is_admin())
  or exists (select 1 from public.clients where clients.id = deals.client_id)
);
create policy deals_update_owner_or_admin on public.deals for update to authenticated
using (
  owner_id = (select auth.uid()) or (select private.is_admin())
  or exists (select 1 from public.clients where clients.id = deals.client_id)
)
with check (
  owner_id = (select auth.uid()) or (select private.is_admin())
  or exists (select 1 from public.clients where clients.id = deals.client_id)
);
create policy deals_delete_owner_or_admin on public.deals for delete to authenticated
using (
  owner_id = (select auth.uid()) or (select private.is_admin())
  or exists (select 1 from public.clients where clients.id = deals.client_id)
);

-- Everything else follows its client: the subquery is itself under the client's policy.
create policy contacts_select_of_visible_client on public.contacts for select to authenticated
using (exists (select 1 from public.clients where clients.id = contacts.client_id));
create policy contacts_insert_of_visible_client on public.contacts for insert to authenticated
with check (exists (select 1 from public.clients where clients.id = contacts.client_id));
create policy contacts_update_of_visible_client on public.contacts for update to authenticated
using (exists (select 1 from public.clients where clients.id = contacts.client_id))
with check (exists (select 1 from public.clients where clients.id = contacts.client_id));
create policy contacts_delete_of_visible_client on public.contacts for delete to authenticated
using (exists (select 1 from public.clients where clients.id = contacts.client_id));

create policy activities_select_of_visible_client on public.activities for select to authenticated
using (exists (select 1 from public.clients where clients.id = activities.client_id));
create policy activities_insert_of_visible_client on public.activities for insert to authenticated
with check (exists (select 1 from public.clients where clients.id = activities.client_id));
create policy activities_update_of_visible_client on public.activities for update to authenticated
using (exists (select 1 from public.clients where clients.id = activities.client_id))
with check (exists (select 1 from public.clients where clients.id = activities.client_id));
create policy activities_delete_of_visible_client on public.activities for delete to authenticated
using (exists (select 1 from public.clients where clients.id = activities.client_id));

create policy tasks_select_of_visible_client on public.tasks for select to authenticated
using (exists (select 1 from public.clients where clients.id = tasks.client_id));
create policy tasks_insert_of_visible_client on public.tasks for insert to authenticated
with check (exists (select 1 from public.clients where clients.id = tasks.client_id));
create policy tasks_update_of_visible_client on public.tasks for update to authenticated
using (exists (select 1 from public.clients where clients.id = tasks.client_id))
with check (exists (select 1 from public.clients where clients.id = tasks.client_id));
create policy tasks_delete_of_visible_client on public.tasks for delete to authenticated
using (exists (select 1 from public.clients where clients.id = tasks.client_id));

create policy orders_select_of_visible_client on public.orders for select to authenticated
using (exists (select 1 from public.clients where clients.id = orders.client_id));
create policy orders_insert_of_visible_client on public.orders for insert to authenticated
with check (exists (select 1 from public.clients where clients.id = orders.client_id));
create policy orders_update_of_visible_client on public.orders for update to authenticated
using (exists (select 1 from public.clients where clients.id = orders.client_id))
with check (exists (select 1 from public.clients where clients.id = orders.client_id));
create policy orders_delete_of_visible_client on public.orders for delete to authenticated
using (exists (select 1 from public.clients where clients.id = orders.client_id));

revoke all on public.profiles, public.clients, public.contacts, public.deals, public.activities, public.tasks, public.orders
from anon, authenticated, service_role;
grant select on public.profiles to authenticated;
grant update (full_name) on public.profiles to authenticated;
grant select, insert, update, delete on
public.clients, public.contacts, public.deals, public.activities, public.tasks, public.orders to authenticated;
