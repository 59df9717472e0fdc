-- Why: a person accepts what is proposed, which does it in one transaction, and can take that back; or dismisses or snoozes it.
-- Touches: new functions accept_suggestion, undo_suggestion, dismiss_suggestion, snooze_suggestion.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Definer, all of the next: nobody may write suggestions. Each takes a person with a live sign-in and locks the row.
create function agent.lock_suggestion_v1(p_suggestion_id uuid) returns public.agent_suggestions
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_live_session();
  v_suggestion public.agent_suggestions;
begin
  select * into v_suggestion from public.agent_suggestions where id = p_suggestion_id and assigned_to = v_user_id for update;
  if not found then
    raise exception using errcode = 'PT404', message = 'There is no such suggestion of yours.', detail = 'suggestion_not_found',
      hint = 'Reload the list.';
  end if;
  return v_suggestion;
end
$$;
comment on function agent.lock_suggestion_v1(uuid) is 'The caller''s suggestion, locked, or PT404.';

create function agent.require_open(p_suggestion public.agent_suggestions) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if p_suggestion.status <> 'pending' then
    raise exception using errcode = 'PT409', message = format('This suggestion is %s.', p_suggestion.status),
      detail = 'suggestion_closed: ' || p_suggestion.status, hint = 'Reload the list.';
  end if;
end
$$;
comment on function agent.require_open(public.agent_suggestions) is 'PT409 suggestion_closed unless it is pending. Granted to nobody.';

create function agent.begin_accept_v1(p_suggestion_id uuid) returns public.agent_suggestions
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_suggestion public.agent_suggestions;
begin
  v_suggestion := agent.lock_suggestion_v1(p_suggestion_id);
  if v_suggestion.status = 'accepted' then
    return v_suggestion; -- done before: the same answer again
  end if;
  perform agent.require_open(v_suggestion);
  update public.agent_suggestions
  set status = 'accepted', resolved_at = now(), resolved_by = v_suggestion.assigned_to, snoozed_until = null, updated_at = now()
  where id = p_suggestion_id;
  return v_suggestion;
end
$$;
comment on function agent.begin_accept_v1(uuid) is
'The suggestion as it was, now accepted by the caller; what follows in this transaction does it.';

create function agent.finish_accept_v1(p_suggestion_id uuid, p_result jsonb) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  -- Only where this transaction accepted it.
  update public.agent_suggestions set result = p_result
  where id = p_suggestion_id and assigned_to = (select auth.uid()) and status = 'accepted' and resolved_at = now() and result is null;
  perform agent.append_audit('suggestion_accepted', 'agent_suggestion', s.id, s.client_id, null,
    jsonb_build_object('rule_key', s.rule_key, 'kind', s.action_data -> 'kind'))
  from public.agent_suggestions as s where s.id = p_suggestion_id and found;
end
$$;
comment on function agent.finish_accept_v1(uuid, jsonb) is 'Notes what accepting created, for undo.';

-- Invoker: what accepting does, it does with the rights of who accepts.
create function agent.execute_action(p_suggestion public.agent_suggestions) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_action jsonb := coalesce(p_suggestion.action_data, '{}');
  v_deal_id uuid := (v_action ->> 'deal_id')::uuid;
  v_stage text;
  v_request public.ai_draft_requests;
begin
  case v_action ->> 'kind'
    when 'draft' then
      v_request := public.request_draft(
        p_client_id => p_suggestion.client_id, p_draft_type => v_action ->> 'draft_type', p_purpose => v_action ->> 'purpose',
        p_hints => v_action ->> 'hints', p_contact_id => (v_action ->> 'contact_id')::uuid, p_deal_id => v_deal_id
      );
      return jsonb_build_object('kind', 'draft', 'request_id', v_request.id);
    when 'task', 'call' then
      return crm.create_task(
        p_client_id => p_suggestion.client_id, p_title => v_action ->> 'title',
        p_description => coalesce(v_action ->> 'description', p_suggestion.reasoning),
        p_due_at => now() + make_interval(days => coalesce((v_action ->> 'due_in_days')::integer, 1)),
        p_priority => coalesce(v_action ->> 'priority', 'medium'), p_deal_id => v_deal_id
      );
    when 'activity' then
      return crm.log_activity(
        p_client_id => p_suggestion.client_id, p_type => coalesce(v_action ->> 'type', 'note'), p_direction => null,
        p_subject => v_action ->> 'title', p_content => v_action ->> 'description', p_deal_id => v_deal_id
      );
    when 'deal_stage' then
      select d.stage into v_stage from crm.deals as d where d.id = v_deal_id;
      if v_stage is distinct from v_action ->> 'from' then
        raise exception using errcode = 'PT409', message = format('The deal is in stage %s by now.', coalesce(v_stage, 'unknown')),
          detail = 'suggestion_stale', hint = 'Reload the list.';
      end if;
      return crm.set_deal_stage(p_deal_id => v_deal_id, p_stage => v_action ->> 'to');
    else
      raise exception using errcode = 'PT409', message = 'This suggestion proposes nothing that could be done for you.',
        detail = 'no_action', hint = 'Do it yourself, then dismiss it.';
  end case;
end
$$;
comment on function agent.execute_action(public.agent_suggestions) is
'Does what a suggestion proposes, as the caller: asks for the draft, creates the task, logs the activity or moves the deal. Returns what '
'undo needs.';

create function public.accept_suggestion(p_suggestion_id uuid) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_suggestion public.agent_suggestions := agent.begin_accept_v1(p_suggestion_id);
  v_result jsonb := v_suggestion.result;
begin
  if v_suggestion.status <> 'accepted' then
    v_result := agent.execute_action(v_suggestion);
    perform agent.finish_accept_v1(p_suggestion_id, v_result);
  end if;
  return jsonb_build_object('id', p_suggestion_id, 'status', 'accepted', 'result', v_result - 'row');
end
$$;
comment on function public.accept_suggestion(uuid) is
'A person accepts what is proposed to them, and it is done in the same transaction, once; returns {id, status, result}. Again: the same '
'answer.';

-- What has become of a draft that accepting asked for, and how far it can be taken back.
create function agent.undo_draft(p_request_id uuid) returns text
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_request public.ai_draft_requests;
  v_draft public.ai_drafts;
begin
  select * into v_request from public.ai_draft_requests where id = p_request_id;
  if v_request.state in ('queued', 'running') then
    v_request := public.cancel_request(p_request_id);
  end if;
  select * into v_draft from public.ai_drafts where request_id = p_request_id;
  if v_draft.id is null or v_draft.status in ('rejected', 'expired', 'superseded') then
    return null;
  elsif v_draft.status = 'approved' or v_draft.version > 1 then
    return format('the draft has been %s', case when v_draft.sent_at is not null then 'sent' when v_draft.status = 'approved' then 'approved'
      else 'edited' end);
  end if;
  perform public.delete_drafts(array[v_draft.id]);
  return null;
end
$$;
comment on function agent.undo_draft(uuid) is
'Calls a request off, or deletes its draft that nobody has touched; else says what has been done with it.';

create function agent.begin_undo_v1(p_suggestion_id uuid) returns public.agent_suggestions
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_suggestion public.agent_suggestions;
begin
  v_suggestion := agent.lock_suggestion_v1(p_suggestion_id);
  if v_suggestion.status not in ('accepted', 'dismissed') then
    raise exception using errcode = 'PT409', message = format('This suggestion is %s: there is nothing to undo.', v_suggestion.status),
      detail = 'suggestion_closed: ' || v_suggestion.status, hint = 'Reload the list.';
  end if;
  update public.agent_suggestions
  set status = 'pending', resolved_at = null, resolved_by = null, result = null, dismiss_reason = null, updated_at = now()
  where id = p_suggestion_id;
  -- Looked at again, since its reason may be gone.
  update agent.client_watches set due_at = now() where user_id = v_suggestion.assigned_to and client_id = v_suggestion.client_id;
  perform agent.append_audit('suggestion_undone', 'agent_suggestion', v_suggestion.id, v_suggestion.client_id, null,
    jsonb_build_object('from', v_suggestion.status));
  return v_suggestion;
end
$$;
comment on function agent.begin_undo_v1(uuid) is
'The suggestion as it was, now pending again; what follows in this transaction takes it back.';

create function public.undo_suggestion(p_suggestion_id uuid) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_suggestion public.agent_suggestions := agent.begin_undo_v1(p_suggestion_id);
  v_result jsonb := v_suggestion.result;
  v_moved_on text;
begin
  if v_suggestion.status = 'accepted' and v_result is not null then
    if v_result ->> 'kind' = 'draft' then
      v_moved_on := agent.undo_draft((v_result ->> 'request_id')::uuid);
    elsif crm.undo(v_result) is not true then
      v_moved_on := format('the %s has been changed or deleted', case v_result ->> 'kind' when 'deal_stage' then 'deal' else v_result ->> 'kind' end);
    end if;
  end if;
  -- It takes all of the above back with it.
  if v_moved_on is not null then
    raise exception using errcode = 'PT409', message = format('This cannot be undone any more: %s since.', v_moved_on),
      detail = 'moved_on: ' || (v_result ->> 'kind'), hint = 'Change it by hand.';
  end if;
  return jsonb_build_object('id', p_suggestion_id, 'status', 'pending');
end
$$;
comment on function public.undo_suggestion(uuid) is
'A person takes back what accepting or dismissing did; it is pending again. PT409 moved_on, and nothing changed, where somebody has '
'gone on from there.';

create function agent.dismiss_suggestion_v1(p_suggestion_id uuid, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_suggestion public.agent_suggestions;
begin
  if length(p_reason) > 500 then
    raise exception using errcode = 'PT400', message = format('p_reason has %s characters.', length(p_reason)),
      detail = 'invalid_argument: p_reason', hint = 'Use at most 500.';
  end if;
  v_suggestion := agent.lock_suggestion_v1(p_suggestion_id);
  if v_suggestion.status <> 'dismissed' then
    perform agent.require_open(v_suggestion);
    update public.agent_suggestions
    set status = 'dismissed', resolved_at = now(), resolved_by = v_suggestion.assigned_to, snoozed_until = null,
      dismiss_reason = nullif(btrim(p_reason), ''), updated_at = now()
    where id = p_suggestion_id;
    -- Another one may take its place.
    update agent.client_watches set due_at = now() where user_id = v_suggestion.assigned_to and client_id = v_suggestion.client_id;
    perform agent.append_audit('suggestion_dismissed', 'agent_suggestion', v_suggestion.id, v_suggestion.client_id, null,
      jsonb_build_object('rule_key', v_suggestion.rule_key));
  end if;
  return jsonb_build_object('id', p_suggestion_id, 'status', 'dismissed');
end
$$;
comment on function agent.dismiss_suggestion_v1(uuid, text) is 'Behind dismiss_suggestion.';

create function public.dismiss_suggestion(p_suggestion_id uuid, p_reason text default null) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.dismiss_suggestion_v1(p_suggestion_id, p_reason) $$;
comment on function public.dismiss_suggestion(uuid, text) is
'A person does not want what is proposed, with a reason if they like. It stays away while its evidence is the same, and rules that are '
'dismissed often rank lower.';

create function agent.snooze_suggestion_v1(p_suggestion_id uuid, p_until timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_suggestion public.agent_suggestions;
begin
  if (p_until > now() and p_until <= now() + interval '1 year') is not true then
    raise exception using errcode = 'PT400', message = 'p_until is not within the next year.', detail = 'invalid_argument: p_until',
      hint = 'Name a time from now to a year from now.';
  end if;
  v_suggestion := agent.lock_suggestion_v1(p_suggestion_id);
  perform agent.require_open(v_suggestion);
  update public.agent_suggestions set snoozed_until = p_until, updated_at = now() where id = p_suggestion_id;
  update agent.client_watches set due_at = now() where user_id = v_suggestion.assigned_to and client_id = v_suggestion.client_id;
  perform agent.append_audit('suggestion_snoozed', 'agent_suggestion', v_suggestion.id, v_suggestion.client_id);
  return jsonb_build_object('id', p_suggestion_id, 'status', 'pending', 'snoozed_until', p_until);
end
$$;
comment on function agent.snooze_suggestion_v1(uuid, timestamptz) is 'Behind snooze_suggestion.';

create function public.snooze_suggestion(p_suggestion_id uuid, p_until timestamptz) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.snooze_suggestion_v1(p_suggestion_id, p_until) $$;
comment on function public.snooze_suggestion(uuid, timestamptz) is 'A person puts a suggestion off until a time within a year.';

revoke all on function
agent.lock_suggestion_v1(uuid), agent.require_open(public.agent_suggestions), agent.begin_accept_v1(uuid),
agent.finish_accept_v1(uuid, jsonb), agent.execute_action(public.agent_suggestions), public.accept_suggestion(uuid),
agent.undo_draft(uuid), agent.begin_undo_v1(uuid), public.undo_suggestion(uuid), agent.dismiss_suggestion_v1(uuid, text),
public.dismiss_suggestion(uuid, text), agent.snooze_suggestion_v1(uuid, timestamptz), public.snooze_suggestion(uuid, timestamptz)
from public, anon, authenticated, service_role;
grant execute on function
agent.begin_accept_v1(uuid), agent.finish_accept_v1(uuid, jsonb), agent.execute_action(public.agent_suggestions),
public.accept_suggestion(uuid), agent.undo_draft(uuid), agent.begin_undo_v1(uuid), public.undo_suggestion(uuid),
agent.dismiss_suggestion_v1(uuid, text), public.dismiss_suggestion(uuid, text), agent.snooze_suggestion_v1(uuid, timestamptz),
public.snooze_suggestion(uuid, timestamptz)
to authenticated;
notify pgrst, 'reload schema';
