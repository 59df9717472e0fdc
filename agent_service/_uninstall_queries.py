"""What `uninstalling` asks the catalog: what is ours, what the host built upon it, and what the host had before."""

from __future__ import annotations

SECRETS = "select secret_name from agent.signing_keys order by 1"

# Relations, functions and schemas of ours, for the rest of the transaction. What an adapter made in crm is the host's.
OURS = """
create temporary table ours on commit drop as
select 'pg_class'::regclass as class, c.oid as object
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'agent' or (n.nspname = 'public' and c.relkind in ('r', 'p') and c.relname = any (%(tables)s))
  or (n.nspname = 'crm' and c.relkind = 'v' and obj_description(c.oid, 'pg_class') = %(comment)s)
union all
select 'pg_proc'::regclass, p.oid
from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
where n.nspname = 'agent' or (n.nspname = 'public' and p.proname = any (%(functions)s))
  or (n.nspname = 'crm' and md5(p.prosrc) = any (%(bodies)s))
union all
select 'pg_namespace'::regclass, oid from pg_namespace where nspname = 'agent';
insert into ours select 'pg_type'::regclass, t.oid from pg_type as t
where t.typrelid in (select object from ours where class = 'pg_class'::regclass) or t.typnamespace = (
  select oid from pg_namespace where nspname = 'agent'
);
"""
TRIGGERS = """
select t.oid, 'trigger ' || quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass as name
from pg_trigger as t
where not t.tgisinternal and t.tgfoid in (select object from ours where class = 'pg_proc'::regclass)
  and t.tgrelid not in (select object from ours where class = 'pg_class'::regclass)
order by 2
"""
POLICIES = """
select distinct p.oid, 'policy ' || quote_ident(p.polname) || ' on ' || p.polrelid::regclass as name
from pg_policy as p join pg_depend as d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
join ours as o on (o.class, o.object) = (d.refclassid, d.refobjid)
where p.polname ~ '_agent$' and p.polrelid not in (select object from ours where class = 'pg_class'::regclass)
order by 2
"""
FUNCTIONS = """
select 'function ' || o.object::regprocedure from ours as o join pg_proc as p on p.oid = o.object
where o.class = 'pg_proc'::regclass and p.pronamespace <> 'agent'::regnamespace order by 1
"""
RELATIONS = """
select case c.relkind when 'v' then 'view ' else 'table ' end || o.object::regclass
from ours as o join pg_class as c on c.oid = o.object
where o.class = 'pg_class'::regclass and c.relnamespace <> 'agent'::regnamespace order by 1
"""
# What the host has built upon us, and would go with us.
DEPENDENTS = """
select distinct pg_describe_object(d.classid, d.objid, d.objsubid)
from pg_depend as d
join ours as o on (o.class, o.object) = (d.refclassid, d.refobjid)
left join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
left join pg_constraint as k on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
left join pg_trigger as t on d.classid = 'pg_trigger'::regclass and t.oid = d.objid
left join pg_policy as p on d.classid = 'pg_policy'::regclass and p.oid = d.objid
left join pg_attrdef as a on d.classid = 'pg_attrdef'::regclass and a.oid = d.objid
left join pg_type as y on d.classid = 'pg_type'::regclass and y.oid = d.objid
where d.deptype = 'n' and d.objid <> all (%(going)s)
  and not exists (select from ours as x where (x.class, x.object) = (d.classid, d.objid))
  and coalesce(r.ev_class, k.conrelid, t.tgrelid, p.polrelid, a.adrelid, 0) not in (
    select object from ours where class = 'pg_class'::regclass
  )
  and coalesce(y.typelem, 0) not in (select object from ours where class = 'pg_type'::regclass)
order by 1
"""
HOOKS = """
select s.setdatabase <> 0 from pg_db_role_setting as s
where s.setrole = 'authenticator'::regrole
  and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
  and 'pgrst.db_pre_request=agent.check_request' = any (s.setconfig)
order by 1 desc
"""
WORKER_GRANTS = """
select d.classid::regclass::text, format(
  'revoke all on %s %s from agent_worker',
  case d.classid when 'pg_namespace'::regclass then 'schema' when 'pg_proc'::regclass then 'function' else 'table' end,
  case d.classid when 'pg_namespace'::regclass then quote_ident(d.objid::regnamespace::text)
    when 'pg_proc'::regclass then d.objid::regprocedure::text else d.objid::regclass::text end
)
from pg_shdepend as d
where d.refclassid = 'pg_authid'::regclass and d.refobjid = 'agent_worker'::regrole and d.deptype = 'a'
  and d.dbid = (select oid from pg_database where datname = current_database())
  and not exists (select from ours as o where (o.class, o.object) = (d.classid, d.objid))
"""
OTHER_DATABASES = """
select distinct b.datname from pg_shdepend as d join pg_database as b on b.oid = d.dbid
where d.refclassid = 'pg_authid'::regclass and d.refobjid = 'agent_worker'::regrole and b.datname <> current_database()
"""
