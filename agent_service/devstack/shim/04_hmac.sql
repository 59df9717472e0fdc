-- Why: hosted projects have pgcrypto in schema extensions; the wheel's Postgres is built without OpenSSL and has none.
-- Touches: extension pgcrypto where the server brings it, else its two hmac functions, for sha256 alone.
-- Rollout: after 02_schemas.sql, once per database.

do $pgcrypto$
begin
  if exists (select from pg_catalog.pg_available_extensions where name = 'pgcrypto') then
    create extension pgcrypto with schema extensions;
    return;
  end if;

  -- RFC 2104 over sha256(). There is no xor of bytea, but one of bits: 4 us where eight bytes at a time through bigint took 23.
  create function extensions.hmac_sha256(p_data bytea, p_key bytea) returns bytea
  language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp
  as $$
  declare
    v_block bit(512) := ('x' || rpad(encode(case when length(p_key) > 64 then sha256(p_key) else p_key end, 'hex'), 128, '0'))::bit(512);
    v_inner_pad bytea := substr(bit_send(v_block # repeat('00110110', 64)::bit(512)), 5); -- after the length, four bytes
    v_outer_pad bytea := substr(bit_send(v_block # repeat('01011100', 64)::bit(512)), 5);
  begin
    return sha256(v_outer_pad || sha256(v_inner_pad || p_data));
  end
  $$;

  create function extensions.hmac(p_data bytea, p_key bytea, p_type text) returns bytea
  language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp
  as $$
  begin
    if lower(p_type) <> 'sha256' then
      raise exception 'Cannot use "%": the local stack knows hmac with sha256 only', p_type using errcode = '22023';
    end if;
    return extensions.hmac_sha256(p_data, p_key);
  end
  $$;

  create function extensions.hmac(p_data text, p_key text, p_type text) returns bytea
  language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp
  as $$
  begin
    return extensions.hmac(convert_to(p_data, 'UTF8'), convert_to(p_key, 'UTF8'), p_type);
  end
  $$;
end
$pgcrypto$;
