create view public.all_drafts as select id, subject from public.ai_drafts;

-- mend
alter view public.all_drafts set (security_invoker = true);
