"""Makes an empty database look like a hosted Supabase project's, as far as migrations and API clients can tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql

__all__ = ["LOGINS", "DefaultPrivileges", "apply_shim", "has_shim"]

DefaultPrivileges = Literal["new", "old"]
LOGINS = ("postgres", "authenticator", "supabase_auth_admin", "agent_listener")

_FOLDER = Path(__file__).parent / "shim"


def apply_shim(
    superuser_dsn: str,
    *,
    default_privileges: DefaultPrivileges = "new",
    password: Callable[[str], str] | None = None,
) -> None:
    """Apply the shim to the database of `superuser_dsn` (a login as supabase_admin), in one transaction.

    `password` maps the name of each role in LOGINS to its password; without it they are left as they are.
    """
    files = sorted(_FOLDER.glob("0*.sql"))
    if default_privileges == "old":
        files.append(_FOLDER / "default_privileges_old.sql")
    with psycopg.connect(superuser_dsn) as connection:
        for file in files:
            connection.execute(file.read_bytes())
        if password is not None:
            for role in LOGINS:
                statement = sql.SQL("alter role {} password {}")
                connection.execute(statement.format(sql.Identifier(role), sql.Literal(password(role))))


def has_shim(connection: psycopg.Connection) -> bool:
    """Whether the database has been made to look like Supabase's."""
    row = connection.execute("select to_regclass('auth.users') is not null").fetchone()
    return row is not None and bool(row[0])
