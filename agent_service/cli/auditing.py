"""`account-agent audit`: whether the audit log is what it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agent_service.settings import load_settings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The audit log and its chain of hashes.")


@app.callback()
def audit() -> None:
    """The audit log and its chain of hashes."""


@app.command()
def verify(
    *,
    anchor: Annotated[
        Path | None,
        typer.Option("--anchor", help="Anchors kept outside the database, one JSON object a line."),
    ] = None,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="Default: DATABASE_URL. It is only read.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Recompute the chain of the audit log and hold it against its anchors.

    Exit codes: 0 whole; 1 something was changed; 2 no database, or no such file.
    """
    import psycopg  # noqa: PLC0415 - slow

    from agent_service import audit as log  # noqa: PLC0415

    if database_url is None:
        secret = load_settings(["database_url"]).database_url
        assert secret is not None  # noqa: S101  load_settings has seen to it
        database_url = secret.get_secret_value()
    try:
        report = log.verify(database_url, log.read_anchors(anchor) if anchor else ())
    except (log.AnchorFileError, psycopg.Error) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        raise typer.Exit(1 if report.faults else 0)
    for fault in report.faults:
        typer.echo(fault, err=True)
    typer.echo(
        f"{report.rows} rows chained, {report.unchained} not yet, {report.erased} with erased details; "
        f"{report.anchors} anchors, the last of row {report.anchored}."
    )
    if anchor is None:
        typer.echo("Only the anchors in the database were looked at: name your own file with --anchor.")
    if report.faults:
        typer.echo(f"The audit log is not what it was: {len(report.faults)} faults.", err=True)
        raise typer.Exit(1)
    typer.echo("The chain is whole.")
