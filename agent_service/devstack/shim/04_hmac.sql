-- Why: hosted projects have pgcrypto in schema extensions; the wheel's Postgres is built without OpenSSL and has none.
-- Touches: extension pgcrypto where the server brings it, else its two hmac functions, for sha256 alone.
-- Rollout: after 02_schemas.sql, once per database.

do $pgcrypto$
begin
  if exists (select from pg_catalog.pg_available_extensions where name = 'pgcrypto') then
    create extension pgcrypto with schema extensions;
    return;
  end if;

  -- RFC 2104 over sha256(). There is no xor of bytea; eight bytes at a time go through bigint (0x36.., 0x5c..).
  create function extensions.hmac_sha256(p_data bytea, p_key bytea) returns bytea
  language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
  as $$
    select sha256(k.outer_pad || sha256(k.inner_pad || p_data))
    from (
      select
        string_agg(int8send(w.word # 3906369333256140342), ''::bytea order by w.i) as inner_pad,
        string_agg(int8send(w.word # 6655295901103053916), ''::bytea order by w.i) as outer_pad
      from (
        select i, ('x' || substr(rpad(encode(case when length(p_key) > 64 then sha256(p_key) else p_key end, 'hex'), 128, '0'), i, 16))
          ::bit(64)::bigint as word
        from generate_series(1, 113, 16) as i
      ) as w
    ) as k
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
