-- Why: a draft written before the client's last mail or the deal's new stage is out of date; who is about to approve it must see that.
-- Touches: a column of ai_drafts; new functions list_drafts, get_draft.
-- Rollout: the new column is null and rewrites nothing; new objects.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

alter table public.ai_drafts add column written jsonb;
comment on column public.ai_drafts.written is
'What approving it wrote into the CRM: the results of crm.log_activity and crm.create_task, from which crm.undo takes it back.';

-- plpgsql for one statement: its plan is kept for the session. Ids are compared as text: a snapshot is what an agent handed in, and a
-- malformed one must not keep its owner's list from being read.
create function agent.stale_reasons(p_draft_ids uuid[]) returns table (draft_id uuid, reasons jsonb)
language plpgsql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD'
as $$
begin
  return query
  with draft as (
    select d.id, d.client_id, d.created_by, d.created_at, d.context_snapshot as told,
      coalesce(d.context_snapshot #>> '{omitted,activities}', '0') <> '0' as is_cut,
      case when d.context_snapshot ->> 'days' ~ '^\d{1,3}$' then (d.context_snapshot ->> 'days')::integer else 30 end as days,
      array(select t #>> '{}' from jsonb_path_query(d.context_snapshot, '$.recentActivities[*].id') as t) as activity_ids,
      array(
        select w #>> '{}' from public.ai_drafts as o, jsonb_path_query(o.written, '$[*].id') as w
        where o.client_id = d.client_id and o.created_by = d.created_by
      ) as own_ids
    from public.ai_drafts as d
    where d.id = any (p_draft_ids) and d.status in ('pending', 'edited') and jsonb_typeof(d.context_snapshot) = 'object'
  ),
  seen as (
    -- From where on every activity was told: the days asked for, or the oldest that still had room.
    select d.*, case
      when d.is_cut then coalesce(
        (select min(a.occurred_at) from crm.activities as a where a.client_id = d.client_id and a.id::text = any (d.activity_ids)),
        d.created_at
      )
      else date_trunc('day', d.created_at) - make_interval(days => d.days - 1)
    end as told_from
    from draft as d
  ),
  deal as (
    select s.id as draft_id, s.client_id, t.value as was, t.value ->> 'id' as id, coalesce(t.value ->> 'title', 'a deal') as title
    from seen as s, jsonb_path_query(s.told, '$.activeDeals[*]') as t (value)
  ),
  task as (
    select s.id as draft_id, s.client_id, t.value as was, t.value ->> 'id' as id, coalesce(t.value ->> 'title', 'a task') as title
    from seen as s, jsonb_path_query(s.told, '$.pendingTasks[*]') as t (value)
  ),
  change (draft_id, kind, entity_id, at, said) as (
    select s.id, 'new_activity', a.id::text, a.occurred_at,
      format('There is a newer %s%s', agent.clean_text(concat_ws(' ', a.direction, a.type), 60), coalesce(': ' || nullif(agent.clean_text(a.subject, 100), ''), ''))
    from seen as s
    inner join crm.activities as a on a.client_id = s.client_id and a.occurred_at >= s.told_from
    where jsonb_typeof(s.told -> 'recentActivities') = 'array' and a.id::text <> all (s.activity_ids || s.own_ids)
    union all
    select d.draft_id, 'deal_changed', d.id, null, case
      when c.id is null then format('The deal %s is gone', d.title)
      when not c.is_open then format('The deal %s is closed', d.title)
      when agent.clean_text(c.stage, 50) is distinct from d.was ->> 'stage'
        then format('The deal %s has moved from %s to %s', d.title, coalesce(d.was ->> 'stage', 'no stage'), coalesce(agent.clean_text(c.stage, 50), 'no stage'))
      when to_jsonb(c.amount) is distinct from nullif(d.was -> 'amount', 'null')
        or agent.clean_text(c.currency, 10) is distinct from d.was ->> 'currency' then format('The amount of the deal %s has changed', d.title)
      else format('The deal %s has another closing date', d.title)
    end
    from deal as d
    left join crm.deals as c on c.client_id = d.client_id and c.id::text = d.id
    where c.id is null or not c.is_open or agent.clean_text(c.stage, 50) is distinct from d.was ->> 'stage'
      or to_jsonb(c.amount) is distinct from nullif(d.was -> 'amount', 'null')
      or agent.clean_text(c.currency, 10) is distinct from d.was ->> 'currency'
      or to_jsonb(c.expected_close) is distinct from nullif(d.was -> 'expectedClose', 'null')
    union all
    select s.id, 'new_deal', c.id::text, null, format('There is a new deal, %s', agent.clean_text(c.title, 100))
    from seen as s
    inner join crm.deals as c on c.client_id = s.client_id and c.is_open
    where jsonb_typeof(s.told -> 'activeDeals') = 'array' and coalesce(s.told #>> '{omitted,deals,count}', '0') = '0'
      and not exists (select from deal as d where d.draft_id = s.id and d.id = c.id::text)
    union all
    select t.draft_id, 'task_changed', t.id, null,
      case when c.id is null or not c.is_open then format('The task %s is done', t.title) else format('The task %s is due at another time', t.title) end
    from task as t
    left join crm.tasks as c on c.client_id = t.client_id and c.id::text = t.id
    where c.id is null or not c.is_open or to_jsonb(c.due_at) is distinct from nullif(t.was -> 'dueAt', 'null')
    union all
    select s.id, 'new_order', o.id::text, o.ordered_at::timestamptz, format('There is a new order%s', coalesce(' ' || agent.clean_text(o.order_number, 60), ''))
    from seen as s
    inner join crm.orders as o on o.client_id = s.client_id
    where jsonb_typeof(s.told -> 'orderHistory') = 'array' and coalesce(s.told #>> '{omitted,orders,count}', '0') = '0'
      and not exists (select from jsonb_path_query(s.told, '$.orderHistory[*].id') as t where t #>> '{}' = o.id::text)
  ),
  ranked as (
    select c.*, row_number() over (partition by c.draft_id order by c.at desc nulls first, c.kind, c.entity_id) as place from change as c
  )
  select r.draft_id, jsonb_agg(jsonb_build_object('kind', r.kind, 'entity_id', r.entity_id, 'at', r.at, 'text', r.said || '.') order by r.place)
  from ranked as r where r.place <= 20 group by r.draft_id;
end
$$;
comment on function agent.stale_reasons(uuid[]) is
'For each of these open drafts of the caller that is out of date: what in the CRM is no longer as it was when it was written.';

-- Definer: find_unfinished looks at the caller's own address, which belongs to Supabase Auth.
create function agent.unfinished_v1(p_draft_id uuid) returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select agent.find_unfinished(d) from public.ai_drafts as d where d.id = p_draft_id and d.created_by = agent.require_person()
$$;
comment on function agent.unfinished_v1(uuid) is 'What the caller has to mend in this draft of theirs before they can approve it.';

create function public.get_draft(p_draft_id uuid) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_draft jsonb;
begin
  perform agent.require_person();
  select to_jsonb(d) || jsonb_build_object(
    'is_stale', s.reasons is not null, 'stale_reasons', coalesce(s.reasons, '[]'), 'unfinished', to_jsonb(agent.unfinished_v1(d.id)),
    'revisions', coalesce((
      select jsonb_agg(to_jsonb(r) - 'draft_id' order by r.version) from public.ai_draft_revisions as r where r.draft_id = d.id
    ), '[]')
  )
  into v_draft
  from public.ai_drafts as d
  left join agent.stale_reasons(array[p_draft_id]) as s on s.draft_id = d.id
  where d.id = p_draft_id and d.created_by = (select auth.uid());
  if v_draft is null then
    raise exception using errcode = 'PT404', message = 'There is no such draft of yours.', detail = 'draft_not_found',
      hint = 'Reload the list.';
  end if;
  return v_draft;
end
$$;
comment on function public.get_draft(uuid) is
'A draft of the caller with its edits, what keeps it from being approved, and what has changed in the CRM since it was written.';

create function public.list_drafts(
  p_client_id uuid default null, p_status text default null, p_limit integer default 50, p_before jsonb default null
) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_faults text[];
  v_before_at timestamptz;
  v_ids uuid[];
  v_page jsonb;
begin
  perform agent.require_person();
  v_faults := array_remove(array[
    case when p_status not in ('pending', 'approved', 'rejected', 'sent', 'expired', 'superseded')
      then 'p_status: use pending, approved, rejected, sent, expired or superseded, or leave it out for all.' end,
    case when p_limit between 1 and 100 is not true then 'p_limit: use 1 to 100.' end,
    case when p_before is not null and (
      jsonb_typeof(p_before) <> 'object' or agent.is_iso_time(p_before ->> 'created_at') is not true
      or p_before ->> 'id' ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' is not true
    ) then 'p_before: pass `next` of the page before.' end
  ], null);
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_argument',
      hint = 'Mend the arguments named and ask again.';
  end if;
  v_before_at := (p_before ->> 'created_at')::timestamptz;
  v_ids := array(
    select d.id from public.ai_drafts as d
    where d.created_by = (select auth.uid())
      and (p_client_id is null or d.client_id = p_client_id)
      and (v_before_at is null or (d.created_at, d.id) < (v_before_at, (p_before ->> 'id')::uuid))
      and case p_status
        when 'pending' then d.status in ('pending', 'edited') and d.expires_at > now()
        when 'sent' then d.sent_at is not null
        when 'approved' then d.status = 'approved' and d.sent_at is null
        when 'expired' then d.status = 'expired' or (d.status in ('pending', 'edited') and d.expires_at <= now())
        else p_status is null or d.status = p_status
      end
    order by d.created_at desc, d.id desc
    limit p_limit + 1
  );
  select jsonb_build_object(
    'items', coalesce(jsonb_agg(l.item order by l.created_at desc, l.id desc), '[]'),
    -- The last of this page, where one more row was found behind it.
    'next', case when cardinality(v_ids) > p_limit then (
      select jsonb_build_object('created_at', to_json(d.created_at), 'id', d.id) from public.ai_drafts as d where d.id = v_ids[p_limit]
    ) end
  )
  into v_page
  from (
    select d.id, d.created_at, to_jsonb(d) - array['context_snapshot', 'generated_subject', 'generated_content', 'written']
      || jsonb_build_object(
        'client_name', c.name, 'is_stale', s.reasons is not null, 'stale_reasons', coalesce(s.reasons, '[]')
      ) as item
    from public.ai_drafts as d
    left join crm.clients as c on c.id = d.client_id
    left join agent.stale_reasons(v_ids[:p_limit]) as s on s.draft_id = d.id
    where d.id = any (v_ids[:p_limit])
  ) as l;
  return v_page;
end
$$;
comment on function public.list_drafts(uuid, text, integer, jsonb) is
'The caller''s drafts, newest first, {items, next}: of one client and one status if named (pending: open, edited or not). p_before: next.';

revoke all on function
agent.stale_reasons(uuid[]), agent.unfinished_v1(uuid), public.get_draft(uuid), public.list_drafts(uuid, text, integer, jsonb)
from public, anon, authenticated, service_role;
grant execute on function
agent.stale_reasons(uuid[]), agent.unfinished_v1(uuid), public.get_draft(uuid), public.list_drafts(uuid, text, integer, jsonb)
to authenticated;
notify pgrst, 'reload schema';
