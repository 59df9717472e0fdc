alter function agent.require_person() set search_path = '';

-- mend
alter function agent.require_person() set search_path = pg_catalog, pg_temp;
