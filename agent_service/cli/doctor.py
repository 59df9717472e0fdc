"""`account-agent doctor`: what is right and wrong with a project."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from agent_service.settings import load_settings

__all__ = ["doctor"]

MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "fault": "[red]✗[/]", "skipped": "[dim]-[/]"}


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False) -> None:
    """Check a project, before and after installing: database, rights, keys, clock, PostgREST, Auth, model and mail.

    It takes what it needs from the environment, and says what it could not look at. It changes nothing.
    Exit codes: 0 healthy; 1 faults; 2 neither DATABASE_URL nor SUPABASE_URL is set.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from agent_service.doctor import examine  # noqa: PLC0415

    settings = load_settings()
    if settings.database_url is None and settings.supabase_url is None:
        typer.echo(
            "There is nothing to look at: set DATABASE_URL, or SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY.", err=True
        )
        raise typer.Exit(2)
    findings = list(examine(settings))
    faults = sum(finding.status == "fault" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"healthy": not faults, "findings": [asdict(finding) for finding in findings]}))
        raise typer.Exit(1 if faults else 0)
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    for finding in findings:
        said = escape(finding.sentence)
        if finding.mend and finding.status != "ok":
            said += f"\n[cyan]→ {escape(finding.mend)}[/]"
        table.add_row(MARKS[finding.status], escape(finding.check), said)
    Console().print(table)
    warnings = sum(finding.status == "warning" for finding in findings)
    typer.echo(f"Faults: {faults}. Warnings: {warnings}.")
    raise typer.Exit(1 if faults else 0)
