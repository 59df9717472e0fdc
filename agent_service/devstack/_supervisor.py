"""Runs one postmaster and ends it when the process that asked for it is gone, however that happened.

Started as a script with a bare interpreter, so it imports the standard library only. The owner holds the other end of
standard input and writes nothing: end of file means that it stopped us or died. A fork of the owner may keep that pipe
open, so the parent's id is watched as well.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

POLL_SECONDS = 0.5
FAST_SECONDS = 10
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Return the postmaster's exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--owner", type=int, required=True)
    parser.add_argument("--account", type=json.loads, default={})
    parser.add_argument("--remove", action="append", default=[])
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()

    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    postmaster: subprocess.Popen[bytes] = subprocess.Popen(
        args.command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        cwd="/",
        preexec_fn=_die_with_parent(),  # noqa: PLW1509  this process has one thread
        **args.account,
    )
    while postmaster.poll() is None and not stopping:
        readable, _, _ = select.select([0], [], [], POLL_SECONDS)
        stopping = stopping or bool(readable) or os.getppid() != args.owner
    if stopping:  # else Postgres ended by itself, and the owner may want to see what is there
        _end(postmaster)
        for path in args.remove:
            shutil.rmtree(path, ignore_errors=True)
    return postmaster.returncode


def _end(postmaster: subprocess.Popen[bytes]) -> None:
    """Fast shutdown, then immediate shutdown, then SIGKILL; never returns with the postmaster alive."""
    for number, patience in ((signal.SIGINT, FAST_SECONDS), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        deadline = time.monotonic() + patience
        if postmaster.poll() is None:
            postmaster.send_signal(number)
        while postmaster.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)


def _die_with_parent() -> Callable[[], None] | None:
    """On Linux the kernel ends the postmaster if this process is killed with SIGKILL; elsewhere the next start does."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, int(signal.SIGQUIT), 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
