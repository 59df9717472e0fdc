grant select (kind) on agent.jobs to authenticated;

-- mend
revoke select (kind) on agent.jobs from authenticated;
