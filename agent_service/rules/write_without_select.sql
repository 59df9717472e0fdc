-- Who may write a table of ours may select from it: without, RETURNING and every filter of the write fail.
select distinct format('%s of %s', g.privilege, r.name) as offender
from our_grants as g
inner join our_relations as r on g.oid = r.oid
where g.role = 'authenticated' and g.kind in ('table', 'column') and g.privilege in ('INSERT', 'UPDATE', 'DELETE')
  and not (
    exists (select from our_policies as p where p.polrelid = r.oid and p.command in ('select', 'all') and p.polpermissive)
    and has_any_column_privilege('authenticated', r.oid, 'select')
  )
