"""`account-agent import`: load a CRM's export into the sample CRM."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_service.errors import AgentError
from agent_service.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_service.crm_data.importing import ImportReport, Progress

__all__ = ["import_command"]

SHOWN_FAULTS = 50


def import_command(
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A folder of CSV files.")],
    *,
    mapping: Annotated[
        Path | None, typer.Option(help="TOML: which file, column and word is what. Default: the sales export's.")
    ] = None,
    newest_days_ago: Annotated[
        int, typer.Option(min=0, max=36_500, help="How old the newest record is to be, in days.")
    ] = 1,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Load the other rows.")] = False,
    password: Annotated[str | None, typer.Option(help="Of everybody who can sign in; random if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result, with every fault, as JSON.")] = False,
) -> None:
    """Load a CRM's export into the database of DATABASE_URL: all of it, or nothing and every fault at once.

    Exit codes: 0 loaded, 1 bad rows (or clients there already) and nothing loaded, 2 wrong settings or mapping, or no
    database.
    """
    import psycopg  # noqa: PLC0415 - slow

    from agent_service.crm_data.importing import import_folder  # noqa: PLC0415
    from agent_service.crm_data.loading import AlreadyLoadedError  # noqa: PLC0415

    try:
        url = load_settings(["database_url"]).database_url
        assert url is not None  # noqa: S101 - load_settings has seen to it
        with _progress_bar() as progress:
            report = import_folder(
                directory,
                mapping,
                database_url=url.get_secret_value(),
                newest_days_ago=newest_days_ago,
                skip_bad_rows=skip_bad_rows,
                password=password,
                progress=progress,
            )
    except AlreadyLoadedError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except (AgentError, psycopg.Error) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None

    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(report), default=str))
    else:
        _print_faults(report)
        _print_result(report)
    if not report.loaded:
        raise typer.Exit(1)


def _print_faults(report: ImportReport) -> None:
    for fault in report.faults[:SHOWN_FAULTS]:
        typer.echo(str(fault), err=True)
    if len(report.faults) > SHOWN_FAULTS:
        typer.echo(f"... and {len(report.faults) - SHOWN_FAULTS} more; --json prints them all.", err=True)
    if report.faults:
        kinds = Counter(fault.kind.replace("_", " ") for fault in report.faults)
        counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        rows = f"; bad rows: {report.skipped}" if report.skipped else ""
        typer.echo(f"Faults: {counted}{rows}.", err=True)


def _print_result(report: ImportReport) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    if not report.loaded:
        typer.echo("Nothing was loaded. Mend the files, or load the other rows with --skip-bad-rows.", err=True)
        return
    console = Console()
    console.print("Loaded " + ", ".join(f"{count} {name}" for name, count in report.counts.items()) + ".")
    if report.skipped:
        console.print(f"Left out {report.skipped} bad rows.")
    table = Table("sign in as", "name", "role", title=f"password of everybody: {report.password}")
    for person in report.sign_ins:
        table.add_row(escape(person.email), escape(person.full_name), person.role)
    console.print(table)


@contextmanager
def _progress_bar() -> Iterator[Progress | None]:
    """A bar on a terminal's error output, nothing elsewhere."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415
    from rich.progress import TaskID  # noqa: PLC0415

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Bar(console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done, total=total)

        yield show
