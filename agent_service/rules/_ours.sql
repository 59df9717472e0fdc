-- What the rules speak of, as views of one session. "Ours" is what lies in agent and crm, and what the migrations name in public.
-- noqa: disable=AL03

create temporary view our_relations as
select
  c.oid, n.nspname as schema_name, c.relname, format('%I.%I', n.nspname, c.relname) as name, c.relkind, c.relowner, c.relacl,
  c.relrowsecurity, c.relforcerowsecurity, c.relreplident
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and (
    n.nspname in ('agent', 'crm')
    or (n.nspname = 'public' and c.relname = any(current_setting('account_agent.relations')::text[]))
  );

create temporary view our_functions as
select
  p.oid, n.nspname as schema_name, p.proname, p.oid::regprocedure::text as name, p.proowner, p.proacl, p.prosecdef, p.proconfig,
  p.prorettype, p.proargnames, p.proargmodes
from pg_catalog.pg_proc as p
inner join pg_catalog.pg_namespace as n on p.pronamespace = n.oid
where n.nspname in ('agent', 'crm')
  or (n.nspname = 'public' and p.proname = any(current_setting('account_agent.functions')::text[]));

create temporary view our_columns as
select a.attrelid, a.attnum, a.attname, a.attacl, format('%s.%I', r.name, a.attname) as name, r.relowner
from pg_catalog.pg_attribute as a
inner join our_relations as r on a.attrelid = r.oid
where a.attnum > 0 and not a.attisdropped;

-- Those of a serial or identity column carry a name of their own, so they are found by the table that owns them.
create temporary view our_sequences as
select s.oid, s.oid::regclass::text as name, s.relowner, s.relacl
from pg_catalog.pg_class as s
where s.relkind = 'S'
  and (
    s.relnamespace::regnamespace::text in ('agent', 'crm')
    or exists (
      select from pg_catalog.pg_depend as d
      inner join our_relations as r on d.refobjid = r.oid
      where d.classid = 'pg_class'::regclass and d.objid = s.oid and d.refclassid = 'pg_class'::regclass
    )
  );

-- Every policy on a table of ours, and the restrictive ones that guard the host's.
create temporary view our_policies as
select
  p.oid, p.polname, p.polrelid, format('%I on %s', p.polname, p.polrelid::regclass) as name, c.relname,
  p.polpermissive, p.polroles, p.polqual is not null as has_using, p.polwithcheck is not null as has_check,
  case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end as command,
  concat_ws(' ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) as expression
from pg_catalog.pg_policy as p
inner join pg_catalog.pg_class as c on p.polrelid = c.oid
left join our_relations as r on p.polrelid = r.oid
where r.oid is not null or p.polname ~ ('^' || c.relname || '_(select|insert|update|delete)_agent$');

-- Which columns of its own table a policy asks about.
create temporary view pinned_columns as
select p.polrelid, p.command, d.refobjsubid as attnum
from our_policies as p
inner join pg_catalog.pg_depend as d
  on d.classid = 'pg_policy'::regclass and p.oid = d.objid and d.refclassid = 'pg_class'::regclass and p.polrelid = d.refobjid
where d.refobjsubid > 0;

create temporary view all_views as
select
  c.oid, c.oid::regclass::text as name, c.relkind,
  coalesce(bool_or(o.option_value::boolean) filter (where o.option_name = 'security_invoker'), false) as is_invoker,
  coalesce(bool_or(o.option_value::boolean) filter (where o.option_name = 'security_barrier'), false) as is_barrier
from pg_catalog.pg_class as c
left join lateral pg_options_to_table(c.reloptions) as o on o.option_name in ('security_invoker', 'security_barrier')
where c.relkind in ('v', 'm') and not pg_is_other_temp_schema(c.relnamespace) and c.relnamespace <> pg_my_temp_schema()
group by c.oid, c.relkind;

create temporary view view_reads as
select distinct w.ev_class as view_oid, d.refclassid, d.refobjid
from pg_catalog.pg_rewrite as w
inner join pg_catalog.pg_depend as d on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid and w.ev_class <> d.refobjid
inner join all_views as v on w.ev_class = v.oid;

-- One row for each privilege that somebody holds who is not the owner.
create temporary view our_grants as
select
  o.kind, o.name, o.oid, o.attnum, a.privilege_type as privilege,
  case a.grantee when 0 then 'public' else a.grantee::regrole::text end as role
from (
  select 'table', name, oid, 0, relowner, relacl from our_relations
  union all
  select 'column', name, attrelid, attnum, relowner, attacl from our_columns
  union all
  select 'sequence', name, oid, 0, relowner, relacl from our_sequences
  union all
  select 'function', name, oid, 0, proowner, coalesce(proacl, acldefault('f', proowner)) from our_functions
  union all
  select 'schema', nspname, oid, 0, nspowner, nspacl from pg_catalog.pg_namespace where nspname in ('agent', 'crm')
) as o (kind, name, oid, attnum, owner, acl)
cross join lateral aclexplode(o.acl) as a
where a.grantee <> o.owner;

create temporary view authenticator_settings as
select s.setting, r.setdatabase <> 0 as is_for_database
from pg_catalog.pg_db_role_setting as r
inner join pg_catalog.pg_roles as a on r.setrole = a.oid
left join pg_catalog.pg_database as d on r.setdatabase = d.oid
cross join lateral unnest(r.setconfig) as s (setting)
where a.rolname = 'authenticator' and (r.setdatabase = 0 or d.datname = current_database());
