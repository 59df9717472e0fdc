-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_drafts.

-- What the agent wrote, waiting for a person. Nobody holds UPDATE or DELETE; INSERT works only inside the completion of its own job.

alter table public.ai_drafts enable row level security;
alter table public.ai_drafts force row level security;

-- A user sees their own drafts; colleagues, admins and the agent do not.
create policy ai_drafts_select_owner on public.ai_drafts
  as permissive for select to authenticated
  using ((created_by = (select auth.uid())) AND ((select agent.is_agent()) IS NOT TRUE));

-- Only the agent, only in the transaction that completes its job, only for a client that its user still sees, only pending.
create policy ai_drafts_insert_completing_agent on public.ai_drafts
  as permissive for insert to authenticated
  with check ((created_by = (select auth.uid())) AND (request_id = (select agent.completing_request_id())) AND (client_id = (select agent.current_job_client_id())) AND (EXISTS ( SELECT
   FROM crm.clients c
  WHERE (c.id = ai_drafts.client_id))) AND (status = 'pending'::text) AND (approved_by IS NULL) AND (approved_at IS NULL) AND (sent_at IS NULL));

grant insert (id, client_id, draft_type, subject, content, context_snapshot, created_by, purpose, contact_id, deal_id, task_id, recipient, details, language, generated_subject, generated_content, request_id, provider, model, prompt_version_id, context_version, grounding, expires_at), select on table public.ai_drafts to authenticated;

alter table public.ai_drafts add constraint ai_drafts_approved_by_fkey FOREIGN KEY (approved_by) REFERENCES public.profiles(id) ON DELETE SET NULL;
alter table public.ai_drafts add constraint ai_drafts_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;
alter table public.ai_drafts add constraint ai_drafts_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.profiles(id) ON DELETE CASCADE;
alter table public.ai_drafts add constraint ai_drafts_request_id_fkey FOREIGN KEY (request_id) REFERENCES public.ai_draft_requests(id) ON DELETE SET NULL;
alter table public.ai_drafts add constraint ai_drafts_supersedes_id_fkey FOREIGN KEY (supersedes_id) REFERENCES public.ai_drafts(id) ON DELETE SET NULL;

-- Refuses a delete that reaches held rows, a cascade included: deleting their client or user then fails as a whole.
CREATE TRIGGER ai_drafts_refuse_delete AFTER DELETE ON public.ai_drafts REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_held_rows__refuse_delete('created_by');

-- Deferred trigger of public.ai_drafts: at commit the job of the draft's request must be done with this very draft.
CREATE CONSTRAINT TRIGGER ai_drafts_require_completion AFTER INSERT ON public.ai_drafts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.request_id IS NOT NULL)) EXECUTE FUNCTION agent.tg_ai_drafts__require_completion();

-- Before a regenerated draft comes in: the one it was asked in place of becomes superseded, or PT409 if a person has edited it since.
CREATE TRIGGER ai_drafts_supersede BEFORE INSERT ON public.ai_drafts FOR EACH ROW WHEN ((new.request_id IS NOT NULL)) EXECUTE FUNCTION agent.tg_ai_drafts__supersede();
