-- Why: a person makes a draft their own; every edit is kept, and none is lost to another that was made from an older text.
-- Touches: new table ai_draft_revisions, new function edit_draft; two indexes on ai_drafts; replaces run_maintenance_v1.
-- Rollout: new objects; the indexes take a share lock on ai_drafts, which is small.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.ai_draft_revisions (
  id uuid primary key default gen_random_uuid(),
  draft_id uuid not null,
  version integer not null,
  subject text,
  content text not null,
  details jsonb not null,
  edited_by uuid not null,
  created_at timestamptz not null default now(),
  constraint ai_draft_revisions_draft_id_fkey foreign key (draft_id) references public.ai_drafts (id) on delete cascade,
  constraint ai_draft_revisions_edited_by_fkey foreign key (edited_by) references public.profiles (id) on delete cascade,
  constraint ai_draft_revisions_draft_id_version_key unique (draft_id, version)
);
comment on table public.ai_draft_revisions is
'The text after each edit by a person, append-only. Version 1 is ai_drafts.generated_content.';
create index ai_draft_revisions_edited_by_idx on public.ai_draft_revisions (edited_by);
-- squawk-ignore require-concurrent-index-creation
create index ai_drafts_created_by_created_at_id_idx on public.ai_drafts (created_by, created_at desc, id desc);
-- squawk-ignore require-concurrent-index-creation
create index ai_drafts_expires_at_idx on public.ai_drafts (expires_at) where status in ('pending', 'edited');

create function agent.draft_faults(p_draft_type text, p_subject text, p_content text, p_details jsonb) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select array_remove(array[
    case when coalesce(agent.clean_text(p_content, 20000), '') = '' then 'p_content is empty: write something, or reject the draft.' end,
    case when length(p_content) > 20000 then format('p_content has %s characters: 20000 is the most.', length(p_content)) end,
    case when length(p_subject) > 300 then format('p_subject has %s characters: 300 is the most.', length(p_subject)) end,
    case when p_draft_type in ('email', 'task') and coalesce(agent.clean_text(p_subject, 300), '') = ''
      then format('p_subject is empty: an %s needs one.', p_draft_type) end,
    -- A person may write an address of the web as it stands; what a reader would not see as such stays out.
    case when agent.has_markup(regexp_replace(p_content, '\m(https?://|www\.)', '', 'gi'))
      then 'p_content holds an image, a hidden link or markup: write it as plain text.' end,
    case when agent.has_markup(p_subject) then 'p_subject holds a link, an image or markup: take it out.' end,
    case when jsonb_typeof(p_details) is distinct from 'object' then 'p_details is not an object.' end,
    case when octet_length(p_details::text) > 8192 then 'p_details is larger than 8 KiB.' end,
    case when p_details ->> 'priority' not in ('low', 'medium', 'high') then 'p_details.priority: use low, medium or high.' end,
    case when agent.is_iso_time(p_details ->> 'due_at') is false
      then 'p_details.due_at: use an ISO 8601 time with its zone.' end
  ], null)
$$;
comment on function agent.draft_faults(text, text, text, jsonb) is
'What is wrong with a person''s text of a draft of this type, all at once. Granted to nobody.';

-- Definer: nobody holds UPDATE on ai_drafts or INSERT on ai_draft_revisions.
create function agent.edit_draft_v1(p_draft_id uuid, p_version integer, p_subject text, p_content text, p_details jsonb)
returns public.ai_drafts
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_live_session();
  v_draft public.ai_drafts := agent.lock_open_draft(p_draft_id, v_user_id);
  v_details jsonb := coalesce(p_details, v_draft.details);
  v_faults text[] := agent.draft_faults(v_draft.draft_type, p_subject, p_content, v_details);
begin
  if v_draft.version is distinct from p_version then
    raise exception using errcode = 'PT409', message = 'Somebody has edited this draft since you opened it.',
      detail = 'draft_changed: ' || v_draft.version, hint = 'Reload it, put your changes into the newer text and save again.';
  end if;
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and save again. Nothing was changed.';
  end if;
  update public.ai_drafts
  set subject = nullif(translate(agent.clean_text(p_subject, 300), E'\n', ' '), ''), content = agent.clean_text(p_content, 20000),
    details = v_details, status = 'edited', version = v_draft.version + 1, updated_at = now()
  where id = p_draft_id
    and (subject, content, details) is distinct from (
      nullif(translate(agent.clean_text(p_subject, 300), E'\n', ' '), ''), agent.clean_text(p_content, 20000), v_details
    )
  returning * into v_draft;
  if not found then
    return (select d from public.ai_drafts as d where d.id = p_draft_id); -- nothing new: no revision
  end if;
  insert into public.ai_draft_revisions (draft_id, version, subject, content, details, edited_by)
  values (v_draft.id, v_draft.version, v_draft.subject, v_draft.content, v_draft.details, v_user_id);
  perform agent.append_audit('draft_edited', 'ai_draft', v_draft.id, v_draft.client_id, null,
    jsonb_build_object('content_hash', v_draft.content_hash, 'version', v_draft.version));
  return v_draft;
end
$$;
comment on function agent.edit_draft_v1(uuid, integer, text, text, jsonb) is 'Behind edit_draft.';

create function public.edit_draft(p_draft_id uuid, p_version integer, p_subject text, p_content text, p_details jsonb default null)
returns public.ai_drafts
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select * from agent.edit_draft_v1(p_draft_id, p_version, p_subject, p_content, p_details) $$;
comment on function public.edit_draft(uuid, integer, text, text, jsonb) is
'A person changes an open draft of theirs, of which they saw p_version; PT409 draft_changed if there is a newer one. Each edit is kept.';

create function agent.expire_drafts() returns integer
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  update public.ai_drafts set status = 'expired', updated_at = now()
  where id in (
    select d.id from public.ai_drafts as d
    where d.status in ('pending', 'edited') and d.expires_at <= now() limit 1000 for update skip locked
  );
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function agent.expire_drafts() is
'Open drafts whose time is over become expired, never approved; returns how many, 1000 at most. Granted to nobody.';

create or replace function agent.run_maintenance_v1(p_task text, p_delivered uuid[]) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp -- definer: workers may touch no table
as $$
declare
  v_settled integer;
  v_expired integer;
begin
  perform agent.require_worker();
  if p_task in ('sweep', 'alerts') is not true then
    raise exception using errcode = 'PT400', message = format('p_task is %s.', coalesce(quote_literal(left(p_task, 40)), 'null')),
      detail = 'invalid_argument: p_task', hint = 'Use sweep or alerts.';
  end if;
  if p_task = 'alerts' then
    update public.ai_alerts set delivered_at = now() where id = any (p_delivered) and delivered_at is null;
    return jsonb_build_object('alerts', coalesce((
      select jsonb_agg(jsonb_build_object('id', a.id, 'kind', a.kind, 'severity', a.severity, 'message', a.message, 'details', a.details,
        'count', a.count, 'created_at', a.created_at) order by a.created_at)
      from (select * from public.ai_alerts where delivered_at is null order by created_at limit 50) as a
    ), '[]'));
  end if;

  insert into agent.maintenance_runs as r (task) values (p_task)
  on conflict (task) do update set ran_at = now() where r.ran_at <= now() - interval '30 seconds';
  if not found then
    return jsonb_build_object('ran', false);
  end if;
  v_settled := agent.settle_orphans();
  v_expired := agent.expire_drafts();
  perform agent.raise_rate_alerts();
  delete from agent.request_slots where taken_at[cardinality(taken_at)] < now() - interval '1 day';
  return jsonb_build_object('ran', true, 'settled', v_settled, 'expired', v_expired);
end
$$;

alter table public.ai_draft_revisions enable row level security;
alter table public.ai_draft_revisions force row level security;
create policy ai_draft_revisions_select_owner on public.ai_draft_revisions for select to authenticated
using (
  (select agent.is_agent()) is not true
  and exists (select from public.ai_drafts as d where d.id = ai_draft_revisions.draft_id and d.created_by = (select auth.uid()))
);
comment on policy ai_draft_revisions_select_owner on public.ai_draft_revisions is 'Whoever sees a draft sees how it was edited.';
revoke all on table public.ai_draft_revisions from public, anon, authenticated, service_role;
grant select on table public.ai_draft_revisions to authenticated;
revoke all on function
agent.draft_faults(text, text, text, jsonb), agent.edit_draft_v1(uuid, integer, text, text, jsonb),
public.edit_draft(uuid, integer, text, text, jsonb), agent.expire_drafts()
from public, anon, authenticated, service_role;
grant execute on function agent.edit_draft_v1(uuid, integer, text, text, jsonb), public.edit_draft(uuid, integer, text, text, jsonb)
to authenticated;
notify pgrst, 'reload schema';
