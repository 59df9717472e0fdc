-- The control: the same functions as a queue without fencing would have them. The drill must then find drafts written twice.
alter table public.ai_drafts drop constraint ai_drafts_request_id_key;
drop index public.ai_drafts_open_subject_idx;

create or replace function agent.current_job() returns agent.jobs
language sql stable security definer set search_path = ''
as $$ select j from agent.jobs as j where j.id = (auth.jwt() ->> 'job')::uuid $$;

create or replace function agent.completing_request_id() returns uuid
language sql stable security definer set search_path = ''
as $$ select (j).request_id from agent.current_job() as j $$;

create or replace function agent.current_job_client_id() returns uuid
language sql stable security definer set search_path = ''
as $$ select (j).client_id from agent.current_job() as j $$;

create or replace function agent.begin_complete_v1(out request_id uuid, out client_id uuid, out result_id uuid, out payload jsonb)
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job agent.jobs := agent.current_job();
begin
  request_id := v_job.request_id;
  client_id := v_job.client_id;
  payload := v_job.payload;
end
$$;

create or replace function agent.finish_complete_v1(p_result_id uuid, p_provider text, p_model text, p_usage jsonb) returns void
language sql volatile security definer set search_path = ''
as $$
  update agent.jobs set state = 'done', result_id = p_result_id, finished_at = now() where id = ((agent.current_job()).id);
  update public.ai_draft_requests set state = 'done' where id = ((agent.current_job()).request_id);
$$;
