"""Applies our migrations and records them as the Supabase CLI does, so that either may go on from the other's work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from agent_service._paths import migrations_dir
from agent_service.errors import PermanentError

__all__ = ["Migration", "MigrationError", "Statement", "migrate", "pending", "read_migrations", "split_statements"]

# The CLI's own statements: a database it never saw gets the table, an older one the two later columns.
_HISTORY = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
"""
_FILE_NAME = re.compile(r"(\d+)_(.*)\.sql")
# What may hold a semicolon that ends nothing, and the semicolon that does.
_TOKEN = re.compile(
    r"""--[^\n]* | /\*.*?\*/ | \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(\w*)\$.*?\$\1\$ | ;""",
    re.DOTALL | re.VERBOSE,
)
_COMMENTS = re.compile(r"(?:\s+|--[^\n]*|/\*.*?\*/)*", re.DOTALL)


class MigrationError(PermanentError):
    """A migration could not be applied; nothing of it was kept. The message names file, line and what Postgres said."""


@dataclass(frozen=True)
class Statement:
    """One SQL statement without its semicolon; `line` counts from 1 and is that of its first word."""

    text: str
    line: int


@dataclass(frozen=True)
class Migration:
    """One migration file: `version` are the digits of its name, `name` what follows."""

    path: Path
    version: str
    name: str

    @property
    def statements(self) -> list[Statement]:
        """What the file holds, in order."""
        return list(split_statements(self.path.read_text(encoding="utf-8")))


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """Return the migrations of `folder` (default: ours) by version. Other names are skipped, as by the CLI."""
    matches = ((path, _FILE_NAME.fullmatch(path.name)) for path in (folder or migrations_dir()).glob("*.sql"))
    return sorted((Migration(path, m[1], m[2]) for path, m in matches if m), key=lambda migration: migration.version)


def migrate(database_url: str, *, folder: Path | None = None) -> list[str]:
    """Apply what is not applied yet, one transaction a file, and return the names of the files applied.

    Any number may run at once: each file is taken under a lock that ends with its transaction (and so holds behind a
    pooler, too). Raises MigrationError; files applied before the failing one stay applied.
    """
    with _connect(database_url) as connection:
        migrations = read_migrations(folder)
        return [migration.path.name for migration in migrations if _apply(connection, migration)]


def pending(database_url: str, *, folder: Path | None = None) -> list[Migration]:
    """Return what `migrate` would apply, and change nothing."""
    with _connect(database_url) as connection:
        exists = connection.execute("select to_regclass('supabase_migrations.schema_migrations')").fetchone()
        known: set[str] = set()
        if exists and exists[0]:
            rows = connection.execute("select version from supabase_migrations.schema_migrations")
            known = {version for (version,) in rows}
        return [migration for migration in read_migrations(folder) if migration.version not in known]


def _connect(database_url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(database_url, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise MigrationError(f"The database cannot be reached: {str(error).strip()}\nCheck DATABASE_URL.") from error


def _apply(connection: psycopg.Connection, migration: Migration) -> bool:
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtextextended('account-manager-agent migrations', 0))")
        connection.execute("set local client_min_messages = error")  # "already exists, skipping"
        connection.execute(_HISTORY)
        connection.execute("reset client_min_messages")
        known = "select 1 from supabase_migrations.schema_migrations where version = %s"
        if connection.execute(known, [migration.version]).fetchone():
            return False
        statements = migration.statements
        for statement in statements:
            try:
                connection.execute(statement.text.encode())
            except psycopg.Error as error:
                raise MigrationError(_describe(migration, statement, error)) from error
        connection.execute(
            "insert into supabase_migrations.schema_migrations (version, statements, name) values (%s, %s, %s)",
            [migration.version, [statement.text for statement in statements], migration.name],
        )
        return True


def split_statements(text: str) -> Iterator[Statement]:
    """Yield the statements of an SQL file. Bodies are expected in quotes: `begin atomic` is not known here."""
    start = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            yield from _statement(text, start, token.start())
            start = token.end()
    yield from _statement(text, start, len(text))


def _statement(text: str, start: int, end: int) -> Iterator[Statement]:
    leading = _COMMENTS.match(text, start, end)
    first_word = leading.end() if leading else start
    if first_word < end:
        yield Statement(text[start:end].strip(), text.count("\n", 0, first_word) + 1)


def _describe(migration: Migration, statement: Statement, error: psycopg.Error) -> str:
    diag = error.diag
    first_word = _COMMENTS.match(statement.text)
    offset = first_word.end() if first_word else 0
    line, near = statement.line, statement.text[offset:].partition("\n")[0]
    if diag.statement_position:
        position = int(diag.statement_position) - 1
        line += statement.text.count("\n", offset, max(offset, position))
        near = statement.text[:position].rpartition("\n")[2] + statement.text[position:].partition("\n")[0]
    parts = [f"{migration.path.name}, line {line}: {diag.message_primary or error}", f"  {near.strip()}"]
    said = {"Detail": diag.message_detail, "Hint": diag.message_hint}
    parts += [f"{label}: {text}" for label, text in said.items() if text]
    parts.append("Nothing of this file was kept.")
    return "\n".join(parts)
