-- Types under the names that our functions cast to, whose check raises HIJAK where it runs with other rights than the caller's.

do $$
declare
  v_name pg_catalog.text;
begin
  foreach v_name in array array['uuid', 'jsonb', 'text', 'timestamptz', 'regclass', 'bytea', 'xid8', 'name'] loop
    execute pg_catalog.format(
      'create function {schema}.tell_%1$s(p pg_catalog.%1$s) returns boolean language plpgsql as $f$ begin
        if current_user <> ''{role}'' then raise exception ''ran as %%'', current_user using errcode = ''HIJAK''; end if;
        return true;
      end $f$', v_name);
    execute pg_catalog.format(
      'create domain {schema}.%1$s as pg_catalog.%1$s check ({schema}.tell_%1$s(value))', v_name);
  end loop;
end
$$;
