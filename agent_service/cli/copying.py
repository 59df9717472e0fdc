"""`account-agent migrations`: our files for a project's own history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Our migrations as files.")


@app.callback()
def migrations() -> None:
    """Our migrations as files."""


@app.command()
def copy(
    folder: Annotated[Path, typer.Argument(help="The host's supabase/migrations.", file_okay=False, exists=True)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Copy our migrations into a project's own, for `supabase db push --include-all`.

    Exit codes: 0 all are there; 1 another file has the version of one of ours: nothing is copied then.
    """
    from agent_service.database import read_migrations  # noqa: PLC0415

    there = {file.name.split("_")[0]: file for file in folder.glob("*.sql")}
    new, same, faults = [], [], []
    for migration in read_migrations():
        text = migration.path.read_bytes()
        other = there.get(migration.version)
        if other is None:
            new.append(migration.path)
        elif other.name == migration.path.name and other.read_bytes() == text:
            same.append(other.name)
        else:
            faults.append(
                f"{other.name} has the version of {migration.path.name} and is another file: "
                "rename it, or delete it if it is an old copy of ours."
            )
    if not faults:
        for path in new:
            (folder / path.name).write_bytes(path.read_bytes())
    if as_json:
        copied = [] if faults else [path.name for path in new]
        typer.echo(json.dumps({"copied": copied, "unchanged": same, "faults": faults}))
    else:
        for fault in faults:
            typer.echo(fault, err=True)
        if faults:
            typer.echo("Nothing was copied.", err=True)
        else:
            typer.echo(
                f"{len(new)} files copied to {folder}, {len(same)} were there. Next: supabase db push --include-all"
            )
    if faults:
        raise typer.Exit(1)
