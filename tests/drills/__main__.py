"""`make drill`: the full-size drills, with figures to keep. `python -m tests.drills [NAME …] [--json]`.

Each has a control, with what it tests taken away, that must find what the drill looks for. Exit 1 if a drill found
something, or its control nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from agent_service.logging import configure_logging
from tests.attacks import suite as attacks
from tests.drills import budget, crash, editing, injection, interleave, rotation, sending


class Report(Protocol):
    """What a drill hands back; `found` is whether it found what it must not."""

    found: bool

    def as_dict(self) -> dict[str, object]:
        """Figures by name."""


DRILLS: dict[str, tuple[Callable[[], Report], Callable[[], Report]]] = {
    "budget": (
        lambda: budget.run(budget.Size(reservations=500)),
        lambda: budget.run(budget.Size(reservations=100, guarded=False)),
    ),
    "crash": (
        lambda: crash.run(crash.Size(jobs=1000, kills=300, zombies=20)),
        lambda: crash.run(crash.Size(jobs=20, kills=0, zombies=10, fenced=False)),
    ),
    "editing": (
        lambda: editing.run(editing.Size(races=1000)),
        lambda: editing.run(editing.Size(races=200, checked=False)),
    ),
    "injection": (
        lambda: injection.run(injection.Size()),
        lambda: injection.run(injection.Size(payloads=50, checked=False)),
    ),
    "interleave": (
        lambda: interleave.run(interleave.Size(requests=10_000)),
        lambda: interleave.run(interleave.Size(requests=1_000, isolated=False)),
    ),
    "attacks": (attacks.attack_all, attacks.mutate_all),
    "rotation": (
        lambda: rotation.run(rotation.Size(phase_seconds=20)),
        lambda: rotation.run(rotation.Size(phase_seconds=3, in_order=False)),
    ),
    "sending": (
        lambda: sending.run(sending.Size(mails=100, kills=30)),
        lambda: sending.run(sending.Size(mails=20, kills=10, server_seconds=1.0, on_record=False)),
    ),
}


def main() -> int:
    """Run the drills named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description="Full-size drills with their controls.")
    parser.add_argument("names", nargs="*", choices=[*DRILLS, []], metavar="NAME", help=", ".join(DRILLS))
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    options = parser.parse_args()
    configure_logging(level=logging.ERROR)  # each drill counts what workers and gateway would tell
    wrong = 0
    for name in options.names or DRILLS:
        for run, control in zip(DRILLS[name], (False, True), strict=True):
            title = f"{name}, control" if control else name
            with _progress(title):
                report = run()
            right = report.found is control
            wrong += not right
            _show(title, report, right=right, as_json=options.json)
    return int(wrong > 0)


def _progress(title: str) -> Progress:
    """What runs and since when, on standard error."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    progress.add_task(title, total=None)
    return progress


def _show(title: str, report: Report, *, right: bool, as_json: bool) -> None:
    figures = report.as_dict()
    if as_json:
        print(json.dumps({"drill": title, "as_it_should": right, **figures}), flush=True)
        return
    table = Table(title=f"{title}: {'as it should be' if right else 'WRONG'}", title_justify="left", show_header=False)
    for name, value in figures.items():
        text = ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name, text)
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
