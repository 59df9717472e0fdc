grant insert (supersedes_id) on public.ai_drafts to authenticated;

-- mend
revoke insert (supersedes_id) on public.ai_drafts from authenticated;
