-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_alerts.

-- What an admin should look at: figures, ids and codes, never what a client or a person wrote. One row for what happens again and again.

alter table public.ai_alerts enable row level security;
alter table public.ai_alerts force row level security;

-- Alerts are for admins.
create policy ai_alerts_select_admin on public.ai_alerts
  as permissive for select to authenticated
  using (select agent.is_admin());

grant select on table public.ai_alerts to authenticated;
