-- The same for operators and a function that our functions use.

do $$
declare
  v_operator record;
begin
  for v_operator in
    select o.*, row_number() over () as number from (values
      ('=', 'uuid', 'uuid', 'boolean'), ('=', 'text', 'text', 'boolean'), ('?', 'jsonb', 'text', 'boolean'),
      ('->>', 'jsonb', 'text', 'text'), ('||', 'text', 'text', 'text'), ('=', 'boolean', 'boolean', 'boolean'),
      ('=', 'bigint', 'bigint', 'boolean'), ('=', 'xid8', 'xid8', 'boolean'), ('?|', 'jsonb', 'text[]', 'boolean'),
      ('~', 'text', 'text', 'boolean'), ('<>', 'text', 'text', 'boolean')
    ) as o (symbol, l, r, result)
  loop
    execute pg_catalog.format(
      'create function {schema}.op_%1$s(%2$s, %3$s) returns %4$s language plpgsql as $f$ begin
        if current_user <> ''{role}'' then raise exception ''ran as %%'', current_user using errcode = ''HIJAK''; end if;
        return $1 operator(pg_catalog.%5$s) $2;
      end $f$', v_operator.number, v_operator.l, v_operator.r, v_operator.result, v_operator.symbol);
    execute pg_catalog.format(
      'create operator {schema}.%5$s (leftarg = %2$s, rightarg = %3$s, function = {schema}.op_%1$s)',
      v_operator.number, v_operator.l, v_operator.r, v_operator.result, v_operator.symbol);
  end loop;
end
$$;
create function {schema}.now() returns timestamptz language plpgsql as $$
begin
  if current_user <> '{role}' then
    raise exception 'ran as %', current_user using errcode = 'HIJAK';
  end if;
  return pg_catalog.now();
end
$$;
