-- Why: the API answers a context from its memory only while Postgres says it is the newest, and tells people of their own changes.
-- Touches: new functions load_client_context and list_changes; an index each on ai_drafts and ai_draft_requests.
-- Rollout: new objects; writes to the two tables wait while their indexes are built, a second for a million rows.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- squawk-ignore require-concurrent-index-creation
create index ai_drafts_created_by_updated_at_idx on public.ai_drafts (created_by, updated_at, id);
-- squawk-ignore require-concurrent-index-creation
create index ai_draft_requests_user_id_updated_at_idx on public.ai_draft_requests (user_id, updated_at, id);

create function public.load_client_context(
  p_client_id uuid, p_days integer default 30, p_shown text default null, p_kept text default null
) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_context jsonb := public.get_client_context(p_client_id, p_days);
  v_version text := v_context ->> 'contextVersion';
begin
  -- Who has it already costs nothing more: only what is handed out anew counts.
  if v_version is distinct from p_shown then
    perform public.take_request_slot('context');
  end if;
  return jsonb_build_object('version', v_version, 'context', case when v_version not in (p_shown, p_kept) is not false then v_context end);
end
$$;
comment on function public.load_client_context(uuid, integer, text, text) is
'{version, context} for the API: context is null where version is what the reader (p_shown) or the API (p_kept) has; takes a request slot '
'unless the reader has it.';

create function public.list_changes(p_after timestamptz default null, p_after_id uuid default null, p_limit integer default 100)
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
      order by updated_at, id
      limit v_limit
    ) as c
  );
end
$$;
comment on function public.list_changes(timestamptz, uuid, integer) is
'{now, items}: the caller''s drafts and requests that changed after this place in (updated_at, id), oldest first; ids and states, no text.';

revoke all on function
public.load_client_context(uuid, integer, text, text), public.list_changes(timestamptz, uuid, integer)
from public, anon, authenticated, service_role;
grant execute on function
public.load_client_context(uuid, integer, text, text), public.list_changes(timestamptz, uuid, integer)
to authenticated;
notify pgrst, 'reload schema';
