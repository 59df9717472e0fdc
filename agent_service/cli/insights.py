"""`account-agent insights CLIENT`: how things stand with a client, for people to read."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agent_service.settings import PERSON_FIELDS, Settings, load_settings
from agent_service.supabase import Supabase

__all__ = ["insights"]

BARS = "▁▂▃▄▅▆▇█"


def insights(
    client: Annotated[UUID, typer.Argument(help="The client's id.")],
    *,
    refresh: Annotated[bool, typer.Option("--refresh", help="Compute it now, whatever is kept.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show how things stand with a client, as the person sees it whose access token AGENT_USER_TOKEN is.

    Exit codes: 0 shown; 1 refused, or a setting is missing.
    """
    told = asyncio.run(_ask(load_settings(PERSON_FIELDS), client, "refresh" if refresh else "get"))
    if as_json:
        typer.echo(json.dumps(told))
    else:
        _show(told)


async def _ask(settings: Settings, client: UUID, verb: str) -> dict[str, Any]:
    # load_settings(PERSON_FIELDS) has seen to these three.
    assert settings.supabase_url and settings.supabase_publishable_key and settings.agent_user_token  # noqa: S101, PT018
    async with Supabase(settings.supabase_url, settings.supabase_publishable_key) as supabase:
        answer = await supabase.rpc(
            f"{verb}_client_intelligence", {"p_client_id": str(client)}, token=settings.agent_user_token
        )
    return dict(answer)


def _show(told: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(_figures(told))
    for title in ("risks", "opportunities"):
        for found in told[title]:
            console.print(f"[bold]{title.removesuffix('s')}[/bold] {_plain(found['sentence'])}")


def _figures(told: dict[str, Any]) -> Table:
    table = Table(show_header=False)
    talk, deals = told["communication"], told["deals"]
    weeks = [week["total"] for week in talk["weeks"]]
    table.add_row("12 weeks", f"{sparkline(weeks)}  {sum(weeks)} activities, trend {_of(told['trend'], 'direction')}")
    for side, words in (("ours", "we answer after"), ("theirs", "they answer after")):
        table.add_row(words, _of(talk["response_times"][side], "median_hours", " hours"))
    table.add_row("best hour", _of(talk["best_hour"], "hour", ":00"))
    table.add_row("engagement", _of(told["engagement"], "score", " of 100"))
    for factor in told["engagement"].get("factors", ()):
        table.add_row(f"  {factor['name']}", f"{factor['points']} of {factor['weight']}")
    table.add_row("deals", f"{deals['open']} open, {deals['won']} won, {deals['lost']} lost; win rate {_rate(deals)}")
    for row in deals["pipeline"]:
        table.add_row("  pipeline", f"{row['amount']:,} {_plain(row['currency'])}")
    table.add_row("churn", _of(told["churn"], "level"))
    table.add_row("upsell", _of(told["upsell"], "level"))
    return table


def sparkline(values: list[int]) -> str:
    """Return a bar a value, the highest one full."""
    top = max(values, default=0) or 1
    return "".join(BARS[value * (len(BARS) - 1) // top] for value in values)


def _rate(deals: dict[str, Any]) -> str:
    rate = deals["win_rate"]
    return f"unknown ({rate['insufficient_data']})" if isinstance(rate, dict) else f"{rate:.0%}"


def _of(figure: dict[str, Any], name: str, unit: str = "") -> str:
    if "insufficient_data" in figure:
        return f"unknown ({figure['insufficient_data']})"
    return f"{figure[name]}{unit}"


def _plain(text: str) -> str:
    """Text of the CRM, of which nothing is markup to the terminal."""
    return escape("".join(letter for letter in text if letter.isprintable()))
