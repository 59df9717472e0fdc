create view public.spent with (security_invoker = true) as
select cost_usd from public.ai_interactions where (select agent.is_admin());

-- mend
alter view public.spent set (security_barrier = true);
