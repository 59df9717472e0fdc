grant select on public.ai_drafts to service_role;

-- mend
revoke select on public.ai_drafts from service_role;
