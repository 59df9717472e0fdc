-- Why: a revoked worker key left the tokens of the jobs it held alive until their leases ended, up to five minutes.
-- Touches: replaces agent.revoke_worker_key.
-- Rollout: a new body only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create or replace function agent.revoke_worker_key(p_jti uuid) returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  update agent.worker_keys set revoked_at = now() where jti = p_jti and revoked_at is null;
  if found then
    -- Another fence than the one that was signed, and a lease that is over: the tokens are nobody's, the jobs are due.
    update agent.jobs set fence = fence + 1, due_at = now() where worker_jti = p_jti and state = 'running';
    perform agent.append_audit('worker_key_revoked', 'worker_key', p_jti, null);
    return true;
  end if;
  return false;
end
$$;
comment on function agent.revoke_worker_key(uuid) is
'Run by a DBA. Ends the key with its next request and the tokens of the jobs it holds at once; others take these jobs.';
