-- A worker key executes the worker functions and reaches no table.
select format('%s on %s %s', privilege, kind, name) as offender
from our_grants
where role = 'agent_worker'
  and not (kind = 'schema' and name = 'agent' and privilege = 'USAGE')
  and not (
    kind = 'function'
    and regexp_replace(name, '^agent\.(\w+)_v\d+\(.*|^(?:public|agent)\.(\w+)\(.*', '\1\2')
    in (
      'check_request', 'claim_jobs', 'claim_job', 'heartbeat_job', 'fail_job', 'reserve_budget', 'run_maintenance', 'start_batch',
      'submit_batch', 'poll_batches', 'end_batch', 'queue_sweeps'
    )
  )
