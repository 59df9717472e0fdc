-- Generated from the catalog by `account-agent policies`; not to be edited. Table deal_stage_history.

-- When each deal came to each stage. Written by trigger; a CRM whose deals live elsewhere has its adapter write it.

alter table public.deal_stage_history enable row level security;
alter table public.deal_stage_history force row level security;

-- Who sees the deal sees its history.
create policy deal_stage_history_select_deal_visible on public.deal_stage_history
  as permissive for select to authenticated
  using (EXISTS ( SELECT
   FROM crm.deals d
  WHERE (d.id = deal_stage_history.deal_id)));

grant select on table public.deal_stage_history to authenticated;

alter table public.deal_stage_history add constraint deal_stage_history_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

-- Refuses a delete that reaches held rows, a cascade included: deleting their client or user then fails as a whole.
CREATE TRIGGER deal_stage_history_refuse_delete AFTER DELETE ON public.deal_stage_history REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_held_rows__refuse_delete('changed_by');
