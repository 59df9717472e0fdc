-- Why: with an empty search_path a session's temporary schema is searched first, for tables and types alike. Whoever may create a
-- temporary domain named uuid or jsonb had its check run inside our definer functions, with their owner's rights.
-- Touches: the search_path of every function of ours; bodies, rights and signatures stay.
-- Rollout: catalog rows of functions only. Functions made later say set search_path = pg_catalog, pg_temp themselves.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

do $functions$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid
    from pg_catalog.pg_proc as p
    where p.proconfig @> array['search_path=""']
      and (
        p.pronamespace in ('agent'::regnamespace, 'crm'::regnamespace)
        or p.pronamespace = 'public'::regnamespace and p.proname in (
          'get_client_context', 'request_draft', 'approve_draft', 'reject_draft', 'claim_jobs', 'claim_job', 'heartbeat_job', 'fail_job',
          'complete_draft_job'
        )
      )
  loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', v_function);
  end loop;
end
$functions$;
