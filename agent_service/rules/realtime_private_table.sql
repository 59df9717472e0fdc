-- No table of agent is in the realtime publication.
select format('%I.%I', schemaname, tablename) as offender
from pg_catalog.pg_publication_tables
where pubname = 'supabase_realtime' and schemaname = 'agent'
