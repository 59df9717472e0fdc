"""Installs the locked npm packages of a folder of tests, or skips with the reason why that cannot be."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["install"]

_UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")


def install(folder: Path) -> str:
    """Bring node_modules of `folder` to its package-lock.json and return the path of node."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed (apt-get install nodejs npm)")
    lock, stamp = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    with lock.open() as held:
        # npm writes the stamp before the last file: another test process waits until it has ended.
        fcntl.flock(held, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.stat().st_mtime >= lock.stat().st_mtime:
            return node
        installed = subprocess.run([npm, "ci"], cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    if installed.returncode != 0:
        if any(code in installed.stderr for code in _UNREACHABLE):
            pytest.skip("npm ci could not reach its registry")
        pytest.fail(f"npm ci failed:\n{installed.stderr}")
    return node
