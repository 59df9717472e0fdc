-- Why: no one asks so fast that others wait or the budget is gone in a minute; where AI is off or paid out, people hear it when they ask.
-- Touches: columns of ai_settings; new table agent.request_slots, new function take_request_slot; replaces request_draft_v1.
-- Rollout: new objects and a body; the new columns have constant defaults; the hints in open jobs are taken out, one by one.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

alter table public.ai_settings
add column drafts_per_minute integer not null default 10,
add column contexts_per_minute integer not null default 10,
add constraint ai_settings_per_minute_check check (drafts_per_minute between 0 and 1000 and contexts_per_minute between 0 and 1000)
not valid;
comment on column public.ai_settings.drafts_per_minute is 'How many drafts a user may ask for in any 60 seconds.';
comment on column public.ai_settings.contexts_per_minute is 'How many contexts a user may load through the API in any 60 seconds.';

create table agent.request_slots (
  user_id uuid not null,
  kind text not null,
  taken_at timestamptz[] not null,
  constraint request_slots_pkey primary key (user_id, kind)
);
comment on table agent.request_slots is 'When a user took their newest slots of a kind, oldest first: no more of them than the limit.';

create function agent.seconds_until(p_at timestamptz) returns integer
language sql stable set search_path = pg_catalog, pg_temp
as $$ select greatest(1, ceil(extract(epoch from p_at - clock_timestamp())))::integer $$;
comment on function agent.seconds_until(timestamptz) is 'Whole seconds until then, at least 1: what Retry-After says.';

create function agent.require_budget(p_user_id uuid) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_full record;
begin
  select b.scope, b.period, b.starts_on into v_full
  from agent.budget_rows(p_user_id, (now() at time zone agent.time_zone())::date) as b
  inner join agent.ledger as l using (scope, user_id, period, starts_on)
  where l.spent_usd + l.reserved_usd >= b.limit_usd or l.spent_tokens + l.reserved_tokens >= b.limit_tokens
  order by agent.resumes_at(b.period, b.starts_on) desc
  limit 1;
  if found then
    perform agent.raise_budget_exhausted(v_full.scope, v_full.period, v_full.starts_on);
  end if;
end
$$;
comment on function agent.require_budget(uuid) is
'PT429 budget_exhausted where nothing is left of a budget that this user spends from. Granted to nobody.';

-- Definer: nobody may write to agent.request_slots.
create function agent.take_request_slot_v1(p_kind text) returns integer
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_person();
  v_limit integer := (select contexts_per_minute from public.ai_settings);
  v_taken_at timestamptz[];
begin
  if p_kind is distinct from 'context' then
    raise exception using errcode = 'PT400', message = format('p_kind is %s.', coalesce(quote_literal(left(p_kind, 40)), 'null')),
      detail = 'invalid_argument: p_kind', hint = 'Use context.';
  end if;
  -- Looked at and taken in one statement: 64 who come together get no more than the limit.
  insert into agent.request_slots as s (user_id, kind, taken_at)
  select v_user_id, p_kind, array[clock_timestamp()] where v_limit > 0
  on conflict (user_id, kind) do update
  set taken_at = (s.taken_at || clock_timestamp())[greatest(1, cardinality(s.taken_at) + 2 - v_limit):]
  where cardinality(s.taken_at) < v_limit
    or s.taken_at[cardinality(s.taken_at) - v_limit + 1] <= clock_timestamp() - interval '1 minute'
  returning s.taken_at into v_taken_at;
  if not found then
    select s.taken_at into v_taken_at from agent.request_slots as s where s.user_id = v_user_id and s.kind = p_kind;
    raise exception using errcode = 'PT429', message = format('You may load %s contexts a minute.', v_limit),
      detail = 'rate_limited: ' || agent.seconds_until(
        coalesce(v_taken_at[cardinality(v_taken_at) - v_limit + 1], clock_timestamp()) + interval '1 minute'),
      hint = 'Ask again in a moment.';
  end if;
  return v_limit - (select count(*) from unnest(v_taken_at) as t (at) where t.at > clock_timestamp() - interval '1 minute')::integer;
end
$$;
comment on function agent.take_request_slot_v1(text) is 'Behind take_request_slot.';

create function public.take_request_slot(p_kind text default 'context') returns integer
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.take_request_slot_v1(p_kind) $$;
comment on function public.take_request_slot(text) is
'Counts one request of the user who asks and returns how many are left in this minute, or PT429 rate_limited with the seconds to wait.';

create or replace function agent.request_draft_v1(
  p_client_id uuid, p_draft_type text, p_purpose text, p_hints text, p_language text, p_contact_id uuid, p_deal_id uuid, p_task_id uuid,
  p_interactive boolean
) returns public.ai_draft_requests
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_person();
  v_settings public.ai_settings;
  v_request public.ai_draft_requests;
  v_draft_id uuid;
  v_count integer;
  v_oldest timestamptz;
begin
  perform agent.require_ai_on(v_user_id, p_client_id);
  -- Counting and inserting must be one step for one user: without the lock 62 of 64 racers passed a cap of 10. Their own row, since
  -- nobody else may lock it; an advisory lock of that number would be anybody's, and held for as long as a connection lives.
  perform from public.profiles where id = v_user_id for no key update;

  select * into v_request from public.ai_draft_requests as r
  where r.user_id = v_user_id and r.client_id = p_client_id and r.draft_type = p_draft_type and r.purpose = p_purpose
    and r.deal_id is not distinct from p_deal_id and r.task_id is not distinct from p_task_id and r.state in ('queued', 'running');
  if found then
    if v_request.hints is not distinct from p_hints and v_request.language is not distinct from p_language
      and v_request.contact_id is not distinct from p_contact_id then
      return v_request;
    end if;
    raise exception using errcode = 'PT409', message = 'A draft of this kind is being written for this client, from other hints.',
      detail = 'request_open: ' || v_request.id, hint = 'Wait for it, or cancel it first.';
  end if;

  -- A draft whose time is over is in nobody's way, whether or not a sweeper has been by.
  update public.ai_drafts
  set status = 'expired', updated_at = now()
  where created_by = v_user_id and client_id = p_client_id and status in ('pending', 'edited') and expires_at <= now();
  select d.id into v_draft_id from public.ai_drafts as d
  where d.created_by = v_user_id and d.client_id = p_client_id and d.draft_type = p_draft_type and d.purpose = p_purpose
    and d.deal_id is not distinct from p_deal_id and d.task_id is not distinct from p_task_id and d.status in ('pending', 'edited');
  if found then
    raise exception using errcode = 'PT409', message = 'There is an open draft of this kind for this client.',
      detail = 'draft_open: ' || v_draft_id, hint = 'Approve or reject it, or regenerate it.';
  end if;

  perform agent.require_budget(v_user_id);
  select * into v_settings from public.ai_settings;
  select count(*) into v_count from public.ai_draft_requests where user_id = v_user_id and state in ('queued', 'running');
  if v_count >= v_settings.open_jobs_per_user then
    raise exception using errcode = 'PT429', message = format('You have %s drafts being written.', v_count),
      detail = 'open_jobs_cap: ' || v_settings.open_jobs_per_user, hint = 'Ask again when one of them is done.';
  end if;
  -- The oldest of so many newest: when it is a minute old, there is room for one more.
  select r.created_at into v_oldest from public.ai_draft_requests as r where r.user_id = v_user_id
  order by r.created_at desc offset greatest(v_settings.drafts_per_minute - 1, 0) limit 1;
  if v_settings.drafts_per_minute = 0 or v_oldest > now() - interval '1 minute' then
    raise exception using errcode = 'PT429',
      message = format('You may ask for %s drafts a minute.', v_settings.drafts_per_minute),
      detail = 'rate_limited: ' || agent.seconds_until(coalesce(v_oldest, now()) + interval '1 minute'),
      hint = 'Ask again in a moment.';
  end if;
  select count(*) into v_count from public.ai_draft_requests
  where user_id = v_user_id
    and created_at >= date_trunc('day', now() at time zone v_settings.time_zone) at time zone v_settings.time_zone;
  if v_count >= v_settings.daily_jobs_per_user then
    raise exception using errcode = 'PT429', message = format('You have asked for %s drafts today.', v_count),
      detail = 'daily_jobs_cap: ' || v_settings.daily_jobs_per_user,
      hint = format('It starts anew at midnight (%s).', v_settings.time_zone);
  end if;

  insert into public.ai_draft_requests (
    user_id, client_id, contact_id, deal_id, task_id, draft_type, purpose, hints, language, job_id
  ) values (
    v_user_id, p_client_id, p_contact_id, p_deal_id, p_task_id, p_draft_type, p_purpose, p_hints, p_language, gen_random_uuid()
  ) returning * into v_request;
  insert into agent.jobs (id, kind, user_id, client_id, request_id, dedupe_key, turn, interactive, due_at, payload)
  values (
    v_request.job_id, 'draft', v_user_id, p_client_id, v_request.id, 'draft:' || v_request.id,
    agent.next_turn(v_user_id, 0::smallint), p_interactive,
    now() + case when p_interactive then interval '5 seconds' else interval '0' end,
    jsonb_build_object('request_id', v_request.id, 'draft_type', p_draft_type, 'purpose', p_purpose,
      'language', p_language, 'contact_id', p_contact_id, 'deal_id', p_deal_id, 'task_id', p_task_id)
  );
  perform agent.append_audit('draft_requested', 'ai_draft_request', v_request.id, p_client_id, v_request.job_id);
  return v_request;
end
$$;

-- What a user wrote stays with their request, which goes with them; a job outlives them. A claim hands it out.
update agent.jobs set payload = payload - 'hints' where request_id is not null and payload ? 'hints';

alter table agent.request_slots enable row level security;
alter table agent.request_slots force row level security;
revoke all on table agent.request_slots from public, anon, authenticated, service_role;
revoke all on function
agent.seconds_until(timestamptz), agent.require_budget(uuid), agent.take_request_slot_v1(text), public.take_request_slot(text)
from public, anon, authenticated, service_role;
grant execute on function agent.take_request_slot_v1(text), public.take_request_slot(text) to authenticated;
notify pgrst, 'reload schema';
