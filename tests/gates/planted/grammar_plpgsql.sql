-- The server that creates it looks into the body only when it is called, if check_function_bodies is off.
do $$
begin
  create function public.ai_sum() returns integer language plpgsql as $f$
  begin
    if 1 = 1 the
      return 1;
    end if;
  end
  $f$;
end
$$;
