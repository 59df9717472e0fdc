-- Every foreign key of ours has an index: without one, deleting a client or a user reads the whole table.
select format('%s on %s', c.conname, r.name) as offender
from pg_catalog.pg_constraint as c
inner join our_relations as r on c.conrelid = r.oid
where c.contype = 'f'
  and not exists (
    select from pg_catalog.pg_index as i
    where i.indrelid = c.conrelid and i.indpred is null and (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] = c.conkey
  )
