SELECT ID from public.clients;
