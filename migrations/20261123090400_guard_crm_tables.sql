-- Why: an agent token may not touch a CRM row, nor read beyond the client of its job, whatever the way in.
-- Touches: adds two statement triggers and up to four restrictive policies to profiles and each table behind crm.*.
-- Rollout: create trigger and create policy take a short exclusive lock on each table; no row is rewritten.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- A trigger rather than policies alone: it also holds inside definer functions and owner-rights views, and it raises, where a
-- policy turns an update into 0 rows and silence. A statement trigger rather than a row trigger: bulk loads pay once.
create function agent.tg_crm__refuse_agent() returns trigger
language plpgsql stable set search_path = ''
as $$
begin
  -- The setting itself and not auth.jwt(): a role of the host's without rights on schema auth must still be able to write.
  if coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb ?| array['act']
    or coalesce(nullif(current_setting('request.jwt.claim', true), ''), '{}')::jsonb ?| array['act'] then
    raise exception using errcode = '42501', message = format('The agent may not %s %s.', lower(tg_op), tg_table_name),
      detail = 'agent_refused', hint = 'A person approves a draft or accepts a suggestion; that writes to the CRM.';
  end if;
  return null;
end
$$;
comment on function agent.tg_crm__refuse_agent() is
'BEFORE statement trigger of profiles and every table behind crm.*: 42501 for a token with act.';

create function agent.crm_base_tables() returns setof regclass
language sql stable set search_path = ''
as $$
  with recursive behind (relid) as (
    select c.oid from pg_catalog.pg_class as c where c.relnamespace = 'crm'::regnamespace and c.relkind in ('v', 'm')
    union
    select d.refobjid
    from behind as b
    inner join pg_catalog.pg_rewrite as w on w.ev_class = b.relid
    inner join pg_catalog.pg_depend as d
      on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass and d.refobjid <> b.relid
  )
  select c.oid::regclass
  from behind as b
  inner join pg_catalog.pg_class as c on c.oid = b.relid and c.relkind in ('r', 'p')
$$;
comment on function agent.crm_base_tables() is 'The host''s tables behind the contract views, through any number of views.';

create function agent.guard_crm_tables() returns void
language plpgsql volatile set search_path = '' set client_min_messages = 'warning'
as $$
declare
  v_table record;
  v_command text;
begin
  for v_table in
    select t.relid, c.relname,
      case
        when t.relid = to_regclass('public.clients') then 'id'
        when exists (
          select from pg_catalog.pg_attribute
          where attrelid = t.relid and attname = 'client_id' and atttypid = 'uuid'::regtype and not attisdropped
        ) then 'client_id'
      end as client_column
    from (
      select b.relid from agent.crm_base_tables() as b (relid)
      union
      select p.relid -- a partition may be written to by its own name
      from agent.crm_base_tables() as b (relid) cross join lateral pg_catalog.pg_partition_tree(b.relid) as p
      union
      select to_regclass('public.profiles') -- not behind crm.*, but it says who is an admin
    ) as t
    inner join pg_catalog.pg_class as c on c.oid = t.relid and c.relkind in ('r', 'p')
  loop
    execute format(
      'create or replace trigger agent_guard_write before insert or update or delete on %s '
      'for each statement execute function agent.tg_crm__refuse_agent()', v_table.relid);
    execute format(
      'create or replace trigger agent_guard_truncate before truncate on %s '
      'for each statement execute function agent.tg_crm__refuse_agent()', v_table.relid);

    foreach v_command in array array['select', 'insert', 'update', 'delete'] loop
      execute format('drop policy if exists %I on %s', v_table.relname || '_' || v_command || '_agent', v_table.relid);
    end loop;
    if v_table.client_column is not null then
      execute format(
        'create policy %I on %s as restrictive for select to authenticated using '
        '((select agent.is_agent()) is not true or %I = (select agent.current_job_client_id()))',
        v_table.relname || '_select_agent', v_table.relid, v_table.client_column);
      execute format('comment on policy %I on %s is %L', v_table.relname || '_select_agent', v_table.relid,
        'The agent sees one client: that of its job.');
    end if;
    execute format(
      'create policy %I on %s as restrictive for insert to authenticated with check ((select agent.is_agent()) is not true)',
      v_table.relname || '_insert_agent', v_table.relid);
    execute format(
      'create policy %I on %s as restrictive for update to authenticated '
      'using ((select agent.is_agent()) is not true) with check ((select agent.is_agent()) is not true)',
      v_table.relname || '_update_agent', v_table.relid);
    execute format(
      'create policy %I on %s as restrictive for delete to authenticated using ((select agent.is_agent()) is not true)',
      v_table.relname || '_delete_agent', v_table.relid);
    foreach v_command in array array['insert', 'update', 'delete'] loop
      execute format('comment on policy %I on %s is %L', v_table.relname || '_' || v_command || '_agent', v_table.relid,
        'The agent writes nothing here; the trigger agent_guard_write says so aloud.');
    end loop;
  end loop;
end
$$;
comment on function agent.guard_crm_tables() is
'Puts triggers and restrictive policies on profiles and the tables behind crm.*; run again after a new adapter or partition.';

revoke all on function
agent.tg_crm__refuse_agent(), agent.crm_base_tables(), agent.guard_crm_tables()
from public, anon, authenticated, service_role;

select agent.guard_crm_tables();
