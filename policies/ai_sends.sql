-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_sends.

-- Each time a draft was to be sent, and what became of it. Written by functions only.

alter table public.ai_sends enable row level security;
alter table public.ai_sends force row level security;

-- A user sees what became of their own mails; the agent gets its one from begin_send_job.
create policy ai_sends_select_owner on public.ai_sends
  as permissive for select to authenticated
  using ((user_id = (select auth.uid())) AND ((select agent.is_agent()) IS NOT TRUE));

grant select on table public.ai_sends to authenticated;

alter table public.ai_sends add constraint ai_sends_draft_id_fkey FOREIGN KEY (draft_id) REFERENCES public.ai_drafts(id) ON DELETE CASCADE;
alter table public.ai_sends add constraint ai_sends_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id) ON DELETE CASCADE;
