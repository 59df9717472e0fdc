-- Why: a model's text carries no link, image or markup into the table, and nobody approves a gap to be filled in or a stranger's address.
-- Touches: new functions; replaces complete_draft_job and approve_draft_v1.
-- Rollout: new bodies only. Drafts of today that hold such things can be edited or rejected, not approved.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function agent.has_markup(p_text text) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  -- A scheme, a host that begins with www, a Markdown link or image, a reference, a tag or an entity; escaped (\<) they are text.
  select p_text ~* '[a-z][a-z0-9+.-]*://|\m(javascript|vbscript|data|mailto|tel|sms):\S|\mwww\.\w'
    or p_text ~ '(?<!\\)\]\(|(?<!\\)\]\s?\[|^\s*\[[^\]]+\]:|(?<!\\)<[A-Za-z/!?]|(?<!\\)&#?[A-Za-z0-9]+;'
$$;
comment on function agent.has_markup(text) is
'Whether this Markdown has more than paragraphs, lists and emphasis: something to follow, load or render.';

create function agent.find_unfinished(p_draft public.ai_drafts) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with written (text) as (select concat_ws(E'\n', p_draft.subject, replace(p_draft.content, '\', ''))),
  gaps as (
    select g.found[1] as what
    from written as w,
      regexp_matches(
        w.text, '(\[[^][\n]{0,79}[[:alpha:]][^][\n]{0,79}\]|\{\{[^{}\n]{1,80}\}\}|\mlorem ipsum\M|\m(?:TODO|TBD|XXX+)\M)', 'g'
      ) as g (found)
  ),
  strangers as (
    select a.found[1] as what
    from written as w, regexp_matches(w.text, '([[:alnum:]._%+-]+@[[:alnum:]-]+(?:\.[[:alnum:]-]+)+)', 'g') as a (found)
    where not exists (select from crm.contacts as k where k.client_id = p_draft.client_id and lower(k.email) = lower(a.found[1]))
      and not exists (select from auth.users as u where u.id = p_draft.created_by and lower(u.email) = lower(a.found[1]))
  )
  select coalesce(array_agg(distinct left(f.what, 80) order by left(f.what, 80)), '{}')
  from (select what from gaps union all select what from strangers) as f
$$;
comment on function agent.find_unfinished(public.ai_drafts) is
'What a person has to mend first: gaps such as [Your Name], and addresses that are neither a contact''s of this client nor their own.';

create or replace function public.complete_draft_job(
  p_content text, p_subject text default null, p_details jsonb default '{}', p_language text default 'en', p_context jsonb default null,
  p_provider text default 'offline', p_model text default null, p_usage jsonb default '{}', p_grounding jsonb default null
) returns uuid
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_job record;
  v_draft_id uuid := gen_random_uuid();
  v_type text;
  v_content text := agent.clean_text(p_content, 20000);
  v_subject text := nullif(translate(agent.clean_text(p_subject, 300), E'\n', ' '), '');
  v_recipient text;
  v_faults text[];
begin
  select * into v_job from agent.begin_complete_v1();
  if v_job.result_id is not null then
    return v_job.result_id;
  end if;
  if not exists (select from crm.clients as c where c.id = v_job.client_id) then
    raise exception using errcode = 'PT404', message = 'The user who asked no longer sees this client.', detail = 'client_not_found',
      hint = 'fail_job with access_lost.';
  end if;

  v_type := v_job.payload ->> 'draft_type';
  v_faults := array_remove(array[
    case when coalesce(v_content, '') = '' then 'p_content is empty: write something.' end,
    case when length(p_content) > 20000 then format('p_content has %s characters: 20000 is the most.', length(p_content)) end,
    case when length(p_subject) > 300 then format('p_subject has %s characters: 300 is the most.', length(p_subject)) end,
    case when v_type in ('email', 'task') and v_subject is null then format('p_subject is empty: an %s needs one.', v_type) end,
    case when jsonb_typeof(p_details) is distinct from 'object' then 'p_details is not an object.' end,
    case when octet_length(p_details::text) > 8192 then 'p_details is larger than 8 KiB.' end,
    case when p_details ->> 'priority' not in ('low', 'medium', 'high') then 'p_details.priority: use low, medium or high.' end,
    case when agent.is_iso_time(p_details ->> 'due_at') is false
      then 'p_details.due_at: use an ISO 8601 time with its zone.' end,
    case when agent.has_markup(v_content) then 'p_content holds a link, an image or markup: take it out.' end,
    case when agent.has_markup(v_subject) then 'p_subject holds a link, an image or markup: take it out.' end,
    case when p_language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' is not true then 'p_language: use a language tag such as en.' end,
    case when p_provider ~ '^[a-z][a-z0-9_-]{0,39}$' is not true then 'p_provider: use a short lower-case name.' end,
    case when agent.is_usage(p_usage) is not true then 'p_usage is not an object of whole numbers.' end,
    case when octet_length(p_context::text) > 262144 then 'p_context is larger than 256 KiB.' end,
    case when octet_length(p_grounding::text) > 262144 then 'p_grounding is larger than 256 KiB.' end
  ], null);
  if cardinality(v_faults) > 0 then
    raise exception using errcode = 'PT400', message = array_to_string(v_faults, ' '), detail = 'invalid_output',
      hint = 'fail_job with invalid_output, or mend it and complete again.';
  end if;

  -- The address comes from the CRM row that the user chose, whatever the text says.
  if v_type = 'email' then
    select k.email into v_recipient from crm.contacts as k
    where k.id = (v_job.payload ->> 'contact_id')::uuid and k.client_id = v_job.client_id;
  end if;
  insert into public.ai_drafts (
    id, client_id, draft_type, subject, content, context_snapshot, created_by, purpose, contact_id, deal_id, task_id, recipient, details,
    language, generated_subject, generated_content, request_id, provider, model, context_version, grounding, expires_at
  ) values (
    v_draft_id, v_job.client_id, v_type, v_subject, v_content, p_context, (select auth.uid()), v_job.payload ->> 'purpose',
    (v_job.payload ->> 'contact_id')::uuid, (v_job.payload ->> 'deal_id')::uuid, (v_job.payload ->> 'task_id')::uuid, v_recipient,
    p_details, p_language, v_subject, v_content, v_job.request_id, p_provider, left(p_model, 100), p_context ->> 'contextVersion',
    p_grounding, now() + make_interval(days => agent.draft_expiry_days())
  );
  perform agent.finish_complete_v1(v_draft_id, p_provider, p_model, p_usage);
  return v_draft_id;
end
$$;

create or replace function agent.approve_draft_v1(p_draft_id uuid, p_content_hash text) returns public.ai_drafts
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := agent.require_live_session();
  v_draft public.ai_drafts := agent.lock_open_draft(p_draft_id, v_user_id);
  v_unfinished text[];
begin
  if v_draft.content_hash is distinct from p_content_hash then
    raise exception using errcode = 'PT409', message = 'The text has changed since it was shown to you.', detail = 'draft_changed',
      hint = 'Read it as it is now, then approve with its content_hash.';
  end if;
  v_unfinished := agent.find_unfinished(v_draft);
  if cardinality(v_unfinished) > 0 then
    raise exception using errcode = 'PT409',
      message = format('This cannot be approved as it stands: %s.', array_to_string(v_unfinished, ', ')),
      detail = 'draft_unfinished: ' || cardinality(v_unfinished),
      hint = 'Fill in what is in brackets, and use only addresses of this client''s contacts.';
  end if;
  update public.ai_drafts
  set status = 'approved', approved_by = v_user_id, approved_at = now(), updated_at = now()
  where id = p_draft_id
  returning * into v_draft;
  perform agent.append_audit('draft_approved', 'ai_draft', v_draft.id, v_draft.client_id, null,
    jsonb_build_object('content_hash', v_draft.content_hash, 'version', v_draft.version));
  return v_draft;
end
$$;

revoke all on function agent.has_markup(text), agent.find_unfinished(public.ai_drafts) from public, anon, authenticated, service_role;
grant execute on function agent.has_markup(text) to authenticated;
