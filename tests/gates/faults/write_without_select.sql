revoke select on public.ai_drafts from authenticated;

-- mend
grant select on public.ai_drafts to authenticated;
