set local lock_timeout = '5s';
set local statement_timeout = '60s';

alter policy ai_drafts_select_owner on public.ai_drafts using (true);
alter policy ai_drafts_select_owner on public.ai_drafts to anon;
drop policy ai_drafts_select_owner on public.ai_drafts;
alter function public.get_client_context(uuid, integer) security definer;
alter view crm.clients set (security_invoker = false);
alter table public.ai_drafts replica identity full;
alter role agent_worker bypassrls;
drop trigger agent_guard_write on public.clients;
