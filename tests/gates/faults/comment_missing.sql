comment on policy ai_drafts_select_owner on public.ai_drafts is null;

-- mend
comment on policy ai_drafts_select_owner on public.ai_drafts is 'A user sees their own drafts.';
