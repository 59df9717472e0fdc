"""What is exposed: tables with their columns and functions with their parameters, read from Postgres' own catalog."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from agent_service.devstack.gateway.errors import RestError

__all__ = ["Catalog", "Column", "Function", "Parameter", "Table", "load_catalog"]

# Names of types are printed for an empty search_path, so that they mean the same under any other.
TABLES = """
select n.nspname, c.relname, a.attname, format_type(a.atttypid, -1),
  coalesce(nullif(t.typbasetype, 0), t.oid) in ('json'::regtype, 'jsonb'::regtype), t.oid = 'tsvector'::regtype,
  case
    when a.attgenerated <> '' then null
    when a.attidentity <> '' then format('nextval(pg_get_serial_sequence(%L, %L))', c.oid::regclass, a.attname)
    else pg_get_expr(d.adbin, d.adrelid)
  end,
  coalesce(a.attnum = any (i.indkey), false)
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_type as t on t.oid = a.atttypid
left join pg_catalog.pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
left join pg_catalog.pg_index as i on i.indrelid = c.oid and i.indisprimary
where n.nspname = any ($1) and c.relkind in ('r', 'v', 'm', 'f', 'p')
order by c.oid, a.attnum
"""
FUNCTIONS = """
select n.nspname, p.proname, p.provolatile = 'v', p.proretset, p.prorettype = 'void'::regtype,
  t.typtype = 'c' or coalesce(p.proargmodes::text[] && '{t,b,o}', false), rn.nspname, rc.relname, p.pronargdefaults,
  array(
    select array[coalesce(a.name, ''), format_type(a.type, -1), coalesce(a.mode = 'v', false)::text]
    from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes::text[])
      with ordinality as a (type, name, mode, position)
    where coalesce(a.mode, 'i') in ('i', 'b', 'v')
    order by a.position
  )
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
join pg_catalog.pg_type as t on t.oid = p.prorettype
left join pg_catalog.pg_class as rc on rc.oid = t.typrelid
left join pg_catalog.pg_namespace as rn on rn.oid = rc.relnamespace
where n.nspname = any ($1) and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
order by p.oid
"""
# A setting of the database in question wins over one for all databases.
SETTINGS = """
select r.rolname, split_part(s.setting, '=', 1), substr(s.setting, strpos(s.setting, '=') + 1)
from pg_catalog.pg_db_role_setting as d
join pg_catalog.pg_roles as r on r.oid = d.setrole
cross join lateral unnest(d.setconfig) as s (setting)
where d.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
  and pg_has_role(current_user, r.oid, 'member')
  and (split_part(s.setting, '=', 1) = 'pgrst.db_pre_request' or exists (
    select from pg_catalog.pg_settings as g where g.name = split_part(s.setting, '=', 1) and g.context = 'user'))
order by d.setdatabase
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `default` is SQL."""

    name: str
    type: str
    is_json: bool = False
    is_tsvector: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view."""

    schema: str
    name: str
    columns: dict[str, Column]
    primary_key: tuple[str, ...]

    def require(self, name: str) -> Column:
        """Return a column of a request's body, or raise PGRST204."""
        if name not in self.columns:
            raise RestError("PGRST204", f"Could not find the '{name}' column of '{self.name}' in the schema cache")
        return self.columns[name]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A function's input."""

    name: str
    type: str
    is_required: bool
    is_variadic: bool


@dataclass(frozen=True, slots=True)
class Function:
    """One function; `table` is the relation whose rows it returns, if it is one."""

    schema: str
    name: str
    parameters: tuple[Parameter, ...]
    is_volatile: bool
    is_set: bool
    is_void: bool
    is_row: bool
    table: tuple[str, str] | None

    def accepts(self, given: Collection[str]) -> bool:
        """Tell whether a call with exactly these argument names reaches this function."""
        required = {parameter.name for parameter in self.parameters if parameter.is_required}
        return required <= set(given) <= {parameter.name for parameter in self.parameters}

    @property
    def takes_whole_body(self) -> bool:
        """Whether the only parameter is an unnamed json or jsonb."""
        return [(p.name, p.type in ("json", "jsonb")) for p in self.parameters] == [("", True)]

    @property
    def signature(self) -> str:
        """How the function is listed among candidates."""
        parameters = ", ".join(f"{parameter.name} => {parameter.type}" for parameter in self.parameters)
        return f"{self.schema}.{self.name}({parameters})"


@dataclass(frozen=True, slots=True)
class Catalog:
    """One reading of the exposed schemas and of the settings that PostgREST takes from roles."""

    tables: dict[tuple[str, str], Table]
    functions: dict[tuple[str, str], list[Function]]
    role_settings: dict[str, dict[str, str]]
    pre_request: str | None

    def table(self, schema: str, name: str) -> Table:
        """Return a table or raise PGRST205 with the nearest name."""
        if found := self.tables.get((schema, name)):
            return found
        near = difflib.get_close_matches(name, [key[1] for key in self.tables if key[0] == schema], 1, 0.75)
        hint = f"Perhaps you meant the table '{schema}.{near[0]}'" if near else None
        raise RestError("PGRST205", f"Could not find the table '{schema}.{name}' in the schema cache", hint=hint)

    def function(self, schema: str, name: str, given: Sequence[str], *, with_body: bool) -> Function:
        """Choose the function by the names of the arguments, or raise PGRST202 (none) or PGRST203 (several)."""
        overloads = self.functions.get((schema, name), [])
        found = [function for function in overloads if function.accepts(given)]
        if not found and with_body:
            found = [function for function in overloads if function.takes_whole_body]
        if not found:
            raise self._no_function(schema, name, sorted(given), with_body=with_body)
        if len(found) > 1:
            signatures = ", ".join(function.signature for function in found)
            raise RestError(
                "PGRST203",
                f"Could not choose the best candidate function between: {signatures}",
                hint="Try renaming the parameters or the function itself in the database so function overloading "
                "can be resolved",
            )
        return found[0]

    def _no_function(self, schema: str, name: str, given: list[str], *, with_body: bool) -> RestError:
        names = ", ".join(given)
        searched = f" with parameter{'s' if len(given) > 1 else ''} {names}" if given else " without parameters"
        if with_body:
            searched += " or with a single unnamed json/jsonb parameter"
        overloads = self.functions.get((schema, name))
        if overloads:
            known = [f"({', '.join(sorted(p.name for p in function.parameters))})" for function in overloads]
            near = [name + match for match in difflib.get_close_matches(f"({names})", known, 1, 0.33)]
        else:
            near = difflib.get_close_matches(name, [key[1] for key in self.functions if key[0] == schema], 1, 0.75)
        return RestError(
            "PGRST202",
            f"Could not find the function {schema}.{name}{f'({names})' if given else ' without parameters'} "
            "in the schema cache",
            details=f"Searched for the function {schema}.{name}{searched}, "
            "but no matches were found in the schema cache.",
            hint=f"Perhaps you meant to call the function {schema}.{near[0]}" if near else None,
        )


async def load_catalog(conn: AsyncConnection[Any], schemas: Sequence[str]) -> Catalog:
    """Read the catalog through the authenticator's own connection."""
    async with conn.transaction():
        await conn.execute("set local search_path = ''")
        columns = await (await conn.execute(TABLES, [list(schemas)])).fetchall()
        functions = await (await conn.execute(FUNCTIONS, [list(schemas)])).fetchall()
        settings = await (await conn.execute(SETTINGS)).fetchall()
    roles: dict[str, dict[str, str]] = {}
    pre_request = None
    for role, setting, value in settings:
        if setting == "pgrst.db_pre_request":
            pre_request = value
        else:
            roles.setdefault(role, {})[setting] = value
    return Catalog(_tables(columns), _functions(functions), roles, pre_request)


def _tables(rows: list[Any]) -> dict[tuple[str, str], Table]:
    grouped: dict[tuple[str, str], list[Any]] = {}
    for schema, table, *column in rows:
        grouped.setdefault((schema, table), []).append(column)
    return {
        key: Table(
            *key,
            {name: Column(name, kind, *flags) for name, kind, *flags, _ in columns if name is not None},
            tuple(column[0] for column in columns if column[-1]),
        )
        for key, columns in grouped.items()
    }


def _functions(rows: list[Any]) -> dict[tuple[str, str], list[Function]]:
    found: dict[tuple[str, str], list[Function]] = {}
    for schema, name, volatile, is_set, is_void, is_row, row_schema, row_name, defaults, inputs in rows:
        required = len(inputs) - defaults
        parameters = tuple(
            Parameter(parameter, kind, position < required and variadic != "true", variadic == "true")
            for position, (parameter, kind, variadic) in enumerate(inputs)
        )
        function = Function(
            schema, name, parameters, volatile, is_set, is_void, is_row, (row_schema, row_name) if row_name else None
        )
        # Arguments are passed by name, so that one without a name can only be the whole body.
        if all(parameter.name for parameter in parameters) or function.takes_whole_body:
            found.setdefault((schema, name), []).append(function)
    return found
