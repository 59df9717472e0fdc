alter role authenticator set pgrst.db_schemas = 'public, crm';

-- mend
alter role authenticator reset pgrst.db_schemas;
