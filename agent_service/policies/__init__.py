"""What the migrations amount to for rights, as text to review: one file for each table, read from a database's catalog.

The committed files show the sample CRM. They are generated, so a change of any policy, grant, trigger or function's
rights is a diff under `policies/`, and cannot be forgotten.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from agent_service._paths import sample_crm_dir
from agent_service.database import migrate
from agent_service.rules import our_catalog

__all__ = ["compare", "describe", "sample_database", "write"]

_FOLDER = Path(__file__).parent
# How the catalog writes (select f()): with a name for its one column, and capitals.
_SCALAR = re.compile(r"\( SELECT ([\w.]+\(\)) AS \w+\)")
_HEAD = "-- Generated from the catalog by `account-agent policies`; not to be edited. {}\n\n"


def describe(database_url: str) -> dict[str, str]:
    """Return the files by name, as the catalog of this database has it."""
    with psycopg.connect(database_url) as connection, our_catalog(connection):
        tables = connection.execute((_FOLDER / "tables.sql").read_bytes()).fetchall()
        files = {f"{name}.sql": _HEAD.format(f"Table {name}.") + _tidy(text) + "\n" for name, text in tables}
        for name, title in (
            ("schemas", "Schemas, the worker's role, PostgREST's hook, the contract's views, the owner."),
            ("functions", "Functions without their bodies: as whom they run, who may call them."),
        ):
            rows = connection.execute((_FOLDER / f"{name}.sql").read_bytes()).fetchall()
            files[f"{name}.sql"] = _HEAD.format(title) + "\n\n".join(text for (text,) in rows) + "\n"
        return files


def _tidy(text: str) -> str:
    return _SCALAR.sub(r"(select \1)", text)


def compare(files: dict[str, str], folder: Path) -> str:
    """Return a unified diff from what `folder` holds to `files`, left-over files included; empty if there is none."""
    held = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.sql")}
    return "".join(
        line
        for name in sorted(held.keys() | files.keys())
        for line in difflib.unified_diff(
            held.get(name, "").splitlines(keepends=True),
            files.get(name, "").splitlines(keepends=True),
            f"policies/{name}",
            f"catalog/{name}",
        )
    )


def write(files: dict[str, str], folder: Path) -> None:
    """Make `folder` hold exactly these .sql files; whatever else is in it stays."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.sql"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


@contextmanager
def sample_database(bin_dir: Path | None = None) -> Iterator[str]:
    """A throw-away database with the sample CRM and all migrations; yields its DSN as `postgres`."""
    from agent_service.devstack.postgres import PostgresServer  # noqa: PLC0415 - needs the devstack's packages
    from agent_service.devstack.shim import apply_shim  # noqa: PLC0415

    with PostgresServer(None, bin_dir=bin_dir) as server:
        apply_shim(server.dsn("supabase_admin"), password=server.password)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            for file in sorted(sample_crm_dir().glob("*.sql")):
                connection.execute(file.read_bytes())
        migrate(server.dsn())
        yield server.dsn()
