alter table public.ai_drafts add constraint ai_drafts_created_by_profiles_fkey foreign key (created_by) references public.profiles (id);

-- mend
alter table public.ai_drafts drop constraint ai_drafts_created_by_profiles_fkey;
