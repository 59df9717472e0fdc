create materialized view public.draft_counts as select created_by, count(*) from public.ai_drafts group by created_by;

-- mend
drop materialized view public.draft_counts;
