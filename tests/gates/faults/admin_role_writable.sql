grant update (role) on public.profiles to authenticated;

-- mend
revoke update (role) on public.profiles from authenticated;
