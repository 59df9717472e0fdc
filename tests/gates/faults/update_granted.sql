grant update (status) on public.ai_drafts to authenticated;

-- mend
revoke update (status) on public.ai_drafts from authenticated;
