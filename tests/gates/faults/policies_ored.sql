create policy ai_drafts_select_admin on public.ai_drafts for select to authenticated using ((select agent.is_admin()));
comment on policy ai_drafts_select_admin on public.ai_drafts is 'Admins.';

-- mend
drop policy ai_drafts_select_admin on public.ai_drafts;
