-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_prompt_versions.

-- What a model is told, never changed: a better text is a new version.

alter table public.ai_prompt_versions enable row level security;
alter table public.ai_prompt_versions force row level security;

-- Admins see all that a model was ever told.
create policy ai_prompt_versions_select_admin on public.ai_prompt_versions
  as permissive for select to authenticated
  using (select agent.is_admin());

grant select on table public.ai_prompt_versions to authenticated;

alter table public.ai_prompt_versions add constraint ai_prompt_versions_prompt_id_fkey FOREIGN KEY (prompt_id) REFERENCES public.ai_prompts(id) ON DELETE CASCADE;

-- BEFORE statement trigger of ai_prompt_versions, for everybody.
CREATE TRIGGER ai_prompt_versions_refuse_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ai_prompt_versions FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_ai_prompt_versions__refuse_change();
