"""`account-agent uninstall`: all of ours out of a project again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from agent_service.settings import load_settings

__all__ = ["uninstall_command"]


def uninstall_command(
    *,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="Default: DATABASE_URL. A login as postgres.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, for programs; needs --dry-run or --yes.")
    ] = False,
) -> None:
    """Remove the account manager from a project, with everything it has stored. The CRM's own tables stay as they are.

    Exit codes: 0 removed, or nothing was there; 1 something is in the way, or it was not confirmed.
    """
    from agent_service import uninstalling  # noqa: PLC0415  psycopg only when it is needed

    if as_json and not (dry_run or yes):
        raise typer.BadParameter("add --dry-run or --yes: a program cannot be asked.", param_hint="--json")
    if database_url is None:
        secret = load_settings(["database_url"]).database_url
        assert secret is not None  # noqa: S101  load_settings has seen to it
        database_url = secret.get_secret_value()
    found = uninstalling.plan(database_url)
    if found.objects and not dry_run:
        if not yes:
            _tell(found, is_done=False)
            typer.confirm("Remove all of it? What it has stored is lost, and cannot be brought back.", abort=True)
        found = uninstalling.uninstall(database_url)
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"removed": bool(found.objects) and not dry_run}))
    else:
        _tell(found, is_done=not dry_run)


def _tell(found: object, *, is_done: bool) -> None:
    from agent_service.uninstalling import Plan  # noqa: PLC0415

    assert isinstance(found, Plan)  # noqa: S101
    if not found.objects:
        typer.echo("Nothing of the account manager is in this database.")
        return
    for name in found.objects:
        typer.echo(f"{'removed' if is_done else 'would remove'} {name}")
    stored = ", ".join(f"{count:,} of {table}" for table, count in found.rows.items())
    typer.echo(f"Rows that {'went' if is_done else 'would go'} with it: {stored or 'none'}.")
    for sentence in found.stays:
        typer.echo(sentence)
