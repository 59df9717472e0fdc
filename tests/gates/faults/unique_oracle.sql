create unique index ai_drafts_context_version_idx on public.ai_drafts (context_version);

-- mend
drop index public.ai_drafts_context_version_idx;
