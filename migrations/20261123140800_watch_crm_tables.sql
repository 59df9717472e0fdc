-- Why: a change of a client's records has them evaluated soon, and who gets a client gets its suggestions.
-- Touches: adds statement triggers to clients and to the tables behind crm.activities, deals, tasks and orders; replaces
-- guard_crm_tables, so that a sweep may read while it evaluates.
-- Rollout: a short exclusive lock on each table; no row is rewritten. Then every client with an owner is due once.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Appends only, and asks for no lock that another writer of the host holds: an upsert of one row a client made two writers of the same
-- client wait for each other, and two of several clients could deadlock.
create function agent.note_changes(p_client_ids uuid[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_is_news boolean;
begin
  with noted as (
    insert into agent.client_changes (client_id, user_id)
    select c.id, c.owner_id from crm.clients as c where c.id = any (p_client_ids) and c.owner_id is not null
    returning user_id
  )
  -- Whoever has changes waiting was told of already. Notifying at every commit would queue the host's commits one behind the other.
  select exists (
    select from noted as n where not exists (select from agent.client_changes as o where o.user_id = n.user_id)
  ) into v_is_news;
  if v_is_news then
    perform pg_notify('agent_jobs', '');
  end if;
end
$$;
comment on function agent.note_changes(uuid[]) is
'Has clients evaluated soon, for their owners. An adapter whose tables have no client_id calls it from triggers of its own. '
'Granted to nobody.';

-- Definer, both: whoever may write to a table of the CRM must not need rights on ours.
create function agent.tg_crm__note_change() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    perform agent.note_changes(array(select distinct n.client_id from new_rows as n));
  elsif tg_op = 'DELETE' then
    perform agent.note_changes(array(select distinct o.client_id from old_rows as o));
  else
    perform agent.note_changes(array(select n.client_id from new_rows as n union select o.client_id from old_rows as o));
  end if;
  return null;
end
$$;
comment on function agent.tg_crm__note_change() is
'AFTER statement triggers of the tables behind crm.activities, deals, tasks and orders: one insert a statement, however many rows.';

create function agent.tg_clients__note_owner() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform agent.note_changes(array(select n.id from new_rows as n));
  if tg_op = 'UPDATE' then
    -- Whose client it was: what was proposed to them goes.
    insert into agent.client_changes (client_id, user_id)
    select w.client_id, w.user_id
    from agent.client_watches as w
    inner join new_rows as n on n.id = w.client_id
    inner join crm.clients as c on c.id = n.id and c.owner_id is distinct from w.user_id;
  end if;
  return null;
end
$$;
comment on function agent.tg_clients__note_owner() is 'AFTER INSERT and UPDATE statement triggers of clients.';

create or replace function agent.guard_crm_tables() returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp set client_min_messages = 'warning'
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
        '((select agent.is_agent()) is not true or %I = (select agent.current_job_client_id()) or (select agent.is_evaluating()))',
        v_table.relname || '_select_agent', v_table.relid, v_table.client_column);
      execute format('comment on policy %I on %s is %L', v_table.relname || '_select_agent', v_table.relid,
        'The agent sees one client, that of its job; a sweep its user''s clients, inside the one transaction that evaluates them.');
    elsif v_table.relid = to_regclass('public.profiles') then
      execute format(
        'create policy %I on %s as restrictive for select to authenticated using '
        '((select agent.is_agent()) is not true or id = (select agent.current_job_user_id()))',
        v_table.relname || '_select_agent', v_table.relid);
      execute format('comment on policy %I on %s is %L', v_table.relname || '_select_agent', v_table.relid,
        'The agent sees one profile: that of the user whose job runs.');
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

  -- Each command has a trigger of its own: that is what transition tables take.
  for v_table in
    select distinct c.oid::regclass as relid, c.relname
    from agent.crm_base_tables() as b (relid)
    inner join pg_catalog.pg_class as c on c.oid = b.relid
    inner join pg_catalog.pg_attribute as a
      on a.attrelid = c.oid and a.attname = 'client_id' and a.atttypid = 'uuid'::regtype and not a.attisdropped
    where exists (
      select from pg_catalog.pg_depend as d
      inner join pg_catalog.pg_rewrite as w on w.oid = d.objid and d.classid = 'pg_rewrite'::regclass
      where d.refobjid = c.oid
        and w.ev_class::regclass in ('crm.activities'::regclass, 'crm.deals'::regclass, 'crm.tasks'::regclass, 'crm.orders'::regclass)
    )
  loop
    execute format('create or replace trigger agent_note_insert after insert on %s referencing new table as new_rows '
      'for each statement execute function agent.tg_crm__note_change()', v_table.relid);
    execute format('create or replace trigger agent_note_update after update on %s referencing old table as old_rows new table as new_rows '
      'for each statement execute function agent.tg_crm__note_change()', v_table.relid);
    execute format('create or replace trigger agent_note_delete after delete on %s referencing old table as old_rows '
      'for each statement execute function agent.tg_crm__note_change()', v_table.relid);
  end loop;
  if exists (select from pg_catalog.pg_class where oid = to_regclass('public.clients') and relkind in ('r', 'p')) then
    create or replace trigger agent_note_insert after insert on public.clients
    referencing new table as new_rows for each statement execute function agent.tg_clients__note_owner();
    create or replace trigger agent_note_update after update on public.clients
    referencing new table as new_rows for each statement execute function agent.tg_clients__note_owner();
  end if;
end
$$;


select agent.guard_crm_tables();

insert into agent.client_watches (client_id, user_id, due_at)
select c.id, c.owner_id, now() as due_at from crm.clients as c where c.owner_id is not null;

revoke all on function agent.note_changes(uuid[]), agent.tg_crm__note_change(), agent.tg_clients__note_owner()
from public, anon, authenticated, service_role;
