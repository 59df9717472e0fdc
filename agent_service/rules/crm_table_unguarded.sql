-- Every table behind crm.*, its partitions and profiles have row-level security, both guard triggers and the restrictive policies.
with guarded (relid) as (
  select b.relid from agent.crm_base_tables() as b (relid)
  union
  select p.relid
  from agent.crm_base_tables() as b (relid)
  cross join lateral pg_partition_tree(b.relid) as p
  union
  select 'public.profiles'::regclass
)

select format('%s: no %s', g.relid, n.what) as offender
from guarded as g
inner join pg_catalog.pg_class as c on g.relid = c.oid
cross join lateral (
  select 'row-level security' as what where not c.relrowsecurity
  union all
  select format('trigger %s', t.name)
  from (values ('agent_guard_write'), ('agent_guard_truncate')) as t (name)
  where not exists (
    select from pg_catalog.pg_trigger as e
    where e.tgrelid = g.relid and e.tgname = t.name and e.tgenabled in ('O', 'A')
      and e.tgfoid = 'agent.tg_crm__refuse_agent()'::regprocedure
  )
  union all
  select format('restrictive policy for %s', t.name)
  from (values ('select'), ('insert'), ('update'), ('delete')) as t (name)
  where not exists (
    select from our_policies as p
    where p.polrelid = g.relid and p.polname = format('%s_%s_agent', c.relname, t.name) and p.command = t.name and not p.polpermissive
  )
  and (
    t.name <> 'select' or g.relid = 'public.clients'::regclass or exists (
      select from pg_catalog.pg_attribute as a
      where a.attrelid = g.relid and a.attname = 'client_id' and a.atttypid = 'uuid'::regtype and not a.attisdropped
    )
  )
) as n
