-- Why: the queue is a table: one row is the job, its lease, its fence, its attempts and its outcome.
-- Touches: new tables agent.jobs, agent.failure_codes; nothing of the host.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.jobs (
  id uuid primary key default gen_random_uuid(),
  kind text not null,
  user_id uuid not null,
  client_id uuid,
  request_id uuid,
  dedupe_key text,
  payload jsonb not null default '{}',
  interactive boolean not null default false,
  priority smallint not null default 0,
  turn bigint not null,
  state text not null default 'queued',
  due_at timestamptz not null default now(),
  attempts integer not null default 0,
  max_attempts integer not null default 5,
  fence bigint not null default 0,
  claimed_at timestamptz,
  worker_jti uuid,
  completing_xid xid8,
  result_id uuid,
  failure_code text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint jobs_kind_check check (kind in ('draft')),
  constraint jobs_state_check check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
  constraint jobs_attempts_check check (attempts between 0 and max_attempts),
  constraint jobs_finished_at_check check ((finished_at is not null) = (state in ('done', 'failed', 'cancelled')))
);
comment on table agent.jobs is 'The queue and its history. Plain uuids: deleting a user or a client must neither fail nor erase the books.';
comment on column agent.jobs.due_at is
'When a worker may claim it: for a queued job the earliest start, for a running one the end of its lease.';
comment on column agent.jobs.turn is
'Its place among all users'' jobs of its priority, from agent.next_turn when it is queued and when it failed; claims go in this order.';
comment on column agent.jobs.fence is 'Grows with every claim and is signed into the job''s token; only the newest may write.';
comment on column agent.jobs.completing_xid is 'The transaction that is completing it; the insert policy of ai_drafts compares it.';
comment on column agent.jobs.state is 'failed is the dead letter: nothing takes it up again by itself.';

create unique index jobs_dedupe_key_idx on agent.jobs (dedupe_key) where state in ('queued', 'running');
-- Partial: a claim costs what is open, not what was ever done.
create index jobs_priority_turn_idx on agent.jobs (priority, turn, id) where state = 'queued';
create index jobs_due_at_idx on agent.jobs (due_at) where state = 'running';
create index jobs_user_id_priority_turn_idx on agent.jobs (user_id, priority, turn) where state in ('queued', 'running');
create index jobs_priority_turn_served_idx on agent.jobs (priority, turn)
where claimed_at is not null and state <> 'queued' and not interactive;
create index jobs_request_id_idx on agent.jobs (request_id);

create table agent.failure_codes (
  code text primary key,
  retryable boolean not null,
  sentence text not null,
  constraint failure_codes_code_check check (code ~ '^[a-z][a-z_]+$')
);
comment on table agent.failure_codes is
'Why a job did not end well, and what the person who asked is told. Workers name a code; they write no text.';
insert into agent.failure_codes (code, retryable, sentence) values
('returned', true, 'The worker stopped before it began; another one will take it.'),
('internal_error', true, 'Something went wrong while writing. It will be tried again.'),
('provider_unavailable', true, 'AI is temporarily unavailable. It will be tried again.'),
('provider_rate_limited', true, 'AI is busy at the moment. It will be tried again.'),
('database_unavailable', true, 'The database could not be reached. It will be tried again.'),
('attempts_exhausted', false, 'This could not be written after several attempts. You can ask again.'),
('client_not_found', false, 'The client is no longer there, or you may no longer see it.'),
('access_lost', false, 'You no longer have access to this client.'),
('user_inactive', false, 'The account that asked for this is closed or banned.'),
('invalid_output', false, 'What was written could not be used. You can ask again.'),
('refused', false, 'AI declined to write this. Try other hints, or write it yourself.'),
('too_large', false, 'There is too much material for one draft. Try fewer hints or a single deal.'),
('configuration', false, 'AI is not set up correctly. Ask your administrator.');

-- Fair queueing by virtual time (Goyal et al. 1996, start-time fair queueing, with every job of one size): a job comes one turn
-- after its user's last open one, but never before the turn that is being served. So with 50 jobs of A waiting, B's first is due
-- with A's next. Ordering users at each claim instead took 8 ms with 100 users waiting and 13 ms with 1,000; this takes one index scan.
-- The turn that is being served never goes back: were it the first in the queue alone, one old job that waits for its next attempt
-- would let every newcomer pass everyone else. Interactive jobs do not move it, as they are claimed out of turn.
create function agent.next_turn(p_user_id uuid, p_priority smallint) returns bigint
language sql stable set search_path = ''
as $$
  select 1 + greatest(
    (select max(turn) from agent.jobs where user_id = p_user_id and priority = p_priority and state in ('queued', 'running')),
    (
      select max(turn) from agent.jobs
      where priority = p_priority and claimed_at is not null and state <> 'queued' and not interactive
    ),
    (select min(turn) - 1 from agent.jobs where priority = p_priority and state = 'queued'),
    0
  )
$$;
comment on function agent.next_turn(uuid, smallint) is 'The turn of a new job of this user. Granted to nobody.';

-- The one job of the agent that is calling, and what policies ask of it. Definer, both: nobody may read agent.jobs.
create function agent.current_job() returns agent.jobs
language sql stable security definer set search_path = ''
as $$
  select j from agent.jobs as j
  where agent.is_agent()
    and j.id = (auth.jwt() ->> 'job')::uuid
    and j.fence = (auth.jwt() ->> 'fence')::bigint
    and j.user_id = auth.uid()
$$;
comment on function agent.current_job() is
'The job named by the caller''s token if the signed fence is still the newest, in any state; else null. Granted to nobody.';

create function agent.current_job_client_id() returns uuid
language sql stable security definer set search_path = ''
as $$ select (j).client_id from agent.current_job() as j where (j).state = 'running' $$;
comment on function agent.current_job_client_id() is 'The one client that the calling agent may read while its job runs.';

create function agent.tg_jobs__notify() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
  if exists (select from new_rows where state = 'queued' and due_at <= now()) then
    perform pg_notify('agent_jobs', '');
  end if;
  return null;
end
$$;
comment on function agent.tg_jobs__notify() is
'Wakes workers for jobs that are due. No payload: whoever may LISTEN learns that there is work and nothing else.';
create trigger jobs_notify_insert after insert on agent.jobs
referencing new table as new_rows for each statement execute function agent.tg_jobs__notify();

alter table agent.jobs enable row level security;
alter table agent.jobs force row level security;
alter table agent.failure_codes enable row level security;
alter table agent.failure_codes force row level security;
revoke all on table agent.jobs, agent.failure_codes from public, anon, authenticated, service_role;

revoke all on function
agent.next_turn(uuid, smallint), agent.current_job(), agent.current_job_client_id(), agent.tg_jobs__notify()
from public, anon, authenticated, service_role;
grant execute on function agent.current_job_client_id() to authenticated;
