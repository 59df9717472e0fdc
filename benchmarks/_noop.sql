-- A job kind that does nothing, so that only the queue is measured. What complete_draft_job does, without a draft.
alter table agent.jobs drop constraint jobs_kind_check;
alter table agent.jobs add constraint jobs_kind_check check (kind in ('draft', 'noop'));

create function agent.finish_noop_v1() returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job agent.jobs := agent.current_job();
begin
  if v_job.state is distinct from 'running' or v_job.completing_xid is distinct from pg_current_xact_id_if_assigned() then
    raise exception using errcode = 'PT409', message = 'This transaction is not completing that job.', detail = 'stale_fence';
  end if;
  update agent.jobs set state = 'done', result_id = id, finished_at = now(), failure_code = null where id = v_job.id;
  perform agent.book_attempt(v_job, 'noop', null, 'completed', '{}');
  perform agent.append_audit('noop_done', 'job', v_job.id, v_job.client_id, v_job.id);
end
$$;

create function public.complete_noop_job() returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  perform agent.begin_complete_v1();
  perform agent.finish_noop_v1();
end
$$;
revoke all on function agent.finish_noop_v1(), public.complete_noop_job() from public, anon, authenticated, service_role;
grant execute on function agent.finish_noop_v1(), public.complete_noop_job() to authenticated;
