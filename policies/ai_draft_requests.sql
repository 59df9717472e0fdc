-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_draft_requests.

-- What a user asked for and what became of it. Written by functions only.

alter table public.ai_draft_requests enable row level security;
alter table public.ai_draft_requests force row level security;

-- A user sees what they asked for; the agent has it from its job.
create policy ai_draft_requests_select_owner on public.ai_draft_requests
  as permissive for select to authenticated
  using ((user_id = (select auth.uid())) AND ((select agent.is_agent()) IS NOT TRUE));

grant select on table public.ai_draft_requests to authenticated;

alter table public.ai_draft_requests add constraint ai_draft_requests_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;
alter table public.ai_draft_requests add constraint ai_draft_requests_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id) ON DELETE CASCADE;

-- After a request: has nobody taken work for ten minutes?
CREATE TRIGGER ai_draft_requests_alert AFTER INSERT ON public.ai_draft_requests FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_ai_draft_requests__alert();

-- Refuses a delete that reaches held rows, a cascade included: deleting their client or user then fails as a whole.
CREATE TRIGGER ai_draft_requests_refuse_delete AFTER DELETE ON public.ai_draft_requests REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_held_rows__refuse_delete('user_id');
