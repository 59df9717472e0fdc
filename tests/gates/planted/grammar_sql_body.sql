create function public.ai_sum() returns integer language sql as $$ select from where $$;
