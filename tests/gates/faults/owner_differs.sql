grant create on schema agent to authenticated;
alter table agent.failure_codes owner to authenticated;
revoke create on schema agent from authenticated;

-- mend
alter table agent.failure_codes owner to postgres;
