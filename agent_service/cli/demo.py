"""`account-agent demo`: the whole loop, shown and checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    data: Annotated[
        Path | None, typer.Option(help="A CRM export (a folder of CSV files) instead of the sample CRM.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="How to read it; the packaged mapping if not given.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Keep what was printed as a picture.")] = None,
) -> None:
    """Ask for drafts, have a worker write them, show them, try to cheat, approve them.

    Exit codes: 0 every promise held, 1 one did not.
    """
    from rich.console import Console  # noqa: PLC0415 - slow

    from agent_service.demo import run  # noqa: PLC0415

    console = Console(record=svg is not None, width=140 if svg else None, highlight=False)
    broken = run(console, data=data, mapping=mapping)
    if svg is not None:
        from rich._export_format import CONSOLE_SVG_FORMAT  # noqa: PLC0415

        # Rich's own format names a host for its font; a picture should fetch nothing.
        code_format = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        console.save_svg(str(svg), title="make demo", code_format=code_format)
    raise typer.Exit(1 if broken else 0)
