alter publication supabase_realtime add table public.ai_draft_requests;
alter table public.ai_draft_requests replica identity full;

-- mend
alter table public.ai_draft_requests replica identity default;
