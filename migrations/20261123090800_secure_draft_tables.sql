-- Why: who may read and write the tables of 20261123090700.
-- Touches: RLS, policies and grants of ai_settings, ai_draft_requests, ai_drafts, ai_interactions.
-- Rollout: new tables only, nobody is using them yet.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- The job that this very transaction is completing. Definer: nobody may read agent.jobs.
create function agent.completing_request_id() returns uuid
language sql stable security definer set search_path = ''
as $$
  select (j).request_id from agent.current_job() as j
  where (j).state = 'running' and (j).completing_xid = pg_current_xact_id_if_assigned()
$$;
comment on function agent.completing_request_id() is
'The request whose job this transaction is completing, else null. Set by agent.begin_complete_v1.';

alter table public.ai_settings enable row level security;
alter table public.ai_settings force row level security;
alter table public.ai_draft_requests enable row level security;
alter table public.ai_draft_requests force row level security;
alter table public.ai_drafts enable row level security;
alter table public.ai_drafts force row level security;
alter table public.ai_interactions enable row level security;
alter table public.ai_interactions force row level security;

create policy ai_settings_select_admin on public.ai_settings for select to authenticated
using ((select agent.is_admin()));
comment on policy ai_settings_select_admin on public.ai_settings is 'Admins see the settings; functions read them for everybody.';

create policy ai_draft_requests_select_owner on public.ai_draft_requests for select to authenticated
using (user_id = (select auth.uid()) and (select agent.is_agent()) is not true);
comment on policy ai_draft_requests_select_owner on public.ai_draft_requests is
'A user sees what they asked for; the agent has it from its job.';

create policy ai_drafts_select_owner on public.ai_drafts for select to authenticated
using (created_by = (select auth.uid()) and (select agent.is_agent()) is not true);
comment on policy ai_drafts_select_owner on public.ai_drafts is 'A user sees their own drafts; colleagues, admins and the agent do not.';

create policy ai_drafts_insert_completing_agent on public.ai_drafts for insert to authenticated
with check (
  created_by = (select auth.uid())
  and request_id = (select agent.completing_request_id())
  and client_id = (select agent.current_job_client_id())
  and exists (select from crm.clients as c where c.id = ai_drafts.client_id)
  and status = 'pending' and approved_by is null and approved_at is null and sent_at is null
);
comment on policy ai_drafts_insert_completing_agent on public.ai_drafts is
'Only the agent, only in the transaction that completes its job, only for a client that its user still sees, only pending.';

create policy ai_interactions_select_owner on public.ai_interactions for select to authenticated
using (user_id = (select auth.uid()) and (select agent.is_agent()) is not true);
comment on policy ai_interactions_select_owner on public.ai_interactions is 'A user sees what was spent in their name.';

revoke all on table public.ai_settings, public.ai_draft_requests, public.ai_drafts, public.ai_interactions
from public, anon, authenticated, service_role;
revoke all on function
agent.draft_content_hash(text, text, text, text, jsonb), agent.completing_request_id()
from public, anon, authenticated, service_role;

grant execute on function agent.draft_content_hash(text, text, text, text, jsonb), agent.completing_request_id() to authenticated;
grant select on table public.ai_settings, public.ai_draft_requests, public.ai_drafts, public.ai_interactions to authenticated;
grant insert (
  id, client_id, draft_type, subject, content, context_snapshot, created_by, purpose, contact_id, deal_id, task_id, recipient, details,
  language, generated_subject, generated_content, request_id, provider, model, prompt_version_id, context_version, grounding, expires_at
) on table public.ai_drafts to authenticated;
