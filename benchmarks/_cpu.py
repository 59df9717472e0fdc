"""Processor time, which what else the machine does disturbs less than it does the clock."""

from __future__ import annotations

import time

import psutil


def processor_seconds() -> tuple[float, float]:
    """Seconds so far of this process, and of the Postgres that it started with all its connections of this moment."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        if process.name() == "postgres":
            times = process.cpu_times()
            total += times.user + times.system
    return time.process_time(), total
