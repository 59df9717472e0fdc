-- Why: a worker acts for a user for one job and one lease; the database signs that, so no worker and no API holds a key.
-- Touches: new tables agent.signing_keys and agent.worker_keys; reads Supabase Vault.
-- Rollout: new objects only. Afterwards: agent.add_signing_key, then agent.mint_worker_key.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.signing_keys (
  kid text primary key,
  secret_name text not null,
  created_at timestamptz not null default clock_timestamp(),
  retired_at timestamptz
);
comment on table agent.signing_keys is
'Which Vault secret signs under which key id. The newest that is not retired signs; the secret itself is only in Vault.';

create table agent.worker_keys (
  jti uuid primary key default gen_random_uuid(),
  name text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  constraint worker_keys_name_check check (length(name) between 1 and 100)
);
comment on table agent.worker_keys is 'Every worker key that was minted. The key itself is not kept; revoking its jti ends it at once.';

create function agent.base64url(p_bytes bytea) returns text
language sql immutable strict set search_path = ''
as $$ select translate(encode(p_bytes, 'base64'), E'+/=\n', '-_') $$;
comment on function agent.base64url(bytea) is 'RFC 4648 section 5, without padding. Granted to nobody.';

create function agent.from_base64url(p_text text) returns bytea
language sql immutable strict set search_path = ''
as $$ select decode(rpad(translate(p_text, '-_', '+/'), (length(p_text) + 3) / 4 * 4, '='), 'base64') $$;
comment on function agent.from_base64url(text) is 'The bytes of base64url text; raises data_exception where it is none. Granted to nobody.';

create function agent.jwt_signature(p_signed text, p_kid text) returns text
language sql stable strict set search_path = ''
as $$
  select agent.base64url(extensions.hmac(p_signed, s.decrypted_secret, 'sha256'))
  from agent.signing_keys as k
  inner join vault.decrypted_secrets as s on s.name = k.secret_name
  where k.kid = p_kid and k.retired_at is null
$$;
comment on function agent.jwt_signature(text, text) is
'HMAC-SHA256 of RFC 7518 section 3.2 under a live key; null when there is none of that id. Granted to nobody.';

create function agent.sign_jwt(p_claims jsonb) returns text
language plpgsql stable set search_path = ''
as $$
declare
  v_kid text := (select kid from agent.signing_keys where retired_at is null order by created_at desc, kid limit 1);
  v_signed text := agent.base64url(convert_to(json_build_object('alg', 'HS256', 'typ', 'JWT', 'kid', v_kid)::text, 'UTF8'))
    || '.' || agent.base64url(convert_to(p_claims::text, 'UTF8'));
  v_signature text := agent.jwt_signature(v_signed, v_kid);
begin
  if v_signature is null then
    raise exception using errcode = 'PT500', message = 'There is no key to sign a token with.', detail = 'no_signing_key',
      hint = 'Put the secret into Vault and name it: select agent.add_signing_key(kid, secret_name).';
  end if;
  return v_signed || '.' || v_signature;
end
$$;
comment on function agent.sign_jwt(jsonb) is 'Granted to nobody: called by the functions that mint.';

create function agent.verify_jwt(p_token text) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_parts text[] := string_to_array(p_token, '.');
  v_expected text;
begin
  if cardinality(v_parts) is distinct from 3 then
    return null;
  end if;
  v_expected := agent.jwt_signature(
    v_parts[1] || '.' || v_parts[2], convert_from(agent.from_base64url(v_parts[1]), 'UTF8')::jsonb ->> 'kid'
  );
  -- Hashes are compared, so that the time it takes says nothing about the signature.
  if sha256(convert_to(v_expected, 'UTF8')) is distinct from sha256(convert_to(v_parts[3], 'UTF8')) then
    return null;
  end if;
  return convert_from(agent.from_base64url(v_parts[2]), 'UTF8')::jsonb;
exception
  when data_exception then
    return null;
end
$$;
comment on function agent.verify_jwt(text) is
'The claims of a token of ours, expired or not, or null. The fence, not the clock, judges a job. Granted to nobody.';

create function agent.mint_job_token(p_job agent.jobs) returns text
language sql volatile set search_path = ''
as $$
  select agent.sign_jwt(jsonb_build_object(
    'iss', 'account-manager-agent', 'aud', 'authenticated', 'role', 'authenticated', 'sub', (p_job).user_id,
    'act', jsonb_build_object('sub', 'agent_worker'), 'job', (p_job).id, 'fence', (p_job).fence,
    -- floor: a cast rounds up, and verifiers refuse an iat in the future
    'iat', floor(extract(epoch from clock_timestamp())), 'exp', floor(extract(epoch from (p_job).due_at)),
    'session_id', gen_random_uuid(),
    'app_metadata', coalesce((select u.raw_app_meta_data from auth.users as u where u.id = (p_job).user_id), '{}')
  ))
$$;
comment on function agent.mint_job_token(agent.jobs) is
'The user''s rights for one job until its lease ends. The random session_id exists nowhere: Supabase Auth refuses it. Granted to nobody.';

create function agent.add_signing_key(p_kid text, p_secret_name text) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if not exists (
    select from vault.decrypted_secrets where name = p_secret_name and length(decrypted_secret) >= 32
  ) then
    raise exception using message = format('Vault has no secret named %L of at least 32 characters.', p_secret_name),
      hint = 'select vault.create_secret(''<the secret>'', ''<its name>'');';
  end if;
  insert into agent.signing_keys (kid, secret_name) values (p_kid, p_secret_name);
  perform agent.append_audit('signing_key_added', 'signing_key', null, null, null, jsonb_build_object('kid', p_kid));
end
$$;
comment on function agent.add_signing_key(text, text) is
'Run by a DBA: job tokens and worker keys are signed with this secret of Vault from now on, under this key id.';

create function agent.retire_signing_key(p_kid text) returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
  update agent.signing_keys set retired_at = clock_timestamp() where kid = p_kid and retired_at is null;
  if found then
    perform agent.append_audit('signing_key_retired', 'signing_key', null, null, null, jsonb_build_object('kid', p_kid));
    return true;
  end if;
  return false;
end
$$;
comment on function agent.retire_signing_key(text) is
'Run by a DBA: what was signed under this key id is no longer known here. Take it out of the trusted keys as well.';

create function agent.mint_worker_key(p_name text, p_days integer) returns text
language plpgsql volatile set search_path = ''
as $$
declare
  v_key agent.worker_keys;
begin
  if p_days is null or p_days not between 1 and 730 then
    raise exception using message = format('p_days is %s; a worker key lives 1 to 730 days.', coalesce(p_days::text, 'null'));
  end if;
  insert into agent.worker_keys (name, expires_at) values (p_name, now() + make_interval(days => p_days)) returning * into v_key;
  perform agent.append_audit('worker_key_minted', 'worker_key', v_key.jti, null, null, jsonb_build_object('name', p_name));
  return agent.sign_jwt(jsonb_build_object(
    'iss', 'account-manager-agent', 'aud', 'authenticated', 'role', 'agent_worker', 'jti', v_key.jti,
    'iat', floor(extract(epoch from clock_timestamp())), 'exp', floor(extract(epoch from v_key.expires_at))
  ));
end
$$;
comment on function agent.mint_worker_key(text, integer) is 'Run by a DBA. The key is shown once and not kept.';

create function agent.revoke_worker_key(p_jti uuid) returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
  update agent.worker_keys set revoked_at = now() where jti = p_jti and revoked_at is null;
  if found then
    perform agent.append_audit('worker_key_revoked', 'worker_key', p_jti, null);
    return true;
  end if;
  return false;
end
$$;
comment on function agent.revoke_worker_key(uuid) is
'Run by a DBA. Ends the key with its next request; jobs it holds go to others when their leases end.';

-- Definer: it reads agent.worker_keys, which nobody else may.
create function agent.require_worker() returns uuid
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_jti uuid;
begin
  select k.jti into v_jti
  from agent.worker_keys as k
  where auth.role() = 'agent_worker' and agent.is_agent() is not true
    and k.jti::text = auth.jwt() ->> 'jti' and k.revoked_at is null and k.expires_at > now();
  if v_jti is null then
    raise exception using errcode = 'PT401', message = 'This worker key is unknown, expired or revoked.', detail = 'worker_key_refused',
      hint = 'A DBA mints a new one: select agent.mint_worker_key(''name'', 90).';
  end if;
  return v_jti;
end
$$;
comment on function agent.require_worker() is 'The caller''s live worker key, or PT401.';

alter table agent.signing_keys enable row level security;
alter table agent.signing_keys force row level security;
alter table agent.worker_keys enable row level security;
alter table agent.worker_keys force row level security;
revoke all on table agent.signing_keys, agent.worker_keys from public, anon, authenticated, service_role;

revoke all on function
agent.base64url(bytea), agent.from_base64url(text), agent.jwt_signature(text, text), agent.sign_jwt(jsonb), agent.verify_jwt(text),
agent.mint_job_token(agent.jobs), agent.add_signing_key(text, text), agent.retire_signing_key(text),
agent.mint_worker_key(text, integer), agent.revoke_worker_key(uuid), agent.require_worker()
from public, anon, authenticated, service_role;
