-- Generated from the catalog by `account-agent policies`; not to be edited. Table agent.jobs.

-- The queue and its history. Plain uuids: deleting a user or a client must neither fail nor erase the books.

alter table agent.jobs enable row level security;
alter table agent.jobs force row level security;

-- Nobody but its owner holds anything here.

-- After a job became a dead letter.
CREATE TRIGGER jobs_alert AFTER UPDATE OF state ON agent.jobs FOR EACH ROW WHEN (((new.state = 'failed'::text) AND (old.state <> 'failed'::text))) EXECUTE FUNCTION agent.tg_jobs__alert();

-- However a job of kind send ends without its mail (attempts used up, user banned), its record tells the person.
CREATE TRIGGER jobs_end_send AFTER UPDATE OF state ON agent.jobs FOR EACH ROW WHEN (((new.kind = 'send'::text) AND (new.state = ANY (ARRAY['failed'::text, 'cancelled'::text])))) EXECUTE FUNCTION agent.tg_jobs__end_send();

-- Wakes workers for jobs that are due. No payload: whoever may LISTEN learns that there is work and nothing else.
CREATE TRIGGER jobs_notify_insert AFTER INSERT ON agent.jobs REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent.tg_jobs__notify();
