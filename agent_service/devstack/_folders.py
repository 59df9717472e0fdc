"""The folders of a server: one server at a time in each, and nothing left over from the last one."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import IO

import psutil

from agent_service.devstack._account import Account
from agent_service.devstack.errors import DevstackError

# A predecessor whose owner was killed needs a moment to shut down.
LOCK_SECONDS = 12


def lock_folder(data_dir: Path) -> IO[str]:
    """Take the folder for one server. The lock is the supervisor's, so it outlives an owner that was killed."""
    lock = (data_dir / "lock").open("a+")
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _recorded_owner(lock)
            if time.monotonic() < deadline and (owner is None or not psutil.pid_exists(owner)):
                time.sleep(0.05)
                continue
            lock.close()
            who = f"process {owner}" if owner else "another process"
            raise DevstackError(f"The data folder {data_dir} is in use by {who}. Stop that first.") from None
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        return lock


def _recorded_owner(lock: IO[str]) -> int | None:
    lock.seek(0)
    text = lock.read()
    return int(text) if text.isdigit() else None


def end_left_over(cluster: Path) -> None:
    """Deal with a postmaster.pid: end our own postmaster if one is left, remove the file if it names nobody of ours.

    Postgres takes any living process of the recorded id for its predecessor, and containers soon reuse ids.
    """
    pid_file = cluster / "postmaster.pid"
    if not pid_file.exists():
        return
    first = pid_file.read_text().partition("\n")[0]
    try:
        process = psutil.Process(int(first))
        if str(cluster) in process.cmdline():
            process.send_signal(signal.SIGINT)
            process.wait(timeout=15)
    except (psutil.NoSuchProcess, ValueError):
        pass
    except (psutil.AccessDenied, psutil.TimeoutExpired) as error:
        raise DevstackError(f"A Postgres server, process {first}, still runs in {cluster}.") from error
    pid_file.unlink(missing_ok=True)


def temporary_root(account: Account) -> Path:
    """A folder for sockets and short-lived files: open to `account`, and short, as a socket's path must be."""
    for root in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108  only mkdtemp makes anything in it
        if len(root) < 60 and Path(root).is_dir() and os.access(root, os.W_OK) and account.reaches(Path(root)):
            return Path(root)
    raise DevstackError("There is no usable folder for temporary files: set TMPDIR to a short path open to all users.")
