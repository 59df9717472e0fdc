alter publication supabase_realtime add table agent.jobs;

-- mend
alter publication supabase_realtime drop table agent.jobs;
