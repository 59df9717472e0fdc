alter table public.ai_drafts no force row level security;

-- mend
alter table public.ai_drafts force row level security;
