-- Why: whoever can write to the database can rewrite the audit log; with a chain of hashes and anchors kept elsewhere it shows.
-- Touches: columns of agent.audit_log; new table agent.audit_anchors.
-- Rollout: the new columns are null and rewrite nothing; the indexes are built while writers of the audit log wait.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

alter table agent.audit_log
add column chain_position bigint,
add column salt text,
add column details_hash text,
add column previous_hash text,
add column hash text,
add constraint audit_log_hash_check
check (num_nulls(chain_position, details_hash, previous_hash, hash) in (0, 4)) not valid;
comment on column agent.audit_log.chain_position is
'Its place, assigned by a sweeper within a minute. Not at the append: one head row halved the rate of four connections.';
comment on column agent.audit_log.salt is 'Goes with the details when they are erased; without it their hash says nothing about them.';
comment on column agent.audit_log.details_hash is
'SHA-256 of salt and details. Only this is chained, so that an erasure leaves the chain whole.';
comment on column agent.audit_log.hash is 'SHA-256 of all columns but details, salt and itself; the next row''s previous_hash.';
-- squawk-ignore require-concurrent-index-creation
create unique index audit_log_chain_position_idx on agent.audit_log (chain_position) where chain_position is not null;
-- squawk-ignore require-concurrent-index-creation
create index audit_log_unchained_idx on agent.audit_log (id) where chain_position is null;
-- squawk-ignore require-concurrent-index-creation
create index audit_log_client_id_idx on agent.audit_log (client_id);

create table agent.audit_anchors (
  id uuid primary key default gen_random_uuid(),
  count bigint not null,
  head_hash text not null,
  created_at timestamptz not null default now(),
  delivered_at timestamptz,
  constraint audit_anchors_count_key unique (count)
);
comment on table agent.audit_anchors is
'How long the chain was and how it ended, once a day. Workers carry them out of the database: what is kept here alone proves little.';
create index audit_anchors_undelivered_idx on agent.audit_anchors (created_at) where delivered_at is null;

create function agent.audit_hash(p_row agent.audit_log) returns text
language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
  -- Nulls are left out, so that a column that a later migration adds does not break the chain of before.
  select encode(sha256(convert_to(
    jsonb_strip_nulls(to_jsonb(p_row) - array['details', 'salt', 'hash'])::text, 'UTF8'
  )), 'hex')
$$;
comment on function agent.audit_hash(agent.audit_log) is
'The hash of a row; `account-agent audit verify` computes it without this function. Granted to nobody.';

create function agent.chain_audit() returns integer
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_row agent.audit_log;
  v_position bigint;
  v_previous text;
  v_count integer := 0;
begin
  select a.chain_position, a.hash into v_position, v_previous
  from agent.audit_log as a where a.chain_position is not null order by a.chain_position desc limit 1;
  v_position := coalesce(v_position, 0);
  v_previous := coalesce(v_previous, repeat('0', 64));
  -- In the order of this loop, whatever commits when: an id that was taken early and committed late has its place at the end.
  for v_row in select a.* from agent.audit_log as a where a.chain_position is null order by a.id limit 10000 for update loop
    v_position := v_position + 1;
    v_row.chain_position := v_position;
    v_row.salt := gen_random_uuid()::text;
    v_row.details_hash := encode(sha256(convert_to(v_row.salt || v_row.details::text, 'UTF8')), 'hex');
    v_row.previous_hash := v_previous;
    v_previous := agent.audit_hash(v_row);
    update agent.audit_log
    set chain_position = v_position, salt = v_row.salt, details_hash = v_row.details_hash, previous_hash = v_row.previous_hash,
      hash = v_previous
    where id = v_row.id;
    v_count := v_count + 1;
  end loop;
  if v_position > 0 and not exists (select from agent.audit_anchors as n where n.created_at > now() - interval '1 day') then
    insert into agent.audit_anchors (count, head_hash) values (v_position, v_previous) on conflict do nothing;
  end if;
  return v_count;
end
$$;
comment on function agent.chain_audit() is
'Chains what was appended, at most 10,000 rows, and once a day notes the head. One at a time: its caller holds its row of '
'agent.maintenance_runs. Granted to nobody.';

create function agent.hand_out_anchors(p_delivered uuid[]) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  update agent.audit_anchors set delivered_at = now() where id = any (p_delivered) and delivered_at is null;
  return jsonb_build_object('anchors', coalesce((
    select jsonb_agg(jsonb_build_object('id', n.id, 'count', n.count, 'head_hash', n.head_hash, 'created_at', n.created_at)
      order by n.count)
    from (select * from agent.audit_anchors where delivered_at is null order by count limit 50) as n
  ), '[]'));
end
$$;
comment on function agent.hand_out_anchors(uuid[]) is 'Anchors not delivered yet, after noting those that were. Granted to nobody.';

alter table agent.audit_anchors enable row level security;
alter table agent.audit_anchors force row level security;
revoke all on table agent.audit_anchors from public, anon, authenticated, service_role;
revoke all on function agent.audit_hash(agent.audit_log), agent.chain_audit(), agent.hand_out_anchors(uuid[])
from public, anon, authenticated, service_role;
