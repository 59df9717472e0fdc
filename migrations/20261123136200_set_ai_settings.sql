-- Why: an admin changes the organisation's settings without SQL; nobody writes to the table.
-- Touches: new function set_ai_settings.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Definer: nobody holds UPDATE on ai_settings. By the columns that there are, so that a later one needs no new body.
create function agent.set_ai_settings_v1(p_settings jsonb) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_settings public.ai_settings;
  v_names text[] := case when jsonb_typeof(p_settings) = 'object' then array(select jsonb_object_keys(p_settings)) else '{}' end;
  v_unknown text[] := array(
    select n from unnest(v_names) as n
    where n in ('id', 'updated_at') or not exists (
      select from pg_catalog.pg_attribute
      where attrelid = 'public.ai_settings'::regclass and attname = n and attnum > 0 and not attisdropped
    )
  );
begin
  perform agent.require_admin();
  if cardinality(v_names) = 0 then
    raise exception using errcode = 'PT400', message = 'p_settings is not an object with settings.',
      detail = 'invalid_argument: p_settings', hint = 'Send {column: value}.';
  end if;
  if cardinality(v_unknown) > 0 then
    raise exception using errcode = 'PT400', message = format('There is no such setting: %s.', left(array_to_string(v_unknown, ', '), 200)),
      detail = 'unknown_setting', hint = 'Nothing was changed.';
  end if;
  select (jsonb_populate_record(s, p_settings)).* into v_settings from public.ai_settings as s for update;
  begin
    execute (
      select format('update public.ai_settings set updated_at = now(), %s', string_agg(format('%1$I = ($1).%1$I', k), ', '))
      from unnest(v_names) as k
    ) using v_settings;
  exception
    when check_violation or not_null_violation or invalid_parameter_value then
      raise exception using errcode = 'PT400', message = 'A setting is out of its bounds.', detail = 'invalid_argument: p_settings',
        hint = 'Nothing was changed: ' || sqlerrm;
  end;
  select * into v_settings from public.ai_settings;
  -- Which and not to what: a later setting may hold a name or an address, and the audit log outlives people.
  perform agent.append_audit('settings_set', 'ai_settings', null, null, null, jsonb_build_object(
    'settings', to_jsonb(v_names)));
  return to_jsonb(v_settings) - 'id';
end
$$;
comment on function agent.set_ai_settings_v1(jsonb) is 'Behind set_ai_settings.';

create function public.set_ai_settings(p_settings jsonb) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select agent.set_ai_settings_v1(p_settings) $$;
comment on function public.set_ai_settings(jsonb) is
'An admin changes settings of the organisation: {column: value}, all of them or none; returns them all.';

revoke all on function agent.set_ai_settings_v1(jsonb), public.set_ai_settings(jsonb) from public, anon, authenticated, service_role;
grant execute on function agent.set_ai_settings_v1(jsonb), public.set_ai_settings(jsonb) to authenticated;
notify pgrst, 'reload schema';
