grant insert (version) on public.ai_drafts to authenticated;

-- mend
revoke insert (version) on public.ai_drafts from authenticated;
