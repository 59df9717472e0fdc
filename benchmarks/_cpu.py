"""Processor time, which what else the machine does disturbs less than it does the clock."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psutil
import psycopg


def processor_seconds() -> tuple[float, float]:
    """Seconds so far of this process, and of the Postgres that it started with all its connections of this moment."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        if process.name() == "postgres":
            times = process.cpu_times()
            total += times.user + times.system
    return time.process_time(), total


def backend_seconds(connection: psycopg.Connection[Any]) -> float:
    """Seconds so far of the process behind a connection to a Postgres on this machine."""
    pid = connection.info.backend_pid
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0]) / 1e9
    except OSError:  # not Linux: in steps of 10 ms
        times = psutil.Process(pid).cpu_times()
        return times.user + times.system
