-- Why: who watches their own changes hears of suggestions, too.
-- Touches: replaces list_changes, which answers as before and with suggestions.
-- Rollout: a body. A client that does not know the kind passes it over.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create or replace function public.list_changes(p_after timestamptz default null, p_after_id uuid default null, p_limit integer default 100)
returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := (select auth.uid());
  v_after timestamptz := coalesce(p_after, now());
  v_after_id uuid := coalesce(p_after_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  v_limit integer := least(greatest(p_limit, 1), 500);
begin
  perform agent.require_person();
  return (
    select jsonb_build_object('now', now(), 'items', coalesce(jsonb_agg(to_jsonb(c) order by c.updated_at, c.id), '[]'))
    from (
      (
        select 'draft' as kind, d.id, d.client_id, d.status as state, d.request_id, d.version, d.sent_at, d.updated_at
        from public.ai_drafts as d
        where d.created_by = v_user_id and (d.updated_at, d.id) > (v_after, v_after_id)
        order by d.updated_at, d.id limit v_limit
      )
      union all
      (
        select 'request', r.id, r.client_id, r.state, r.id, null, null, r.updated_at
        from public.ai_draft_requests as r
        where r.user_id = v_user_id and (r.updated_at, r.id) > (v_after, v_after_id)
        order by r.updated_at, r.id limit v_limit
      )
      union all
      (
        select 'suggestion', s.id, s.client_id, s.status, null, null, null, s.updated_at
        from public.agent_suggestions as s
        where s.assigned_to = v_user_id and (s.updated_at, s.id) > (v_after, v_after_id)
        order by s.updated_at, s.id limit v_limit
      )
      order by updated_at, id
      limit v_limit
    ) as c
  );
end
$$;
comment on function public.list_changes(timestamptz, uuid, integer) is
'{now, items}: the caller''s drafts, requests and suggestions that changed after this place in (updated_at, id), oldest first; ids and '
'states, no text.';
