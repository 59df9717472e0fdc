"""`account-agent suggest`: what is proposed to a person, in the order in which to do it."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agent_service.settings import PERSON_FIELDS, Settings, load_settings
from agent_service.supabase import Supabase

__all__ = ["suggest"]

COLOURS = {"high": "red", "medium": "yellow", "low": "dim"}


def suggest(
    *,
    client: Annotated[UUID | None, typer.Option("--client", help="Only this client, brought up to date first.")] = None,
    priority: Annotated[Literal["low", "medium", "high"] | None, typer.Option("--priority")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show what is proposed to the person whose access token AGENT_USER_TOKEN is.

    Exit codes: 0 shown, be it none; 1 refused, or a setting is missing.
    """
    page = asyncio.run(_ask(load_settings(PERSON_FIELDS), client, priority, limit))
    if as_json:
        typer.echo(json.dumps(page))
    elif not page["items"]:
        typer.echo("Nothing is proposed.")
    else:
        _show(page)


async def _ask(settings: Settings, client: UUID | None, priority: str | None, limit: int) -> dict[str, Any]:
    # load_settings(PERSON_FIELDS) has seen to these three.
    assert settings.supabase_url and settings.supabase_publishable_key and settings.agent_user_token  # noqa: S101, PT018
    params = {"p_client_id": client and str(client), "p_priority": priority, "p_limit": limit}
    async with Supabase(settings.supabase_url, settings.supabase_publishable_key) as supabase:
        answer = await supabase.rpc("list_suggestions", params, token=settings.agent_user_token)
    return dict(answer)


def _show(page: dict[str, Any]) -> None:
    table = Table(show_lines=True)
    for name in ("priority", "client", "next step", "why", "why here"):
        table.add_column(name)
    for item in page["items"]:
        colour = COLOURS.get(item["priority"], "")
        cells = (item["client_name"], item["title"], item["reasoning"] or "", item["rank_words"])
        table.add_row(f"[{colour}]{item['priority']}[/]", *(_plain(cell) for cell in cells))
    Console().print(table)
    if page["next"] is not None:
        typer.echo(f"These are the first {len(page['items'])}; there are more (--limit).")


def _plain(text: str) -> str:
    """Text of the CRM, of which nothing is markup to the terminal."""
    return escape("".join(letter for letter in text if letter.isprintable()))
