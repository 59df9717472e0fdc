"""Writing people and rows into the sample CRM: all of them or none, one statement a table."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from agent_service.errors import PermanentError

__all__ = ["AlreadyLoadedError", "SignIn", "load_rows"]

Row = Mapping[str, Any]


class AlreadyLoadedError(PermanentError):
    """This CRM has clients already, and nothing was loaded. Start with an empty one, such as a new local stack's."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Somebody who can sign in."""

    email: str
    full_name: str
    role: str
    user_id: uuid.UUID


def load_rows(
    connection: psycopg.Connection[Any],
    people: Sequence[SignIn],
    tables: Mapping[str, Sequence[Row]],
    *,
    encrypted_password: str,
) -> dict[str, int]:
    """Insert people and tables (in this order; every row of a table has the same keys) in one transaction, by COPY.

    Returns the number of rows by table. Raises psycopg.Error, and then nothing was written.
    """
    identities = [
        {
            "instance_id": uuid.UUID(int=0),
            "id": person.user_id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": person.email.lower(),
            "encrypted_password": encrypted_password,
            "email_confirmed_at": "now",
            "raw_app_meta_data": '{"provider": "email", "providers": ["email"]}',
            "raw_user_meta_data": "{}",
            "created_at": "now",
            "updated_at": "now",
        }
        for person in people
    ]
    profiles = [{"id": p.user_id, "full_name": p.full_name, "email": p.email.lower(), "role": p.role} for p in people]
    with connection.transaction():
        _copy(connection, sql.Identifier("auth", "users"), identities)
        counts = {"profiles": _copy(connection, sql.Identifier("public", "profiles"), profiles)}
        for table, rows in tables.items():
            counts[table] = _copy(connection, sql.Identifier("public", table), rows)
    return counts


def _copy(connection: psycopg.Connection[Any], table: sql.Identifier, rows: Sequence[Row]) -> int:
    if not rows:
        return 0
    columns = list(rows[0])
    statement = sql.SQL("copy {} ({}) from stdin").format(table, sql.SQL(", ").join(map(sql.Identifier, columns)))
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row([row[column] for column in columns])
    return len(rows)
