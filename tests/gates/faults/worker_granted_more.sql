grant select on agent.worker_keys to agent_worker;

-- mend
revoke select on agent.worker_keys from agent_worker;
