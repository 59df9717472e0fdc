"""`account-agent policies`: what the migrations amount to for rights, as files to review."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["policies"]


def policies(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; print what differs.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the files are.")] = Path("policies"),
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="Default: a throw-away database with the sample CRM and all migrations."),
    ] = None,
) -> None:
    """Write row-level security, policies, grants, triggers and functions' rights, one file for each table.

    Exit codes: 0 written, or nothing differs; 1 something differs (with --check); 2 no database.
    """
    import psycopg  # noqa: PLC0415 - slow

    from agent_service.errors import AgentError  # noqa: PLC0415
    from agent_service.policies import compare, describe, sample_database, write  # noqa: PLC0415

    try:
        with nullcontext(database_url) if database_url else sample_database() as url:
            files = describe(url)
    except (AgentError, psycopg.Error) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None

    difference = compare(files, folder)
    if not difference:
        typer.echo(f"{folder} is as the catalog has it: {len(files)} files.")
    elif check:
        typer.echo(difference, nl=False)
        typer.echo(f"{folder} is not what the catalog has: run `make policies` and review the difference.", err=True)
        raise typer.Exit(1)
    else:
        write(files, folder)
        typer.echo(f"{folder} written: {len(files)} files. Review the difference before you commit it.")
