"""`account-agent seed`: fill an empty CRM with a small, believable one."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from agent_service.errors import AgentError
from agent_service.settings import load_settings

__all__ = ["seed_command"]


def seed_command(
    *,
    seed: Annotated[int, typer.Option(min=0, help="Another number gives another CRM of the same kind.")] = 1,
    newest_days_ago: Annotated[int, typer.Option(min=0, help="Move everything this many days into the past.")] = 0,
    password: Annotated[str | None, typer.Option(help="Of everybody who can sign in; random if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make people, clients, deals and what happened with them, in the database of DATABASE_URL.

    Exit codes: 0 made, 1 there are clients already, 2 wrong settings or no database.
    """
    import psycopg  # noqa: PLC0415 - slow
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from agent_service.crm_data.loading import AlreadyLoadedError  # noqa: PLC0415
    from agent_service.crm_data.seed import seed as fill  # noqa: PLC0415

    try:
        url = load_settings(["database_url"]).database_url
        assert url is not None  # noqa: S101 - load_settings has seen to it
        result = fill(url.get_secret_value(), seed=seed, newest_days_ago=newest_days_ago, password=password)
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
    table = Table("sign in as", "name", "role", title=f"password of everybody: {result.password}")
    for person in result.sign_ins:
        table.add_row(person.email, person.full_name, person.role)
    console = Console()
    console.print(", ".join(f"{count} {name}" for name, count in result.counts.items()))
    console.print(table)
