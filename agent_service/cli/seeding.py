"""`account-agent seed`: fill an empty CRM with a small, believable one, or with one of any size."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_service.errors import AgentError
from agent_service.settings import load_settings

if TYPE_CHECKING:
    from agent_service.crm_data.seed import SeedResult

__all__ = ["seed_command"]


def seed_command(
    *,
    clients: Annotated[int | None, typer.Option(min=1, help="Generate so many, instead of the small sample.")] = None,
    activities_per_client: Annotated[
        int, typer.Option(min=0, max=2000, help="With --clients: the median of a client in the last year.")
    ] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Another number gives another CRM of the same kind.")] = 1,
    newest_days_ago: Annotated[int, typer.Option(min=0, help="Move everything this many days into the past.")] = 0,
    password: Annotated[str | None, typer.Option(help="Of everybody who can sign in; random if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make people, clients, deals and what happened with them, in the database of DATABASE_URL.

    Exit codes: 0 made, 1 there are clients already, 2 wrong settings or no database.
    """
    import psycopg  # noqa: PLC0415 - slow

    from agent_service.crm_data.loading import AlreadyLoadedError  # noqa: PLC0415

    try:
        url = load_settings(["database_url"]).database_url
        assert url is not None  # noqa: S101 - load_settings has seen to it
        options = {"seed": seed, "newest_days_ago": newest_days_ago, "password": password}
        result = _fill(url.get_secret_value(), clients, activities_per_client, options)
    except AlreadyLoadedError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except (AgentError, psycopg.OperationalError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None

    if as_json:
        people = [{**dataclasses.asdict(person), "user_id": str(person.user_id)} for person in result.sign_ins]
        typer.echo(json.dumps({"counts": result.counts, "sign_ins": people, "password": result.password}))
        return
    _show(result)


def _fill(url: str, clients: int | None, activities_per_client: int, options: dict[str, Any]) -> SeedResult:
    if clients is None:
        from agent_service.crm_data.seed import seed  # noqa: PLC0415

        return seed(url, **options)

    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    from agent_service.crm_data.generating import TABLES, Size, generate  # noqa: PLC0415

    with Progress(console=Console(stderr=True)) as progress:
        bars = {table: progress.add_task(table, total=clients) for table in TABLES}
        return generate(
            url,
            Size(clients=clients, activities_per_client=activities_per_client),
            on_progress=lambda table, made: progress.advance(bars[table], made),
            **options,
        )


def _show(result: SeedResult) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("sign in as", "name", "role", "clients", title=f"password of everybody: {result.password}")
    for person in result.sign_ins[:20]:
        owned = len(result.owned.get(person.user_id, ()))
        table.add_row(person.email, person.full_name, person.role, f"{owned:,}")
    console = Console()
    console.print(", ".join(f"{count:,} {name}" for name, count in result.counts.items()))
    console.print(table)
    if len(result.sign_ins) > 20:
        console.print(f"and {len(result.sign_ins) - 20:,} more, with addresses of the same form")
