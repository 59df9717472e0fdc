-- No function that a client may execute is told who is asking, on which job, or what it cost: that comes from the claims and the
-- rows.
select distinct format('%s: %s', f.name, a.argument) as offender
from our_functions as f
inner join our_grants as g on g.kind = 'function' and f.oid = g.oid
cross join lateral unnest(f.proargnames, f.proargmodes) as a (argument, mode)
where coalesce(a.mode, 'i') in ('i', 'b', 'v')
  and a.argument in (
    'p_user_id', 'p_owner_id', 'p_created_by', 'p_approved_by', 'p_actor', 'p_actor_id', 'p_role', 'p_fence', 'p_cost', 'p_cost_usd',
    'p_price'
  )
