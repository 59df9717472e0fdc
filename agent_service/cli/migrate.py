"""`account-agent migrate`: bring a Supabase database up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from agent_service.settings import load_settings

__all__ = ["migrate"]


def migrate(
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="Default: DATABASE_URL. A login as postgres."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be applied and change nothing.")] = False,
) -> None:
    """Apply the migrations that the database does not have yet, and record them as the Supabase CLI does."""
    from agent_service import database  # noqa: PLC0415  psycopg only when it is needed

    if database_url is None:
        secret = load_settings(["database_url"]).database_url
        assert secret is not None  # noqa: S101  load_settings has seen to it
        database_url = secret.get_secret_value()
    if dry_run:
        names = [migration.path.name for migration in database.pending(database_url)]
    else:
        names = database.migrate(database_url)
    for name in names:
        typer.echo(f"{'would apply' if dry_run else 'applied'} {name}")
    if not names:
        typer.echo("The database is up to date.")
