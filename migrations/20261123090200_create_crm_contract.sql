-- Why: one shape of CRM for everything above it; the adapter seam.
-- Touches: schema crm only. A view or function that an adapter already made is left alone.
-- Rollout: new objects only; reads the host's tables' definitions.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

do $views$
declare
  v_view record;
begin
  for v_view in
    select * from (values
      ('clients', $v$select id, name, company, tags, owner_id, preferred_language, contact_preferences from public.clients$v$),
      ('contacts', $v$select id, client_id, name, email, phone, title, is_primary from public.contacts$v$),
      ('activities', $v$select id, client_id, contact_id, deal_id, type, direction, subject, content, sentiment, status, occurred_at,
        created_by from public.activities$v$),
      ('deals', $v$select id, client_id, owner_id, title, product, stage, amount, currency, expected_close, opened_at, closed_at,
        stage not in ('won', 'lost') as is_open from public.deals$v$),
      ('tasks', $v$select id, client_id, deal_id, assigned_to, title, description, priority, status, due_at,
        status = 'open' as is_open from public.tasks$v$),
      ('orders', $v$select id, client_id, order_number, product, status, total, currency, ordered_at from public.orders$v$)
    ) as v (name, query)
    where to_regclass('crm.' || v.name) is null
  loop
    execute format('create view crm.%I with (security_invoker = true) as %s', v_view.name, v_view.query);
    execute format('comment on view crm.%I is %L', v_view.name,
      'Read by the account manager under the user''s own row-level security.');
  end loop;

  -- An adapter's view with its owner's rights would show every user everything.
  for v_view in
    select c.oid::regclass as name
    from pg_catalog.pg_class as c
    where c.relnamespace = 'crm'::regnamespace and c.relkind = 'v'
      and not coalesce((
        select o.option_value::boolean from pg_catalog.pg_options_to_table(c.reloptions) as o where o.option_name = 'security_invoker'
      ), false)
  loop
    raise exception 'view % must be created with (security_invoker = true)', v_view.name
      using hint = 'Otherwise it is read with its owner''s rights, past the policies of the tables behind it.';
  end loop;
end
$views$;

-- What a person's approval writes into the CRM. Invoker: their own policies decide. Each returns what crm.undo needs; a row's
-- text depends on time zone and date style, which a request may choose, so they are fixed where it is hashed.
do $functions$
begin
  if not exists (select from pg_catalog.pg_proc where pronamespace = 'crm'::regnamespace and proname = 'log_activity') then
    create function crm.log_activity(
      p_client_id uuid, p_type text, p_direction text, p_subject text, p_content text, p_contact_id uuid default null,
      p_deal_id uuid default null, p_occurred_at timestamptz default now()
    ) returns jsonb
    language sql volatile set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD'
    as $f$
      insert into public.activities (client_id, type, direction, subject, content, contact_id, deal_id, occurred_at, created_by)
      values (p_client_id, p_type, p_direction, p_subject, p_content, p_contact_id, p_deal_id, p_occurred_at, (select auth.uid()))
      returning jsonb_build_object('kind', 'activity', 'id', id, 'row', md5(activities::text))
    $f$;
  end if;

  if not exists (select from pg_catalog.pg_proc where pronamespace = 'crm'::regnamespace and proname = 'create_task') then
    create function crm.create_task(
      p_client_id uuid, p_title text, p_description text, p_due_at timestamptz default null, p_priority text default 'medium',
      p_deal_id uuid default null, p_assigned_to uuid default null
    ) returns jsonb
    language sql volatile set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD'
    as $f$
      insert into public.tasks (client_id, title, description, due_at, priority, deal_id, assigned_to)
      values (p_client_id, p_title, p_description, p_due_at, p_priority, p_deal_id, coalesce(p_assigned_to, (select auth.uid())))
      returning jsonb_build_object('kind', 'task', 'id', id, 'row', md5(tasks::text))
    $f$;
  end if;

  if not exists (select from pg_catalog.pg_proc where pronamespace = 'crm'::regnamespace and proname = 'set_deal_stage') then
    create function crm.set_deal_stage(p_deal_id uuid, p_stage text) returns jsonb
    language plpgsql volatile set search_path = ''
    as $f$
    declare
      v_before text;
    begin
      select stage into v_before from public.deals where id = p_deal_id for update;
      if not found then
        raise exception using errcode = 'PT404', message = 'There is no such deal among those you may change.',
          detail = 'deal_not_found', hint = 'Reload the client.';
      end if;
      update public.deals set stage = p_stage where id = p_deal_id;
      return jsonb_build_object('kind', 'deal_stage', 'id', p_deal_id, 'from', v_before, 'to', p_stage);
    end
    $f$;
  end if;

  if not exists (select from pg_catalog.pg_proc where pronamespace = 'crm'::regnamespace and proname = 'undo') then
    create function crm.undo(p_result jsonb) returns boolean
    language plpgsql volatile set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD'
    as $f$
    declare
      v_id uuid := (p_result ->> 'id')::uuid;
    begin
      case p_result ->> 'kind'
        when 'activity' then
          delete from public.activities where id = v_id and md5(activities::text) = p_result ->> 'row';
        when 'task' then
          delete from public.tasks where id = v_id and md5(tasks::text) = p_result ->> 'row';
        when 'deal_stage' then
          update public.deals set stage = p_result ->> 'from' where id = v_id and stage = p_result ->> 'to';
        else
          raise exception using errcode = 'PT400', message = 'This is not a result of a write-back function.',
            detail = 'unknown_result', hint = 'Pass the jsonb exactly as the function returned it.';
      end case;
      return found;
    end
    $f$;
  end if;
end
$functions$;

comment on function crm.log_activity is 'Adds one activity as the caller. Returns {kind, id, row} for crm.undo.';
comment on function crm.create_task is 'Adds one task as the caller, theirs unless assigned. Returns {kind, id, row} for crm.undo.';
comment on function crm.set_deal_stage is 'Moves a deal as the caller. Returns {kind, id, from, to} for crm.undo.';
comment on function crm.undo is 'Takes back one result; false, and nothing changed, if somebody has changed the row since.';

do $rights$
declare
  v_object record;
begin
  for v_object in
    select format('table crm.%I', c.relname) as name, 'select' as privilege
    from pg_catalog.pg_class as c
    where c.relnamespace = 'crm'::regnamespace
      and c.relname in ('clients', 'contacts', 'activities', 'deals', 'tasks', 'orders')
    union all
    select format('function %s', p.oid::regprocedure), 'execute'
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'crm'::regnamespace and p.proname in ('log_activity', 'create_task', 'set_deal_stage', 'undo')
  loop
    execute format('revoke all on %s from public, anon, authenticated, service_role', v_object.name);
    execute format('grant %s on %s to authenticated', v_object.privilege, v_object.name);
  end loop;
end
$rights$;
