-- Why: a stand-in for Supabase Vault. Its secrets are not encrypted here: they protect a local stack's throw-away keys.
-- Touches: new schema vault, owned by supabase_admin; only postgres may read it.
-- Rollout: after 02_schemas.sql, once per database.

create schema vault;

create table vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text,
  description text not null default '',
  secret text not null,
  key_id uuid,
  nonce bytea,
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp
);
create unique index secrets_name_idx on vault.secrets (name) where name is not null;
comment on table vault.secrets is
'Table with encrypted `secret` column for storing sensitive information on disk. (Local stack: plain text.)';

create view vault.decrypted_secrets as
select id, name, description, secret, secret as decrypted_secret, key_id, nonce, created_at, updated_at
from vault.secrets;

-- Definer, both: on hosted projects, too, postgres may call these and not write the table.
create function vault.create_secret(
  new_secret text, new_name text default null, new_description text default '', new_key_id uuid default null
) returns uuid
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
  insert into vault.secrets (secret, name, description, key_id)
  values (new_secret, new_name, coalesce(new_description, ''), new_key_id)
  returning id
$$;

create function vault.update_secret(
  secret_id uuid, new_secret text default null, new_name text default null, new_description text default null,
  new_key_id uuid default null
) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
  update vault.secrets
  set
    secret = coalesce(new_secret, secret),
    name = coalesce(new_name, name),
    description = coalesce(new_description, description),
    key_id = coalesce(new_key_id, key_id),
    updated_at = now()
  where id = secret_id
$$;

revoke all on function
vault.create_secret(text, text, text, uuid), vault.update_secret(uuid, text, text, text, uuid)
from public;
grant usage on schema vault to postgres;
grant select, delete on vault.secrets, vault.decrypted_secrets to postgres;
grant execute on function
vault.create_secret(text, text, text, uuid), vault.update_secret(uuid, text, text, text, uuid)
to postgres;
