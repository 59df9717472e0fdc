-- Why: a new secret signed from the moment it was named, trusted by PostgREST or not; and retiring one left its worker keys alive.
-- Touches: a column in agent.signing_keys and one in agent.worker_keys; agent.sign_jwt, add_signing_key, retire_signing_key,
--   mint_worker_key (a third argument); new agent.signing_kid, add_standby_key, promote_signing_key.
-- Rollout: two columns without default, no scan but of agent.signing_keys, which has a handful of rows. Workers notice nothing.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

alter table agent.signing_keys add column promoted_at timestamptz;
update agent.signing_keys set promoted_at = created_at;
comment on column agent.signing_keys.promoted_at is 'Null: on standby, it signs nothing but worker keys minted under it by name.';
comment on table agent.signing_keys is
'Which Vault secret signs under which key id. Of those not retired the last promoted signs; the secret itself is only in Vault.';

alter table agent.worker_keys add column kid text;
comment on column agent.worker_keys.kid is 'The key id it was signed under. Null: minted before this was written down.';

-- In plpgsql, like all that signs: its plans are kept for the session.
create function agent.signing_kid() returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select kid from agent.signing_keys
    where retired_at is null and promoted_at is not null
    order by promoted_at desc, kid
    limit 1
  );
end
$$;
comment on function agent.signing_kid() is 'The key id that signs now, or null. Granted to nobody.';

create function agent.sign_jwt(p_claims jsonb, p_kid text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_signed text := agent.base64url(convert_to(json_build_object('alg', 'HS256', 'typ', 'JWT', 'kid', p_kid)::text, 'UTF8'))
    || '.' || agent.base64url(convert_to(p_claims::text, 'UTF8'));
  v_signature text := agent.jwt_signature(v_signed, p_kid);
begin
  if v_signature is null then
    raise exception using errcode = 'PT500', message = 'There is no key to sign a token with.', detail = 'no_signing_key',
      hint = 'Put the secret into Vault and name it: select agent.add_signing_key(kid, secret_name). Or promote one on standby.';
  end if;
  return v_signed || '.' || v_signature;
end
$$;
comment on function agent.sign_jwt(jsonb, text) is 'A token under a key that is not retired, on standby or not. Granted to nobody.';

create or replace function agent.sign_jwt(p_claims jsonb) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return agent.sign_jwt(p_claims, agent.signing_kid());
end
$$;

create function agent.add_standby_key(p_kid text, p_secret_name text) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
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
comment on function agent.add_standby_key(text, text) is
'Run by a DBA: names a secret of Vault under its key id. It signs nothing yet: try it with a worker key, then promote it.';

create function agent.promote_signing_key(p_kid text) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  update agent.signing_keys set promoted_at = clock_timestamp() where kid = p_kid and retired_at is null;
  if not found then
    raise exception using message = format('There is no signing key %L, or it is retired.', p_kid),
      hint = 'select kid, promoted_at, retired_at from agent.signing_keys; a retired key does not come back.';
  end if;
  perform agent.append_audit('signing_key_promoted', 'signing_key', null, null, null, jsonb_build_object('kid', p_kid));
end
$$;
comment on function agent.promote_signing_key(text) is
'Run by a DBA: from now on this key signs; what others signed stays good. Promoting the former one again is the way back.';

create or replace function agent.add_signing_key(p_kid text, p_secret_name text) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  perform agent.add_standby_key(p_kid, p_secret_name);
  perform agent.promote_signing_key(p_kid);
end
$$;
comment on function agent.add_signing_key(text, text) is
'Run by a DBA, for the first key: job tokens and worker keys are signed with this secret of Vault from now on, under this key id.';

create or replace function agent.retire_signing_key(p_kid text) returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  update agent.signing_keys set retired_at = clock_timestamp() where kid = p_kid and retired_at is null;
  if found then
    perform agent.revoke_worker_key(k.jti) from agent.worker_keys as k where k.kid = p_kid and k.revoked_at is null;
    perform agent.append_audit('signing_key_retired', 'signing_key', null, null, null, jsonb_build_object('kid', p_kid));
    return true;
  end if;
  return false;
end
$$;
comment on function agent.retire_signing_key(text) is
'Run by a DBA: worker keys and job tokens under this key id are no longer known here. Take it out of the trusted keys as well.';

-- Another argument makes another function, and two would be ambiguous. DBAs call it by hand; no worker does.
-- squawk-ignore ban-drop-function
drop function agent.mint_worker_key(text, integer);
create function agent.mint_worker_key(p_name text, p_days integer, p_kid text default null) returns text
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_key agent.worker_keys;
begin
  if p_days is null or p_days not between 1 and 730 then
    raise exception using message = format('p_days is %s; a worker key lives 1 to 730 days.', coalesce(p_days::text, 'null'));
  end if;
  insert into agent.worker_keys (name, expires_at, kid)
  values (p_name, now() + make_interval(days => p_days), coalesce(p_kid, agent.signing_kid()))
  returning * into v_key;
  perform agent.append_audit('worker_key_minted', 'worker_key', v_key.jti, null, null, jsonb_build_object('name', p_name));
  return agent.sign_jwt(jsonb_build_object(
    'iss', 'account-manager-agent', 'aud', 'authenticated', 'role', 'agent_worker', 'jti', v_key.jti,
    'iat', floor(extract(epoch from clock_timestamp())), 'exp', floor(extract(epoch from v_key.expires_at))
  ), v_key.kid);
end
$$;
comment on function agent.mint_worker_key(text, integer, text) is
'Run by a DBA. The key is shown once and not kept. p_kid: under this signing key, also one on standby, to try whether it is trusted.';

revoke all on function
agent.signing_kid(), agent.sign_jwt(jsonb, text), agent.add_standby_key(text, text), agent.promote_signing_key(text),
agent.mint_worker_key(text, integer, text)
from public, anon, authenticated, service_role;
