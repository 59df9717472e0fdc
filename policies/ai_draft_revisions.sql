-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_draft_revisions.

-- The text after each edit by a person, append-only. Version 1 is ai_drafts.generated_content.

alter table public.ai_draft_revisions enable row level security;
alter table public.ai_draft_revisions force row level security;

-- Whoever sees a draft sees how it was edited.
create policy ai_draft_revisions_select_owner on public.ai_draft_revisions
  as permissive for select to authenticated
  using (((select agent.is_agent()) IS NOT TRUE) AND (EXISTS ( SELECT
   FROM public.ai_drafts d
  WHERE ((d.id = ai_draft_revisions.draft_id) AND (d.created_by = (select auth.uid()))))));

grant select on table public.ai_draft_revisions to authenticated;

alter table public.ai_draft_revisions add constraint ai_draft_revisions_draft_id_fkey FOREIGN KEY (draft_id) REFERENCES public.ai_drafts(id) ON DELETE CASCADE;
alter table public.ai_draft_revisions add constraint ai_draft_revisions_edited_by_fkey FOREIGN KEY (edited_by) REFERENCES public.profiles(id) ON DELETE CASCADE;
