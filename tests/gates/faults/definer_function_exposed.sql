alter function public.get_client_context(uuid, integer) security definer;

-- mend
alter function public.get_client_context(uuid, integer) security invoker;
