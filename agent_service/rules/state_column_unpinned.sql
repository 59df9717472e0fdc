-- A client may fill a column that says whose a row is, or how far it is, only if that command's policy names the column.
select g.name as offender
from our_grants as g
inner join our_columns as a on g.oid = a.attrelid and g.attnum = a.attnum
left join pinned_columns as p on g.oid = p.polrelid and g.attnum = p.attnum and p.command = 'insert'
where g.role = 'authenticated' and g.kind = 'column' and g.privilege = 'INSERT' and p.polrelid is null
  and a.attname in (
    'status', 'state', 'role', 'version', 'content_hash', 'user_id', 'owner_id', 'org_id', 'assigned_to', 'created_by', 'created_at',
    'approved_by', 'approved_at', 'resolved_by', 'sent_at'
  )
