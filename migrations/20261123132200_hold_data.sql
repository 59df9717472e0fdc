-- Why: what a court or an authority may ask for is neither deleted by time, nor by an erasure, nor with its client or user.
-- Touches: new table agent.legal_holds, new functions set_legal_hold, list_legal_holds; triggers on ai_drafts, ai_draft_requests and
-- deal_stage_history; replaces delete_drafts_v1.
-- Rollout: short share-row-exclusive locks on three tables of ours for the triggers; nothing is held at first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.legal_holds (
  id uuid primary key default gen_random_uuid(),
  client_id uuid,
  user_id uuid,
  reason text not null,
  set_by uuid not null,
  set_at timestamptz not null default now(),
  lifted_by uuid,
  lifted_at timestamptz,
  constraint legal_holds_subject_check check (num_nonnulls(client_id, user_id) = 1),
  constraint legal_holds_reason_check check (length(reason) between 1 and 500),
  constraint legal_holds_lifted_at_check check ((lifted_at is null) = (lifted_by is null))
);
comment on table agent.legal_holds is
'Whose AI data must stay. Plain uuids and never deleted: who held what, and until when, is itself evidence.';
create unique index legal_holds_client_id_idx on agent.legal_holds (client_id) where lifted_at is null;
create unique index legal_holds_user_id_idx on agent.legal_holds (user_id) where lifted_at is null;

create function agent.is_held(p_client_id uuid, p_user_id uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select exists (select from agent.legal_holds as h where h.lifted_at is null and h.client_id = p_client_id)
    or exists (select from agent.legal_holds as h where h.lifted_at is null and h.user_id = p_user_id)
$$;
comment on function agent.is_held(uuid, uuid) is 'Whether a hold is on this client or this user. Granted to nobody.';

create function agent.require_not_held(p_client_id uuid, p_user_id uuid) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if agent.is_held(p_client_id, p_user_id) then
    raise exception using errcode = 'PT409', message = 'A legal hold is on this data: it cannot be deleted.', detail = 'legal_hold',
      hint = 'An administrator sees it with list_legal_holds and lifts it with set_legal_hold.';
  end if;
end
$$;
comment on function agent.require_not_held(uuid, uuid) is 'PT409 legal_hold where a hold is on the client or the user. Granted to nobody.';

create function agent.tg_held_rows__refuse_delete() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp -- definer: nobody may read agent.legal_holds
as $$
begin
  -- The argument names the column of the user. Nearly always there is no hold at all, and then no row is looked at.
  if exists (select from agent.legal_holds as h where h.lifted_at is null) then
    perform agent.require_not_held((to_jsonb(g) ->> 'client_id')::uuid, (to_jsonb(g) ->> tg_argv[0])::uuid) from gone as g;
  end if;
  return null;
end
$$;
comment on function agent.tg_held_rows__refuse_delete() is
'Refuses a delete that reaches held rows, a cascade included: deleting their client or user then fails as a whole.';

create trigger ai_drafts_refuse_delete after delete on public.ai_drafts
referencing old table as gone for each statement execute function agent.tg_held_rows__refuse_delete('created_by');
create trigger ai_draft_requests_refuse_delete after delete on public.ai_draft_requests
referencing old table as gone for each statement execute function agent.tg_held_rows__refuse_delete('user_id');
create trigger deal_stage_history_refuse_delete after delete on public.deal_stage_history
referencing old table as gone for each statement execute function agent.tg_held_rows__refuse_delete('changed_by');

-- As before, but what is held stays, one by one, where the trigger would refuse all of it.
create or replace function agent.delete_drafts_v1(p_draft_ids uuid[]) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_live_session();
  v_results jsonb;
begin
  if cardinality(p_draft_ids) between 1 and 100 is not true then
    raise exception using errcode = 'PT400', message = 'p_draft_ids is not a list of 1 to 100 ids.',
      detail = 'invalid_argument: p_draft_ids', hint = 'Delete them in several calls. Nothing was deleted.';
  end if;
  with gone as (
    delete from public.ai_drafts as d
    where d.id = any (p_draft_ids) and d.created_by = v_user_id and d.status <> 'approved'
      and agent.is_held(d.client_id, d.created_by) is not true
    returning d.id, d.client_id, d.status
  ),
  kept as (
    insert into agent.audit_log (actor, actor_id, action, entity, entity_id, client_id, details)
    select a.actor, a.actor_id, 'draft_deleted', 'ai_draft', g.id, g.client_id, jsonb_build_object('status', g.status)
    from gone as g cross join agent.caller() as a
  )
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('id', w.id, 'ok', g.id is not null, 'error', case
    when g.id is not null then null
    when d.id is null then jsonb_build_object('code', 'draft_not_found', 'status', 404, 'message', 'There is no such draft of yours.',
      'hint', 'Reload the list.')
    when agent.is_held(d.client_id, d.created_by) then jsonb_build_object('code', 'legal_hold', 'status', 409,
      'message', 'A legal hold is on this draft: it stays.', 'hint', 'An administrator knows why.')
    else jsonb_build_object('code', 'draft_closed', 'status', 409, 'message', 'This draft is approved: it stays on record.',
      'hint', 'It goes when the time is over for which records are kept.')
  end)) order by w.place)
  into v_results
  from unnest(p_draft_ids) with ordinality as w (id, place)
  left join gone as g on g.id = w.id
  left join public.ai_drafts as d on d.id = w.id and d.created_by = v_user_id;
  return v_results;
end
$$;

-- Definer, these two: nobody may read or write agent.legal_holds.
create function agent.set_legal_hold_v1(p_is_held boolean, p_client_id uuid, p_subject_user_id uuid, p_reason text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_admin();
  v_faults text[] := array_remove(array[
    case when num_nonnulls(p_client_id, p_subject_user_id) <> 1 then 'p_client_id, p_subject_user_id: name one of them.' end,
    case when p_is_held is null then 'p_is_held is null: use true or false.' end,
    case when p_is_held and length(btrim(p_reason)) between 1 and 500 is not true then 'p_reason: say in 1 to 500 characters why.' end
  ], null);
begin
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again. Nothing was changed.';
  end if;
  perform agent.require_live_session();
  if p_is_held then
    insert into agent.legal_holds (client_id, user_id, reason, set_by)
    values (p_client_id, p_subject_user_id, btrim(p_reason), v_user_id)
    on conflict do nothing; -- it is held already
  else
    update agent.legal_holds set lifted_at = now(), lifted_by = v_user_id
    where lifted_at is null and (client_id = p_client_id or user_id = p_subject_user_id);
  end if;
  if found then
    perform agent.append_audit(case when p_is_held then 'legal_hold_set' else 'legal_hold_lifted' end, 'legal_hold',
      coalesce(p_client_id, p_subject_user_id), p_client_id);
  end if;
end
$$;
comment on function agent.set_legal_hold_v1(boolean, uuid, uuid, text) is 'Behind set_legal_hold.';

create function public.set_legal_hold(
  p_is_held boolean, p_client_id uuid default null, p_subject_user_id uuid default null, p_reason text default null
) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.set_legal_hold_v1(p_is_held, p_client_id, p_subject_user_id, p_reason) $$;
comment on function public.set_legal_hold(boolean, uuid, uuid, text) is
'An admin sets or lifts a hold on the AI data of a client or a user: retention, erasure and deleting leave it alone.';

create function agent.list_legal_holds_v1() returns setof agent.legal_holds
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform agent.require_admin();
  return query select h.* from agent.legal_holds as h order by h.set_at desc;
end
$$;
comment on function agent.list_legal_holds_v1() is 'Behind list_legal_holds.';

create function public.list_legal_holds()
returns table (
  id uuid, client_id uuid, user_id uuid, reason text, set_by uuid, set_at timestamptz, lifted_by uuid, lifted_at timestamptz
)
language sql stable set search_path = pg_catalog, pg_temp
as $$ select * from agent.list_legal_holds_v1() $$;
comment on function public.list_legal_holds() is 'An admin sees all holds, the lifted ones too.';

alter table agent.legal_holds enable row level security;
alter table agent.legal_holds force row level security;
revoke all on table agent.legal_holds from public, anon, authenticated, service_role;
revoke all on function
agent.is_held(uuid, uuid), agent.require_not_held(uuid, uuid), agent.tg_held_rows__refuse_delete(),
agent.set_legal_hold_v1(boolean, uuid, uuid, text), agent.list_legal_holds_v1(),
public.set_legal_hold(boolean, uuid, uuid, text), public.list_legal_holds()
from public, anon, authenticated, service_role;
grant execute on function
agent.set_legal_hold_v1(boolean, uuid, uuid, text), agent.list_legal_holds_v1(),
public.set_legal_hold(boolean, uuid, uuid, text), public.list_legal_holds()
to authenticated;
notify pgrst, 'reload schema';
