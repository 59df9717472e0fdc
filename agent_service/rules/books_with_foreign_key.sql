-- Jobs, keys, audit and books carry plain uuids: deleting a user or a client must neither fail nor erase them.
select format('%s on %s', c.conname, r.name) as offender
from pg_catalog.pg_constraint as c
inner join our_relations as r on c.conrelid = r.oid
where c.contype = 'f' and (r.schema_name = 'agent' or r.relname = 'ai_interactions')
