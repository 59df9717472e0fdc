-- At most one permissive policy for a table, command and role: two are OR-ed, and the wider wins.
select format('%s and %s', a.name, b.name) as offender
from our_policies as a
inner join our_policies as b
  on a.polrelid = b.polrelid and a.oid < b.oid
  and (a.command = b.command or 'all' in (a.command, b.command))
  and (a.polroles && b.polroles or 0 = any(a.polroles || b.polroles))
where a.polpermissive and b.polpermissive
