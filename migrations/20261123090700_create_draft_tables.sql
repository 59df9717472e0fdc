-- Why: what a user asked for, what was written, and one line in the books for every attempt to write it.
-- Touches: new tables ai_settings, ai_draft_requests, ai_drafts, ai_interactions; foreign keys to public.clients and public.profiles.
-- Rollout: short share-row-exclusive locks on clients and profiles for the foreign keys.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.ai_settings (
  id boolean primary key default true,
  time_zone text not null default 'UTC',
  default_language text not null default 'en',
  open_jobs_per_user integer not null default 10,
  daily_jobs_per_user integer not null default 200,
  draft_expiry_days integer not null default 30,
  updated_at timestamptz not null default now(),
  constraint ai_settings_id_check check (id),
  constraint ai_settings_time_zone_check check (now() at time zone time_zone is not null),
  constraint ai_settings_default_language_check check (default_language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  constraint ai_settings_open_jobs_per_user_check check (open_jobs_per_user between 0 and 1000),
  constraint ai_settings_daily_jobs_per_user_check check (daily_jobs_per_user between 0 and 100000),
  constraint ai_settings_draft_expiry_days_check check (draft_expiry_days between 1 and 90)
);
comment on table public.ai_settings is 'The organisation''s settings, one row: one Supabase project is one organisation.';
insert into public.ai_settings default values;

create table public.ai_draft_requests (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  client_id uuid not null,
  contact_id uuid,
  deal_id uuid,
  task_id uuid,
  draft_type text not null,
  purpose text not null,
  hints text,
  language text,
  state text not null default 'queued',
  error text,
  job_id uuid not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint ai_draft_requests_user_id_fkey foreign key (user_id) references public.profiles (id) on delete cascade,
  constraint ai_draft_requests_client_id_fkey foreign key (client_id) references public.clients (id) on delete cascade,
  constraint ai_draft_requests_draft_type_check check (draft_type in ('email', 'note', 'task', 'memo')),
  constraint ai_draft_requests_purpose_check check (purpose in ('follow_up', 'check_in', 'deal_update', 'task_reminder', 'custom')),
  constraint ai_draft_requests_hints_check check (octet_length(hints) <= 2048),
  constraint ai_draft_requests_language_check check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  constraint ai_draft_requests_state_check check (state in ('queued', 'running', 'done', 'failed', 'cancelled'))
);
comment on table public.ai_draft_requests is 'What a user asked for and what became of it. Written by functions only.';
comment on column public.ai_draft_requests.error is 'A sentence for people, from agent.failure_codes.';
comment on column public.ai_draft_requests.contact_id is
'contact_id, deal_id and task_id carry no foreign key: those tables belong to the host and may be behind views.';
create index ai_draft_requests_user_id_created_at_idx on public.ai_draft_requests (user_id, created_at desc);
create index ai_draft_requests_client_id_idx on public.ai_draft_requests (client_id);
create unique index ai_draft_requests_open_subject_idx on public.ai_draft_requests (
  user_id, client_id, draft_type, purpose,
  coalesce(deal_id, '00000000-0000-0000-0000-000000000000'), coalesce(task_id, '00000000-0000-0000-0000-000000000000')
) where state in ('queued', 'running');

create function agent.draft_content_hash(p_draft_type text, p_recipient text, p_subject text, p_content text, p_details jsonb)
returns text
language sql immutable set search_path = ''
as $$
  select encode(sha256(convert_to(jsonb_build_object(
    'type', p_draft_type, 'recipient', p_recipient, 'subject', p_subject, 'content', p_content, 'details', p_details
  )::text, 'UTF8')), 'hex')
$$;
comment on function agent.draft_content_hash(text, text, text, text, jsonb) is
'SHA-256 over canonical JSON: jsonb orders and deduplicates its keys. All arguments are text or jsonb, so it is immutable in truth.';

create table public.ai_drafts (
  id uuid primary key default gen_random_uuid(),
  client_id uuid not null,
  draft_type text not null,
  subject text,
  content text not null,
  context_snapshot jsonb,
  status text default 'pending',
  created_by uuid not null,
  approved_by uuid,
  created_at timestamptz default now(),
  approved_at timestamptz,
  sent_at timestamptz,
  purpose text not null,
  contact_id uuid,
  deal_id uuid,
  task_id uuid,
  recipient text,
  details jsonb not null default '{}',
  language text not null,
  generated_subject text,
  generated_content text not null,
  request_id uuid,
  provider text not null,
  model text,
  prompt_version_id uuid,
  context_version text,
  grounding jsonb,
  version integer not null default 1,
  content_hash text generated always as (agent.draft_content_hash(draft_type, recipient, subject, content, details)) stored,
  supersedes_id uuid,
  rejected_reason text,
  expires_at timestamptz not null,
  updated_at timestamptz not null default now(),
  constraint ai_drafts_client_id_fkey foreign key (client_id) references public.clients (id) on delete cascade,
  constraint ai_drafts_created_by_fkey foreign key (created_by) references public.profiles (id) on delete cascade,
  constraint ai_drafts_approved_by_fkey foreign key (approved_by) references public.profiles (id) on delete set null,
  constraint ai_drafts_request_id_fkey foreign key (request_id) references public.ai_draft_requests (id) on delete set null,
  constraint ai_drafts_supersedes_id_fkey foreign key (supersedes_id) references public.ai_drafts (id) on delete set null,
  constraint ai_drafts_request_id_key unique (request_id),
  constraint ai_drafts_draft_type_check check (draft_type in ('email', 'note', 'task', 'memo')),
  constraint ai_drafts_purpose_check check (purpose in ('follow_up', 'check_in', 'deal_update', 'task_reminder', 'custom')),
  constraint ai_drafts_status_check
  check (status is not null and status in ('pending', 'edited', 'approved', 'rejected', 'superseded', 'expired')),
  constraint ai_drafts_subject_check check (length(subject) <= 300 and subject !~ '[\n\r]'),
  constraint ai_drafts_content_check check (length(content) between 1 and 20000),
  constraint ai_drafts_details_check check (jsonb_typeof(details) = 'object' and octet_length(details::text) <= 8192),
  constraint ai_drafts_context_snapshot_check check (octet_length(context_snapshot::text) <= 262144),
  constraint ai_drafts_approved_at_check check ((approved_at is not null) = (status = 'approved')),
  constraint ai_drafts_sent_at_check check (sent_at is null or status = 'approved')
);
comment on table public.ai_drafts is
'What the agent wrote, waiting for a person. Nobody holds UPDATE or DELETE; INSERT works only inside the completion of its own job.';
comment on column public.ai_drafts.generated_content is
'As it was generated; never edited. content is what the person sees and may change.';
comment on column public.ai_drafts.recipient is
'The contact''s address in the CRM when it was written; never the model''s. Part of what is approved.';
comment on column public.ai_drafts.content_hash is 'Generated, so that it cannot disagree with the text. Approval names it.';
comment on column public.ai_drafts.grounding is 'What in the text rests on which row of the context; spans are code-point offsets.';
create index ai_drafts_client_id_idx on public.ai_drafts (client_id);
create index ai_drafts_created_by_status_created_at_idx on public.ai_drafts (created_by, status, created_at desc);
create index ai_drafts_approved_by_idx on public.ai_drafts (approved_by);
create index ai_drafts_supersedes_id_idx on public.ai_drafts (supersedes_id);
create unique index ai_drafts_open_subject_idx on public.ai_drafts (
  created_by, client_id, draft_type, purpose,
  coalesce(deal_id, '00000000-0000-0000-0000-000000000000'), coalesce(task_id, '00000000-0000-0000-0000-000000000000')
) where status in ('pending', 'edited');

create table public.ai_interactions (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  user_id uuid not null,
  client_id uuid,
  job_id uuid,
  attempt integer not null,
  purpose text not null,
  provider text not null,
  model text,
  prompt_version_id uuid,
  input_tokens integer not null default 0,
  cache_write_tokens integer not null default 0,
  cache_read_tokens integer not null default 0,
  output_tokens integer not null default 0,
  cost_usd numeric(14, 6) not null default 0,
  latency_ms integer,
  time_to_first_token_ms integer,
  outcome text not null,
  request_id text,
  constraint ai_interactions_outcome_check check (outcome ~ '^[a-z][a-z_]+$'),
  constraint ai_interactions_tokens_check
  check (least(input_tokens, cache_write_tokens, cache_read_tokens, output_tokens) >= 0 and cost_usd >= 0)
);
comment on table public.ai_interactions is
'One row per attempt to write: who, why, tokens, money, outcome. Plain uuids, kept 24 months; never prompt or response text.';
comment on column public.ai_interactions.request_id is 'The provider''s id of the request, for its support.';
create index ai_interactions_user_id_created_at_idx on public.ai_interactions (user_id, created_at desc);
create index ai_interactions_job_id_idx on public.ai_interactions (job_id);
