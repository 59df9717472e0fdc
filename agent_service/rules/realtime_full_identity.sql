-- A table of ours in the realtime publication sends no more than the key of a deleted row: DELETE ignores row-level security.
select r.name as offender
from our_relations as r
inner join pg_catalog.pg_publication_tables as p
  on p.pubname = 'supabase_realtime' and r.schema_name = p.schemaname and r.relname = p.tablename
where r.relreplident = 'f'
