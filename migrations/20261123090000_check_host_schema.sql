-- Why: say everything that keeps this CRM from being the ground for the account manager, before anything is changed.
-- Touches: nothing; it reads the catalog and raises one error that lists every fault.
-- Rollout: reads only, no lock that a query would not take; run it as often as you like.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

do $check$
declare
  v_faults text[] := '{}';
  v_warnings text[] := '{}';
  v_behind regclass[];
  v_tables text[];
begin
  -- The platform.
  v_faults := v_faults || array(
    select format('%s is missing: this is not a Supabase database, or an extension is switched off.', t.what)
    from (values
      ('role anon', (select true from pg_catalog.pg_roles where rolname = 'anon')),
      ('role authenticated', (select true from pg_catalog.pg_roles where rolname = 'authenticated')),
      ('role service_role', (select true from pg_catalog.pg_roles where rolname = 'service_role')),
      ('role authenticator', (select true from pg_catalog.pg_roles where rolname = 'authenticator')),
      ('table auth.users', to_regclass('auth.users') is not null),
      ('table auth.sessions', to_regclass('auth.sessions') is not null),
      ('function auth.jwt()', to_regprocedure('auth.jwt()') is not null),
      ('function auth.uid()', to_regprocedure('auth.uid()') is not null),
      ('function extensions.hmac(text, text, text) (pgcrypto)', to_regprocedure('extensions.hmac(text, text, text)') is not null),
      ('view vault.decrypted_secrets (Vault)', to_regclass('vault.decrypted_secrets') is not null)
    ) as t (what, present)
    where t.present is not true
  );

  -- The contract: crm.<name> where an adapter made it, else the table of that name in public.
  v_faults := v_faults || array(
    select case
      when r.source is null
        then format('%s has no source: make the table public.%1$s, or the view crm.%1$s in an adapter.', c.relation)
      when a.attname is null
        then format('%s lacks the column %I (%s): add it, or map it in the view crm.%s.', r.source, c.name, c.type, c.relation)
      else format('%s.%I is %s, expected %s: cast it in the view crm.%s.',
        r.source, c.name, format_type(a.atttypid, null), c.type, c.relation)
    end
    from (values
      ('clients', 'id', 'uuid'), ('clients', 'name', 'text'), ('clients', 'company', 'text'), ('clients', 'tags', 'text[]'),
      ('clients', 'owner_id', 'uuid'), ('clients', 'preferred_language', 'text'), ('clients', 'contact_preferences', 'jsonb'),
      ('contacts', 'id', 'uuid'), ('contacts', 'client_id', 'uuid'), ('contacts', 'name', 'text'), ('contacts', 'email', 'text'),
      ('contacts', 'phone', 'text'), ('contacts', 'title', 'text'), ('contacts', 'is_primary', 'boolean'),
      ('activities', 'id', 'uuid'), ('activities', 'client_id', 'uuid'), ('activities', 'contact_id', 'uuid'),
      ('activities', 'deal_id', 'uuid'), ('activities', 'type', 'text'), ('activities', 'direction', 'text'),
      ('activities', 'subject', 'text'), ('activities', 'content', 'text'), ('activities', 'sentiment', 'text'),
      ('activities', 'status', 'text'), ('activities', 'occurred_at', 'timestamp with time zone'), ('activities', 'created_by', 'uuid'),
      ('deals', 'id', 'uuid'), ('deals', 'client_id', 'uuid'), ('deals', 'owner_id', 'uuid'), ('deals', 'title', 'text'),
      ('deals', 'product', 'text'), ('deals', 'stage', 'text'), ('deals', 'amount', 'numeric'), ('deals', 'currency', 'text'),
      ('deals', 'expected_close', 'date'), ('deals', 'opened_at', 'timestamp with time zone'),
      ('deals', 'closed_at', 'timestamp with time zone'), ('deals', 'is_open', 'boolean'),
      ('tasks', 'id', 'uuid'), ('tasks', 'client_id', 'uuid'), ('tasks', 'deal_id', 'uuid'), ('tasks', 'assigned_to', 'uuid'),
      ('tasks', 'title', 'text'), ('tasks', 'description', 'text'), ('tasks', 'priority', 'text'), ('tasks', 'status', 'text'),
      ('tasks', 'due_at', 'timestamp with time zone'), ('tasks', 'is_open', 'boolean'),
      ('orders', 'id', 'uuid'), ('orders', 'client_id', 'uuid'), ('orders', 'order_number', 'text'), ('orders', 'product', 'text'),
      ('orders', 'status', 'text'), ('orders', 'total', 'numeric'), ('orders', 'currency', 'text'),
      ('orders', 'ordered_at', 'timestamp with time zone')
    ) as c (relation, name, type)
    cross join lateral (
      select coalesce(to_regclass('crm.' || c.relation), to_regclass('public.' || c.relation)) as source,
        to_regclass('crm.' || c.relation) is not null as is_adapter
    ) as r
    left join pg_catalog.pg_attribute as a on a.attrelid = r.source and a.attname = c.name and not a.attisdropped
    where (a.attname is null or format_type(a.atttypid, null) <> c.type)
      and (r.is_adapter or c.name <> 'is_open') -- our own views work it out from stage and status
      and (r.source is not null or c.name = 'id') -- one sentence for a missing relation, not one a column
  );

  v_faults := v_faults || array(
    select format('public.%s (id uuid primary key) is missing: our foreign keys go there; an adapter may supply a bridge table.', t.name)
    from (values ('clients'), ('profiles')) as t (name)
    where not exists (
      select from pg_catalog.pg_attribute as a
      inner join pg_catalog.pg_index as i
        on i.indrelid = a.attrelid and i.indisunique and i.indpred is null and i.indkey::text = a.attnum::text
      where a.attrelid = to_regclass('public.' || t.name) and a.attname = 'id' and a.atttypid = 'uuid'::regtype
    )
  );

  if to_regclass('public.profiles') is null then
    null; -- said above
  elsif not exists (
    select from pg_catalog.pg_attribute where attrelid = to_regclass('public.profiles') and attname = 'role' and not attisdropped
  ) then
    v_faults := v_faults || array['public.profiles lacks the column role: role = ''admin'' says who is an admin.'];
  elsif exists (
    select from (values ('update', 'UPDATE'), ('insert', 'INSERT')) as w (privilege, command)
    where has_column_privilege('authenticated', 'public.profiles', 'role', w.privilege) and (
      exists (select from pg_catalog.pg_class where oid = to_regclass('public.profiles') and not relrowsecurity)
      or exists (
        select from pg_catalog.pg_policies
        where schemaname = 'public' and tablename = 'profiles' and cmd in (w.command, 'ALL') and permissive = 'PERMISSIVE'
          and roles && array['authenticated', 'public']::name[]
      )
    )
  ) then
    v_faults := v_faults || array[
      'public.profiles.role can be written by the user it describes, so anyone could become an admin: '
      'revoke insert and update on the table from authenticated and grant them on the other columns.'
    ];
  end if;

  -- The tables behind the contract, through any number of views.
  v_behind := array(
    with recursive behind (relid) as (
      select coalesce(to_regclass('crm.' || t.name), to_regclass('public.' || t.name))::oid
      from (values ('clients'), ('contacts'), ('activities'), ('deals'), ('tasks'), ('orders')) as t (name)
      union
      select d.refobjid
      from behind as b
      inner join pg_catalog.pg_rewrite as w on w.ev_class = b.relid
      inner join pg_catalog.pg_depend as d
        on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass and d.refobjid <> b.relid
    )
    select b.relid::regclass from behind as b where b.relid is not null
  );
  v_tables := array(
    select b.relid::text from unnest(v_behind) as b (relid)
    inner join pg_catalog.pg_class as c on c.oid = b.relid and c.relkind in ('r', 'p')
  );
  v_faults := v_faults || array(
    select case c.relkind
      when 'v' then format('view %s is read with its owner''s rights, past the policies behind it: set security_invoker = true.', b.relid)
      when 'm' then format('%s is a materialized view, which has no row-level security: use a view with security_invoker = true.', b.relid)
      when 'f' then format('%s is a foreign table, which has no row-level security: copy it into a table that has.', b.relid)
      else format('%s has no row-level security, and all behind crm.* is read under the user''s own rights: enable it.', b.relid)
    end
    from unnest(v_behind) as b (relid)
    inner join pg_catalog.pg_class as c on c.oid = b.relid
    where case c.relkind
      when 'v' then not coalesce((
        select o.option_value::boolean from pg_catalog.pg_options_to_table(c.reloptions) as o where o.option_name = 'security_invoker'
      ), false)
      when 'r' then not c.relrowsecurity
      when 'p' then not c.relrowsecurity
      else true
    end
  );

  -- An adapter that has views over tables of other shapes brings the functions that write to them, too.
  v_faults := v_faults || array(
    select format('crm.%s is missing, and the default one writes to public.%s (%s), which is not so here: make it in the adapter.',
      f.name, f.relation, array_to_string(f.columns, ', '))
    from (values
      ('log_activity', 'activities',
        '{client_id,type,direction,subject,content,contact_id,deal_id,occurred_at,created_by}'::name[]),
      ('create_task', 'tasks', '{client_id,title,description,due_at,priority,deal_id,assigned_to}'),
      ('set_deal_stage', 'deals', '{id,stage}')
    ) as f (name, relation, columns)
    where to_regclass('crm.' || f.relation) is not null
      and not exists (
        select from pg_catalog.pg_proc where pronamespace = to_regnamespace('crm') and proname in (f.name)
      )
      and not f.columns <@ array(
        select attname from pg_catalog.pg_attribute where attrelid = to_regclass('public.' || f.relation) and not attisdropped
      )
  );

  -- Names that are ours.
  v_faults := v_faults || array(
    select 'schema agent exists already: is the account manager installed here, or does something else use its name?'
    from pg_catalog.pg_namespace where nspname = 'agent'
  );
  v_faults := v_faults || array(
    select format('public.%I exists already and has one of our names: rename it, or drop it if it is a left-over.', relname)
    from pg_catalog.pg_class
    where relnamespace = 'public'::regnamespace and relname = any (array[
      'ai_drafts', 'ai_draft_requests', 'ai_draft_revisions', 'agent_suggestions', 'ai_feedback', 'ai_interactions', 'ai_prompts',
      'ai_prompt_versions', 'ai_experiments', 'ai_experiment_arms', 'ai_settings', 'ai_budgets', 'ai_consents', 'ai_exports',
      'ai_alerts', 'client_insights', 'deal_stage_history'
    ])
  );
  v_faults := v_faults || array(
    select format('function %s exists already and has one of our names: rename it.', oid::regprocedure)
    from pg_catalog.pg_proc
    where pronamespace = 'public'::regnamespace and proname = any (array[
      'get_client_context', 'request_draft', 'approve_draft', 'reject_draft', 'claim_jobs', 'claim_job', 'heartbeat_job', 'fail_job',
      'complete_draft_job'
    ])
  );

  -- What a DBA should know; none of it opens a way in for the agent.
  v_warnings := v_warnings || array(
    select format('%s runs with its owner''s rights and names %s: it may show more than policies do.', p.oid::regprocedure, t.name)
    from unnest(v_tables) as t (name)
    inner join pg_catalog.pg_proc as p on p.prosrc ~ ('\m' || regexp_replace(t.name, '^.*\.', '') || '\M')
    inner join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where p.prosecdef and has_function_privilege('authenticated', p.oid, 'execute')
      and n.nspname not in ('pg_catalog', 'information_schema', 'auth', 'vault')
  );
  v_warnings := v_warnings || array(
    select distinct format('view %s over %s is read with its owner''s rights: set security_invoker = true.', v.oid::regclass, t.name)
    from unnest(v_tables) as t (name)
    inner join pg_catalog.pg_depend as d
      on d.refclassid = 'pg_class'::regclass and d.refobjid = t.name::regclass and d.classid = 'pg_rewrite'::regclass
    inner join pg_catalog.pg_rewrite as w on w.oid = d.objid
    inner join pg_catalog.pg_class as v on v.oid = w.ev_class and v.relkind in ('v', 'm')
    where not coalesce((
      select o.option_value::boolean from pg_catalog.pg_options_to_table(v.reloptions) as o where o.option_name = 'security_invoker'
    ), false)
      and v.oid <> all (v_behind)
      and has_table_privilege('authenticated', v.oid, 'select')
  );

  if cardinality(v_warnings) > 0 then
    raise warning using message = format('%s things to look at in this database.', cardinality(v_warnings)),
      detail = array_to_string(v_warnings, E'\n');
  end if;
  if cardinality(v_faults) > 0 then
    raise exception using
      message = format('The account manager cannot be installed yet; faults: %s. Nothing was changed.', cardinality(v_faults)),
      detail = array_to_string(v_faults, E'\n'),
      hint = 'Mend them all, then run the migrations again. docs/architecture.md describes the contract.';
  end if;
end
$check$;
