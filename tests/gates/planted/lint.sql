create function agent.no_such_column() returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return (select missing from agent.jobs);
end
$$;
create function agent.unused_variable() returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_unused integer;
begin
  return 1;
end
$$;
