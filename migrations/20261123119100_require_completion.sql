-- Why: a draft and its line in the books commit together, or neither does. Where the pre-request hook was off and a host's function ran
-- any SQL, an agent could begin a completion, insert its draft and leave: a draft that nobody booked, of a job that never ended.
-- Touches: a deferred constraint trigger on public.ai_drafts.
-- Rollout: short share-row-exclusive lock on ai_drafts; drafts of today are not looked at.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Definer: nobody may read agent.jobs.
create function agent.tg_ai_drafts__require_completion() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from agent.jobs where request_id = new.request_id and state = 'done' and result_id = new.id) then
    raise exception using errcode = 'PT409', message = 'This transaction did not complete the job of its draft.',
      detail = 'not_completed', hint = 'Call complete_draft_job.';
  end if;
  return null;
end
$$;
comment on function agent.tg_ai_drafts__require_completion() is
'Deferred trigger of public.ai_drafts: at commit the job of the draft''s request must be done with this very draft.';

create constraint trigger ai_drafts_require_completion after insert on public.ai_drafts
deferrable initially deferred for each row when (new.request_id is not null)
execute function agent.tg_ai_drafts__require_completion();

revoke all on function agent.tg_ai_drafts__require_completion() from public, anon, authenticated, service_role;
