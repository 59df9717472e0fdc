create table public.open_notes (id integer primary key);
grant select on public.open_notes to anon;
