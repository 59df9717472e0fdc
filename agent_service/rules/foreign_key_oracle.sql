-- A client may fill a foreign key only if the policy names it: the key's own check reads past policies and so tells what exists.
select format('%s by %s', a.name, c.conname) as offender
from pg_catalog.pg_constraint as c
inner join our_columns as a on c.conrelid = a.attrelid and a.attnum = any(c.conkey)
inner join our_grants as g
  on a.attrelid = g.oid and a.attnum = g.attnum and g.role = 'authenticated' and g.privilege = 'INSERT'
left join pinned_columns as p on a.attrelid = p.polrelid and a.attnum = p.attnum and p.command = 'insert'
where c.contype = 'f' and p.polrelid is null
