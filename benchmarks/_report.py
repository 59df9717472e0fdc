"""What every benchmark prints: where it ran, a table with the peers, and whether each target was met; or it as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Latency:
    """Durations of one thing done many times, in milliseconds."""

    count: int
    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Percentiles by the inclusive method: of 100 values, p99 is the last but one."""
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        return cls(len(seconds), cuts[49] * 1000, cuts[98] * 1000)


def time_each(act: Callable[[int], Any], count: int, *, warm_up: int = 20) -> list[float]:
    """Seconds of each of `count` calls of `act(i)`, after `warm_up` that are not counted."""
    for number in range(warm_up):
        act(number)
    durations = []
    for number in range(count):
        started = time.perf_counter()
        act(number)
        durations.append(time.perf_counter() - started)
    return durations


@dataclass(frozen=True)
class Target:
    """A ratio between two figures of one run, and the most (or the least) that it should be."""

    name: str
    value: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool:
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    def __str__(self) -> str:
        bound = f"at most {self.at_most}" if self.at_most is not None else f"at least {self.at_least}"
        return f"{'met   ' if self.met else 'MISSED'} {self.name}: {self.value:.2f} ({bound})"


@dataclass
class Report:
    """One benchmark's result. `rows` are dicts with the same keys; what a row says of itself is its first value."""

    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def show(self, *, as_json: bool) -> None:
        """Print it, for people or for programs."""
        if as_json:
            print(json.dumps({"machine": machine(), **asdict(self)}, default=str))
            return
        console = Console(width=140)
        table = Table(title=self.title, title_justify="left")
        for place, name in enumerate(self.rows[0]):
            table.add_column(name, justify="left" if place == 0 else "right")
        for row in self.rows:
            table.add_row(*(_cell(value) for value in row.values()))
        console.print(table)
        for line in [*map(str, self.targets), *self.notes, machine()]:
            console.print(line, highlight=False, markup=False)


def machine() -> str:
    """Day, cores, memory, load, Python: without which no figure means anything."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
