-- Postgres 18 takes this; 17 has no virtual columns.
create table public.ai_sums (a integer, b integer generated always as (a + 1) virtual);
