-- A unique index over what a client may fill includes a column that the policy names, or a collision tells of others' rows. A random
-- uuid tells nothing.
with index_columns as (
  select i.indexrelid, i.indrelid, k.attnum
  from pg_catalog.pg_index as i
  cross join lateral (
    select unnest(i.indkey) as attnum
    union
    select d.refobjsubid -- the columns of expressions
    from pg_catalog.pg_depend as d
    where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refclassid = 'pg_class'::regclass and d.refobjid = i.indrelid
  ) as k
  where i.indisunique and k.attnum > 0
)

select c.indexrelid::regclass::text as offender
from index_columns as c
inner join our_columns as a on c.indrelid = a.attrelid and c.attnum = a.attnum
left join pg_catalog.pg_attrdef as f on a.attrelid = f.adrelid and a.attnum = f.adnum
left join pinned_columns as p on a.attrelid = p.polrelid and a.attnum = p.attnum and p.command = 'insert'
left join our_grants as g
  on a.attrelid = g.oid and a.attnum = g.attnum and g.role = 'authenticated' and g.privilege = 'INSERT'
group by c.indexrelid
having bool_or(g.oid is not null) and not bool_or(p.polrelid is not null)
  and not (count(*) = 1 and coalesce(bool_or(pg_get_expr(f.adbin, f.adrelid) ~ 'gen_random_uuid\(\)'), false))
