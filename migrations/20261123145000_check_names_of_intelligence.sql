-- Why: say at once which names of the next migrations are taken, before they change anything.
-- Touches: nothing; it reads the catalog and raises one error that lists every fault.
-- Rollout: reads only, no lock that a query would not take.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

do $check$
declare
  v_faults text[];
begin
  -- Names that are ours.
  v_faults := array(
    select format('function %s exists already and has one of our names: rename it.', oid::regprocedure)
    from pg_catalog.pg_proc
    where pronamespace = 'public'::regnamespace and proname in ('get_client_intelligence', 'refresh_client_intelligence')
  ) || array(
    select format('relation %s exists already and has one of our names: rename it.', oid::regclass)
    from pg_catalog.pg_class
    where relnamespace = 'public'::regnamespace and relname = 'client_insights'
  );
  if cardinality(v_faults) > 0 then
    raise exception using
      message = format('This release cannot be installed yet; faults: %s. Nothing was changed.', cardinality(v_faults)),
      detail = array_to_string(v_faults, E'\n'), hint = 'Mend them all, then run the migrations again.';
  end if;
end
$check$;
