grant authenticated to agent_worker;

-- mend
revoke authenticated from agent_worker;
