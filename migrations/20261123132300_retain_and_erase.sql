-- Why: what AI wrote and was asked for goes after so many days, or when the client asks, and whoever asks what is kept gets all of it.
-- Touches: a column of ai_settings; new table agent.data_tables; new functions erase_client_ai_data, export_client_data; run_maintenance
-- knows the tasks retention, audit and anchors.
-- Rollout: new objects and a body; the new column has a constant default. The first runs delete what is older than 90 days, in batches.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

alter table public.ai_settings
add column retention_days integer not null default 90,
add constraint ai_settings_retention_days_check check (retention_days between 1 and 3650) not valid;
comment on column public.ai_settings.retention_days is 'Drafts, requests, snapshots and job payloads go when they are so old.';

insert into agent.failure_codes (code, retryable, sentence) values
('too_old', false, 'This waited too long and was given up. You can ask again.'),
('client_erased', false, 'The client''s data was erased. Nothing was written.');

create table agent.data_tables (
  relation text primary key,
  place smallint not null,
  client_id text,
  user_id text,
  aged_at text,
  keep_for interval,
  on_age text,
  on_erase text,
  kept text,
  constraint data_tables_on_age_check check ((on_age is null) = (aged_at is null)),
  constraint data_tables_kept_check check (on_erase is not null or kept is not null),
  constraint data_tables_on_erase_check check (on_erase is null or client_id is not null)
);
comment on table agent.data_tables is
'Every table of ours, and what retention and erasure do with it. SQL for its row t; only the owner writes here, in migrations. '
'A table that a later migration brings is listed before or after it is there; one that is not there is passed over.';
comment on column agent.data_tables.place is 'Erased in this order: what points to others goes first.';
comment on column agent.data_tables.client_id is 'The row''s client; null where there is none.';
comment on column agent.data_tables.user_id is 'The row''s user, whose hold counts, too.';
comment on column agent.data_tables.aged_at is 'From when the row''s age counts; null where the row is still needed.';
comment on column agent.data_tables.keep_for is 'Null: ai_settings.retention_days.';
comment on column agent.data_tables.on_age is '"delete", or what is set on the row.';
comment on column agent.data_tables.on_erase is 'The same for an erasure.';
comment on column agent.data_tables.kept is 'Why something of it, or all of it, stays.';

insert into agent.data_tables (relation, place, client_id, user_id, aged_at, keep_for, on_age, on_erase, kept) values
(
  'public.ai_draft_revisions', 1, '(select d.client_id from public.ai_drafts as d where d.id = t.draft_id)', 't.edited_by',
  't.created_at', null, 'delete', 'delete', null
),
('public.ai_drafts', 2, 't.client_id', 't.created_by', 't.created_at', null, 'delete', 'delete', null),
('public.ai_draft_requests', 3, 't.client_id', 't.user_id', 't.created_at', null, 'delete', 'delete', null),
(
  'agent.jobs', 4, 't.client_id', 't.user_id', 'case when t.payload <> ''{}'' then t.created_at end', null, 'payload = ''{}''',
  'payload = ''{}''', 'Ids, times and outcome are the books.'
),
(
  'public.deal_stage_history', 5, 't.client_id', 't.changed_by', null, null, null, 'delete',
  'History of the CRM''s own deals, needed for as long as they are.'
),
(
  'public.ai_interactions', 6, 't.client_id', 't.user_id', 'case when t.settled_at is not null then t.created_at end',
  interval '24 months', 'delete', null, 'The books: ids, tokens and money, no text, for 24 months.'
),
(
  'public.ai_consents', 7, 't.client_id', 't.user_id', null, null, null, 'reason = null',
  'That somebody agreed or withdrew has to be provable.'
),
(
  'agent.audit_log', 8, 't.client_id', null, null, null, null, 'details = ''{}'', salt = null',
  'Who did what and when, by ids; an erasure takes the details.'
),
('agent.legal_holds', 9, 't.client_id', null, null, null, null, null, 'Evidence of what was held and why.'),
('agent.ai_switches', 9, null, null, null, null, null, null, 'A decision of an admin: the id of a client and a reason.');

insert into agent.data_tables (relation, place, kept) values
('agent.audit_anchors', 9, 'Hashes and counts.'),
('agent.batch_items', 9, 'Ids of attempts and a hash.'),
('agent.batches', 9, 'Ids and times of batches.'),
('agent.data_tables', 9, 'This list.'),
('agent.failure_codes', 9, 'Sentences of ours.'),
('agent.host_settings', 9, 'Settings of the project.'),
('agent.ledger', 9, 'Sums of money by user, no client.'),
('agent.maintenance_runs', 9, 'Times of tasks.'),
('agent.model_prices', 9, 'Prices.'),
('agent.model_routes', 9, 'Which model writes what.'),
('agent.providers', 9, 'State of providers.'),
('agent.request_slots', 9, 'Times by user, for a day.'),
('agent.signing_keys', 9, 'Names of keys.'),
('agent.worker_keys', 9, 'Names of keys.'),
('public.ai_alerts', 9, 'Figures, ids and codes.'),
('public.ai_budgets', 9, 'Limits by user.'),
('public.ai_prompt_versions', 9, 'Prompts, written for all clients.'),
('public.ai_prompts', 9, 'Names of prompts.'),
('public.ai_settings', 9, 'Settings of the organisation.');

create function agent.apply_to_rows(p_table agent.data_tables, p_action text, p_condition text, p_client_id uuid, p_before timestamptz)
returns integer
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  execute format(
    case when p_action = 'delete' then 'delete from %1$s as t' else 'update %1$s as t set %2$s' end
    || ' where t.ctid = any (array(select t.ctid from %1$s as t where %3$s limit 10000))',
    p_table.relation, p_action, p_condition
  ) using p_client_id, p_before;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function agent.apply_to_rows(agent.data_tables, text, text, uuid, timestamptz) is
'Deletes or changes at most 10,000 rows, the condition''s $1 the client, $2 the time; returns how many. Granted to nobody.';

create function agent.retain() returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_days integer := (select s.retention_days from public.ai_settings as s);
  v_old_ids constant uuid[] := array(
    select j.id from agent.jobs as j
    where j.state in ('queued', 'running') and j.created_at < now() - make_interval(days => v_days)
    order by j.id limit 1000 for update skip locked
  );
  v_table agent.data_tables;
  v_count integer;
  v_counts jsonb := jsonb_build_object();
begin
  perform agent.close_jobs(v_old_ids, 'cancelled', 'too_old') where v_old_ids <> '{}';
  for v_table in
    select d.* from agent.data_tables as d where d.on_age is not null and to_regclass(d.relation) is not null order by d.place
  loop
    v_count := agent.apply_to_rows(
      v_table, v_table.on_age,
      format('%s < $2 and agent.is_held(%s, %s) is not true', v_table.aged_at, v_table.client_id, v_table.user_id),
      null, now() - coalesce(v_table.keep_for, make_interval(days => v_days))
    );
    v_counts := v_counts || jsonb_build_object(v_table.relation, v_count);
  end loop;
  return v_counts;
end
$$;
comment on function agent.retain() is
'Removes what is older than it may be and not held, at most 10,000 rows of a table; returns how many of each. Granted to nobody.';

-- Definer, the next three: workers and users may touch no table.
create function agent.run_maintenance_v2(p_task text, p_delivered uuid[]) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_answer jsonb;
  v_is_more boolean;
begin
  perform agent.require_worker();
  if p_task = 'anchors' then
    return agent.hand_out_anchors(p_delivered);
  elsif p_task in ('retention', 'audit') is not true then
    return agent.run_maintenance_v1(p_task, p_delivered);
  end if;
  insert into agent.maintenance_runs as r (task) values (p_task)
  on conflict (task) do update set ran_at = now()
  where r.ran_at <= now() - case p_task when 'audit' then interval '30 seconds' else interval '1 hour' end;
  if not found then
    return jsonb_build_object('ran', false);
  end if;
  if p_task = 'audit' then
    v_answer := jsonb_build_object('chained', agent.chain_audit());
  else
    v_answer := agent.retain();
  end if;
  v_is_more := exists (select from jsonb_each_text(v_answer) as r where r.value::integer = 10000);
  if v_is_more then -- whoever comes next goes on
    update agent.maintenance_runs set ran_at = '-infinity' where task = p_task;
  end if;
  return jsonb_build_object('ran', true, p_task, v_answer, 'is_more', v_is_more);
end
$$;
comment on function agent.run_maintenance_v2(text, uuid[]) is 'Behind run_maintenance.';

create or replace function public.run_maintenance(p_task text, p_delivered uuid[] default null) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.run_maintenance_v2(p_task, p_delivered) $$;
comment on function public.run_maintenance(text, uuid[]) is
'Workers, each minute: sweep closes what was left open; retention removes what is too old; audit chains the log; alerts and '
'anchors return those not delivered yet, after noting the ids that were.';

create function agent.erase_client_ai_data_v1(p_client_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_job_ids uuid[];
  v_table agent.data_tables;
  v_total integer;
  v_count integer;
  v_counts jsonb := jsonb_build_object();
begin
  perform agent.require_admin();
  if p_client_id is null then
    raise exception using errcode = 'PT400', message = 'p_client_id is null.', detail = 'invalid_argument: p_client_id',
      hint = 'Name the client. Nothing was erased.';
  end if;
  perform agent.require_live_session();
  perform agent.require_not_held(p_client_id, null);
  v_job_ids := array(
    select j.id from agent.jobs as j where j.client_id = p_client_id and j.state in ('queued', 'running') order by j.id for update
  );
  perform agent.close_jobs(v_job_ids, 'cancelled', 'client_erased') where v_job_ids <> '{}';
  for v_table in
    select d.* from agent.data_tables as d where d.on_erase is not null and to_regclass(d.relation) is not null order by d.place
  loop
    if v_table.on_erase = 'delete' then
      v_total := 0;
      loop
        v_count := agent.apply_to_rows(v_table, 'delete', v_table.client_id || ' = $1', p_client_id, null);
        v_total := v_total + v_count;
        exit when v_count = 0;
      end loop;
    else
      execute format('update %s as t set %s where %s = $1', v_table.relation, v_table.on_erase, v_table.client_id) using p_client_id;
      get diagnostics v_total = row_count;
    end if;
    v_counts := v_counts || jsonb_build_object(v_table.relation, v_total);
  end loop;
  perform agent.append_audit('client_data_erased', 'client', p_client_id, p_client_id, null, v_counts);
  return v_counts;
end
$$;
comment on function agent.erase_client_ai_data_v1(uuid) is 'Behind erase_client_ai_data.';

create function public.erase_client_ai_data(p_client_id uuid) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.erase_client_ai_data_v1(p_client_id) $$;
comment on function public.erase_client_ai_data(uuid) is
'An admin erases what AI wrote and was asked about a client, whether the client is still there or not; returns how many rows of each '
'table. The CRM''s own records are not touched. PT409 legal_hold where a hold is on it.';

create function agent.export_client_data_v1(p_client_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_table agent.data_tables;
  v_rows jsonb;
  v_tables jsonb := jsonb_build_object();
begin
  perform agent.require_admin();
  perform agent.require_live_session();
  for v_table in
    select d.* from agent.data_tables as d where d.client_id is not null and to_regclass(d.relation) is not null order by d.relation
  loop
    execute format('select coalesce(jsonb_agg(to_jsonb(t)), ''[]'') from %s as t where %s = $1', v_table.relation, v_table.client_id)
    into v_rows using p_client_id;
    v_tables := v_tables || jsonb_build_object(v_table.relation, v_rows);
  end loop;
  perform agent.append_audit('client_data_exported', 'client', p_client_id, p_client_id);
  return jsonb_build_object('client_id', p_client_id, 'exported_at', now(), 'tables', v_tables);
end
$$;
comment on function agent.export_client_data_v1(uuid) is 'Behind export_client_data.';

create function public.export_client_data(p_client_id uuid) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.export_client_data_v1(p_client_id) $$;
comment on function public.export_client_data(uuid) is
'An admin gets every row of ours about a client, for the person who asked what is kept about them. Each export is on the audit log.';

alter table agent.data_tables enable row level security;
alter table agent.data_tables force row level security;
revoke all on table agent.data_tables from public, anon, authenticated, service_role;
revoke all on function
agent.apply_to_rows(agent.data_tables, text, text, uuid, timestamptz), agent.retain(), agent.run_maintenance_v2(text, uuid[]),
agent.erase_client_ai_data_v1(uuid), agent.export_client_data_v1(uuid), public.erase_client_ai_data(uuid),
public.export_client_data(uuid)
from public, anon, authenticated, service_role;
grant execute on function agent.run_maintenance_v2(text, uuid[]) to agent_worker;
grant execute on function
agent.erase_client_ai_data_v1(uuid), agent.export_client_data_v1(uuid), public.erase_client_ai_data(uuid),
public.export_client_data(uuid)
to authenticated;
notify pgrst, 'reload schema';
