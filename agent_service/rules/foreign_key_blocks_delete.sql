-- Every foreign key of ours cascades or becomes null: a host must be able to delete its clients and users.
select format('%s on %s', c.conname, r.name) as offender
from pg_catalog.pg_constraint as c
inner join our_relations as r on c.conrelid = r.oid
where c.contype = 'f' and c.confdeltype not in ('c', 'n')
