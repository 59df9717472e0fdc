-- Why: the agent of an admin could read everybody's profile, and any agent its user's after its job, wherever the hook did not stand before
-- the table.
-- Touches: a restrictive select policy on profiles; agent.guard_crm_tables, which makes it again after a new adapter.
-- Rollout: create policy takes a short exclusive lock on each guarded table; no row is rewritten.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Definer: nobody may read agent.jobs.
create function agent.current_job_user_id() returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job agent.jobs := agent.current_job();
begin
  return case when v_job.state = 'running' then v_job.user_id end;
end
$$;
comment on function agent.current_job_user_id() is 'The user whose profile the calling agent may read while its job runs.';
revoke all on function agent.current_job_user_id() from public, anon, authenticated, service_role;
grant execute on function agent.current_job_user_id() to authenticated;

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
        '((select agent.is_agent()) is not true or %I = (select agent.current_job_client_id()))',
        v_table.relname || '_select_agent', v_table.relid, v_table.client_column);
      execute format('comment on policy %I on %s is %L', v_table.relname || '_select_agent', v_table.relid,
        'The agent sees one client: that of its job.');
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
end
$$;

select agent.guard_crm_tables();
