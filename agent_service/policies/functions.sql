-- Each function of ours without its body: as whom it runs, and who may call it.
select concat_ws(E'\n',
  '-- ' || replace(coalesce(obj_description(p.oid, 'pg_proc'), 'Without a comment.'), E'\n', E'\n-- '),
  format('create function %I.%I(%s)', n.nspname, p.proname, pg_get_function_arguments(p.oid)),
  format('  returns %s language %s %s security %s%s;', pg_get_function_result(p.oid), l.lanname,
    case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
    case when p.prosecdef then 'definer' else 'invoker' end,
    coalesce((select string_agg(E'\n  set ' || replace(c.setting, '=', ' = '), '' order by c.setting) from unnest(p.proconfig) as c (setting)), '')),
  coalesce((
    select format('grant execute on function %s to %s;', f.name, string_agg(g.role, ', ' order by g.role))
    from our_grants as g where g.kind = 'function' and g.oid = p.oid
    having count(*) > 0
  ), '-- Granted to nobody.')
)
from our_functions as f
inner join pg_catalog.pg_proc as p on p.oid = f.oid
inner join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
inner join pg_catalog.pg_language as l on l.oid = p.prolang
order by n.nspname <> 'public', n.nspname, f.name
