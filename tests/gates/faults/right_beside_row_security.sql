grant truncate on public.ai_interactions to authenticated;

-- mend
revoke truncate on public.ai_interactions from authenticated;
