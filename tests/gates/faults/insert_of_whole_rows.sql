grant insert on public.ai_interactions to authenticated;

-- mend
revoke insert on public.ai_interactions from authenticated;
