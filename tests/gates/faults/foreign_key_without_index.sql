drop index public.ai_drafts_approved_by_idx;

-- mend
create index ai_drafts_approved_by_idx on public.ai_drafts (approved_by);
