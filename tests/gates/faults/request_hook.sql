alter role authenticator set pgrst.db_pre_request = 'public.count_requests';

-- mend
alter role authenticator set pgrst.db_pre_request = 'agent.check_request';
