-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_prompts.

-- One prompt for each kind of work: draft.<type>.<purpose>, suggestions.analysis.

alter table public.ai_prompts enable row level security;
alter table public.ai_prompts force row level security;

-- Admins see prompts; a worker gets the one of its job.
create policy ai_prompts_select_admin on public.ai_prompts
  as permissive for select to authenticated
  using (select agent.is_admin());

grant select on table public.ai_prompts to authenticated;

alter table public.ai_prompts add constraint ai_prompts_current_version_id_fkey FOREIGN KEY (current_version_id) REFERENCES public.ai_prompt_versions(id) ON DELETE SET NULL;
