"""Takes all of ours out of a project again, in one transaction, and leaves the host's tables as they were.

What is ours is read from the migrations (names in public) and from the catalog (everything in and around our schemas).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from agent_service import _uninstall_queries as queries
from agent_service.database import read_migrations
from agent_service.errors import PermanentError
from agent_service.rules import public_names

__all__ = ["Plan", "UninstallError", "plan", "uninstall"]

Connection = psycopg.Connection[Any]
_VIEW_COMMENT = "Read by the account manager under the user's own row-level security."


class UninstallError(PermanentError):
    """It cannot be taken out; the message names everything that is in the way. Nothing was changed."""


@dataclass
class Plan:
    """What goes: `objects` by name, `rows` by table (those that are not empty), and `stays`, said in sentences."""

    objects: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    stays: list[str] = field(default_factory=list)


def plan(database_url: str) -> Plan:
    """Return what `uninstall` would remove, which is nothing where nothing of ours is. Raises UninstallError."""
    return _run(database_url, keep=False)


def uninstall(database_url: str) -> Plan:
    """Remove all of it in one transaction; returns what went. Raises UninstallError, and then nothing was changed."""
    return _run(database_url, keep=True)


def _run(database_url: str, *, keep: bool) -> Plan:
    with psycopg.connect(database_url, prepare_threshold=None) as connection:
        connection.execute("set local lock_timeout = '5s'")
        connection.execute("set local search_path = pg_catalog, pg_temp")
        if not _value(connection, "select to_regnamespace('agent') is not null"):
            return Plan()
        try:
            found = _remove(connection)
        except psycopg.Error as error:
            raise UninstallError(f"{error.diag.message_primary} Nothing was changed.") from error
        if not keep:
            connection.rollback()
        return found


def _remove(connection: Connection) -> Plan:
    found = Plan()
    _find_ours(connection)
    triggers, policies = (connection.execute(query).fetchall() for query in (queries.TRIGGERS, queries.POLICIES))
    going = [oid for oid, _ in (*triggers, *policies)]
    if dependents := _column(connection, queries.DEPENDENTS, {"going": going}):
        listed = "\n".join(f"  {name}" for name in dependents)
        raise UninstallError(
            f"This is the host's and needs ours; drop or change it first. Nothing was changed.\n{listed}"
        )
    functions, relations = _column(connection, queries.FUNCTIONS), _column(connection, queries.RELATIONS)
    found.rows = _count(connection)
    secrets = _column(connection, queries.SECRETS)
    hook = _host_hook(connection)

    found.objects = [name for _, name in (*triggers, *policies)] + functions + relations + ["schema agent"]
    _drop(connection, [name for _, name in (*triggers, *policies)])
    grants = [statement for _, statement in connection.execute(queries.WORKER_GRANTS).fetchall()]
    found.objects += _restore_hook(connection, hook)
    _drop(connection, [*functions, *relations, "schema agent"], cascade=True)
    found.objects += _drop_crm(connection, found)
    _run_all(connection, grants)
    found.objects += _drop_role(connection, found)
    _forget_migrations(connection)
    connection.execute("notify pgrst, 'reload schema'")
    connection.execute("notify pgrst, 'reload config'")
    if secrets:
        found.stays.append(f"Secrets in Vault stay; delete them there: {', '.join(secrets)}.")
    found.stays.append(
        "Copies of our files in supabase/migrations stay: delete them, or the next push installs all of it again."
    )
    return found


def _find_ours(connection: Connection) -> None:
    texts = [migration.path.read_text(encoding="utf-8") for migration in read_migrations()]
    named = public_names()
    crm = [
        body
        for text in texts
        for body in re.findall(r"create (?:or replace )?function crm\.\w+\(.*?as \$f\$(.*?)\$f\$", text, re.DOTALL)
    ]
    parameters = {
        "tables": list(named["relations"]),
        "functions": list(named["functions"]),
        "comment": _VIEW_COMMENT,
        "bodies": _column(connection, "select md5(b) from unnest(%s::text[]) as b", [crm]),
    }
    for statement in filter(str.strip, queries.OURS.split(";\n")):
        connection.execute(statement, parameters if "%(" in statement else None)


def _count(connection: Connection) -> dict[str, int]:
    tables = _column(
        connection,
        "select o.object::regclass::text from ours as o join pg_class as c on c.oid = o.object "
        "where o.class = 'pg_class'::regclass and c.relkind in ('r', 'p') order by 1",
    )
    count = "select count(*) from {}"
    counts = {name: _value(connection, sql.SQL(count).format(sql.SQL(name))) for name in tables}
    return {name: count for name, count in counts.items() if count}


def _host_hook(connection: Connection) -> str | None:
    return next(
        iter(_column(connection, "select value from agent.host_settings where name = 'pgrst.db_pre_request'")), None
    )


def _restore_hook(connection: Connection, hook: str | None) -> list[str]:
    """Give PostgREST back the hook that the host had; where two levels were set, the database's, which won."""
    levels = [is_database for (is_database,) in connection.execute(queries.HOOKS).fetchall()]
    for place, is_database in enumerate(levels):
        role = sql.SQL("alter role authenticator {}").format(
            sql.SQL("in database {}").format(sql.Identifier(connection.info.dbname)) if is_database else sql.SQL("")
        )
        keeps = hook is not None and place == 0
        connection.execute(
            role
            + (
                sql.SQL(" set pgrst.db_pre_request = {}").format(hook)
                if keeps
                else sql.SQL(" reset pgrst.db_pre_request")
            )
        )
    back = f" (back to {hook})" if hook else ""
    return [f"setting pgrst.db_pre_request of authenticator{back}"] if levels else []


def _drop_crm(connection: Connection, found: Plan) -> list[str]:
    rest = _column(
        connection,
        "select pg_describe_object(d.classid, d.objid, 0) from pg_depend as d "
        "where d.refclassid = 'pg_namespace'::regclass and d.refobjid = 'crm'::regnamespace order by 1",
    )
    if rest:
        found.stays.append(f"Schema crm stays, since this in it is not ours: {', '.join(rest)}.")
        return []
    connection.execute("drop schema crm")
    return ["schema crm"]


def _drop_role(connection: Connection, found: Plan) -> list[str]:
    if others := _column(connection, queries.OTHER_DATABASES):
        found.stays.append(f"Role agent_worker stays, since it is used in: {', '.join(others)}.")
        return []
    connection.execute("drop role agent_worker")
    return ["role agent_worker"]


def _forget_migrations(connection: Connection) -> None:
    if _value(connection, "select to_regclass('supabase_migrations.schema_migrations') is not null"):
        versions = [migration.version for migration in read_migrations()]
        connection.execute("delete from supabase_migrations.schema_migrations where version = any (%s)", [versions])


def _drop(connection: Connection, names: Iterable[str], *, cascade: bool = False) -> None:
    _run_all(connection, [f"drop {name}{' cascade' if cascade else ''}" for name in names])


def _run_all(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(statement.encode())  # names as the catalog quotes them


def _column(connection: Connection, query: str | sql.Composed, parameters: object = None) -> list[Any]:
    return [row[0] for row in connection.execute(query, parameters).fetchall()]  # type: ignore[call-overload]


def _value(connection: Connection, query: str | sql.Composed) -> int:
    return int(_column(connection, query)[0])
