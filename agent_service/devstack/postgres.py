"""Starts and stops a Postgres of our own: as root or not, without leaving one behind, on a port nobody else has."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from agent_service.devstack._account import choose_account, reachable_binaries, shared_folder
from agent_service.devstack._folders import end_left_over, lock_folder, temporary_root
from agent_service.devstack._ports import HOST, free_port, require_free_port
from agent_service.devstack.errors import DevstackError

__all__ = ["PostgresServer"]

SUPERUSER = "supabase_admin"
START_SECONDS = 60

SETTINGS = {
    "cluster_name": "account-manager-agent",
    "jit": "off",
    "listen_addresses": HOST,
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "wal_level": "logical",  # what the realtime publication expects
}
# A crash of the machine loses everything; one of a process, Postgres' own included, nothing that was committed.
THROW_AWAY = {"autovacuum_naptime": "5min", "fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB"}


class PostgresServer:
    """One Postgres server in `data_dir`, running from `start` to `stop` and never longer than this process.

    `data_dir` None is a new folder that goes when the server ends, even if this process is killed. `port` None takes a
    free one, `bin_dir` None the wheel's programs. `durable` False trades safety in a crash of the machine for speed.
    """

    host = HOST

    def __init__(
        self,
        data_dir: Path | None,
        *,
        port: int | None = None,
        bin_dir: Path | None = None,
        durable: bool = False,
    ) -> None:
        self._wanted_dir = data_dir
        self._wanted_port = port
        self._bin_dir = bin_dir
        self._durable = durable
        self._account = choose_account()
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._port: int | None = None
        self._socket_dir: Path | None = None
        self._data_dir: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def data_dir(self) -> Path:
        """The folder of this server: its cluster, its log, the secret its passwords come from."""
        if self._data_dir is None:
            raise DevstackError("The server has not been started.")
        return self._data_dir

    @property
    def cluster_dir(self) -> Path:
        """Postgres' own files: below `data_dir`, or elsewhere if its account may not go there."""
        home = self.data_dir / "cluster-home"
        return (home.resolve() if home.is_symlink() else self.data_dir) / "cluster"

    @property
    def port(self) -> int:
        """The TCP port on loopback; also part of the socket's name."""
        if self._port is None:
            raise DevstackError("The server is not running.")
        return self._port

    @property
    def socket_dir(self) -> Path:
        """The folder of the unix socket, with a path short enough for one."""
        if self._socket_dir is None:
            raise DevstackError("The server is not running.")
        return self._socket_dir

    @property
    def log_file(self) -> Path:
        """What Postgres writes to its log, kept across starts."""
        return self.data_dir / "postgres.log"

    def dsn(self, user: str = "postgres", dbname: str = "postgres", password: str | None = None) -> str:
        """Return a URL; the password is the role's own in this stack unless given."""
        secret = self.password(user) if password is None else password
        return f"postgresql://{quote(user)}:{quote(secret, safe='')}@{HOST}:{self.port}/{quote(dbname)}"

    def password(self, role: str) -> str:
        """Return the password of `role`: derived from the stack's secret, so that none but the secret is kept."""
        secret = (self.data_dir / "secret").read_bytes()
        return hmac.digest(secret, role.encode(), hashlib.sha256).hex()[:32]

    def start(self) -> None:
        """Make the data folder if needed and return when Postgres accepts connections.

        Raises DevstackError when the folder is another major version's or in use, or the port is taken.
        """
        if self._wanted_port is not None:
            require_free_port(self._wanted_port)
        if self._wanted_dir is None:
            self._data_dir = Path(tempfile.mkdtemp(prefix="account-agent-", dir=temporary_root(self._account)))
        else:
            self._data_dir = self._wanted_dir.absolute()
            self._data_dir.mkdir(parents=True, exist_ok=True)
            if os.geteuid() not in (0, self._data_dir.stat().st_uid):
                raise DevstackError(f"The folder {self._data_dir} is another user's. Choose one of your own.")
        self.data_dir.chmod(0o711 if self._account.name else 0o700)  # Postgres' account passes through, no more
        self._lock = lock_folder(self.data_dir)
        try:
            bin_dir = self._find_binaries()
            cluster = self._prepare_cluster(bin_dir)
            self._launch(bin_dir, cluster)
        except BaseException:
            self.stop()
            raise
        finally:
            self._lock.close()  # the supervisor, if there is one now, holds it from here on

    def stop(self) -> None:
        """Shut down and return when the server is gone; harmless when it is not running."""
        self._end_supervisor()
        if self._wanted_dir is None and self._data_dir is not None:
            shutil.rmtree(self._data_dir, ignore_errors=True)

    def _end_supervisor(self) -> None:
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is None:
            return
        assert supervisor.stdin is not None  # noqa: S101  we opened it
        supervisor.stdin.close()
        supervisor.wait(timeout=30)
        shutil.rmtree(self.socket_dir, ignore_errors=True)  # it is there still if Postgres ended by itself
        self._port = self._socket_dir = None

    def _find_binaries(self) -> Path:
        if self._bin_dir is None:
            return reachable_binaries(self._account)
        if not (self._bin_dir / "postgres").is_file():
            raise DevstackError(f"There is no Postgres in {self._bin_dir}: give the folder of initdb and postgres.")
        if not self._account.reaches(self._bin_dir):
            raise DevstackError(f"Root runs Postgres as {self._account.name!r}, which may not enter {self._bin_dir}.")
        return self._bin_dir

    def _prepare_cluster(self, bin_dir: Path) -> Path:
        """Return the folder of the cluster, made by initdb in one step if it is not there."""
        link = self.data_dir / "cluster-home"
        if not link.is_dir() and not self._account.reaches(self.data_dir):
            link.unlink(missing_ok=True)
            link.symlink_to(shared_folder())
        cluster = self.cluster_dir
        major = _major_version(bin_dir)
        if cluster.is_dir():
            self._check_cluster(cluster, major)
            end_left_over(cluster)
            return cluster
        fresh = cluster.with_name("cluster.new")
        shutil.rmtree(fresh, ignore_errors=True)  # an initdb that was interrupted
        (self.data_dir / "secret").touch(mode=0o600)
        (self.data_dir / "secret").write_bytes(secrets.token_bytes(32))
        self._initdb(bin_dir, fresh, major)
        return fresh.rename(cluster)

    def _check_cluster(self, cluster: Path, major: str) -> None:
        if (owner := cluster.stat().st_uid) != self._account.uid:
            raise DevstackError(
                f"The data folder {self.data_dir} was made by another user, whose Postgres ran under id {owner}; "
                f"yours runs under {self._account.uid}. Start it as that user, or choose another folder."
            )
        found = (cluster / "PG_VERSION").read_text().strip()
        if found != major:
            raise DevstackError(
                f"The data folder {self.data_dir} was made by Postgres {found}, which Postgres {major} cannot read. "
                f"Move the folder away to start afresh, or use Postgres {found}."
            )

    def _initdb(self, bin_dir: Path, folder: Path, major: str) -> None:
        folder.mkdir(mode=0o700)
        self._account.own(folder)
        # PostgreSQL 17 and later bring a UTF-8 locale of their own; before, the system's is used.
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        with tempfile.NamedTemporaryFile("w", prefix="pw-", dir=temporary_root(self._account)) as password_file:
            password_file.write(self.password(SUPERUSER))
            password_file.flush()
            self._account.own(Path(password_file.name))
            done = subprocess.run(
                [
                    bin_dir / "initdb",
                    f"--pgdata={folder}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file.name}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--no-instructions",
                    *(locale if int(major) >= 17 else ["--locale=C.UTF-8"]),
                    *([] if self._durable else ["--no-sync"]),
                ],
                cwd="/",
                env=_environment(),
                check=False,
                capture_output=True,
                text=True,
                **self._account.process_options,
            )
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            raise DevstackError(f"initdb failed in {folder}:\n{(done.stderr or done.stdout).strip()}")

    def _launch(self, bin_dir: Path, cluster: Path) -> None:
        for attempt in range(5):
            port = self._wanted_port or free_port()
            if self._try_launch(bin_dir, cluster, port):
                return
            self._end_supervisor()
            # Another process may take a free port between the look and the start.
            if self._wanted_port is not None or attempt == 4 or "could not bind" not in _tail(self.log_file):
                break
        raise DevstackError(f"Postgres did not start. The end of {self.log_file}:\n{_tail(self.log_file)}")

    def _try_launch(self, bin_dir: Path, cluster: Path, port: int) -> bool:
        socket_dir = Path(tempfile.mkdtemp(prefix="pg-", dir=temporary_root(self._account)))
        self._account.own(socket_dir)
        settings = {**SETTINGS, **({} if self._durable else THROW_AWAY)}
        settings |= {"port": str(port), "unix_socket_directories": str(socket_dir)}
        remove = [socket_dir, *([self.data_dir] if self._wanted_dir is None else [])]
        assert self._lock is not None  # noqa: S101  start() took it
        self.log_file.touch(mode=0o600)
        with self.log_file.open("ab") as log:
            supervisor = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", Path(__file__).with_name("_supervisor.py")),
                    f"--owner={os.getpid()}",
                    f"--account={json.dumps(self._account.process_options)}",
                    *(f"--remove={path}" for path in remove),
                    *("--", bin_dir / "postgres", "-D", cluster),
                    *(f"--{name}={value}" for name, value in settings.items()),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the owner's terminal is the owner's to handle
                pass_fds=[self._lock.fileno()],
            )
        self._supervisor, self._port, self._socket_dir = supervisor, port, socket_dir
        return _wait_ready(cluster, supervisor)


def _wait_ready(cluster: Path, supervisor: subprocess.Popen[bytes]) -> bool:
    """Wait until postmaster.pid says `ready`, as pg_ctl does; False when the server ended or took too long."""
    deadline = time.monotonic() + START_SECONDS
    while supervisor.poll() is None and time.monotonic() < deadline:
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            lines = []
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return True
        time.sleep(0.01)
    return False


def _major_version(bin_dir: Path) -> str:
    text = subprocess.run([bin_dir / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\d+", text)
    if found is None:
        raise DevstackError(f"{bin_dir / 'postgres'} does not say its version: {text!r}")
    return found.group()


def _environment() -> dict[str, str]:
    """The environment without PGPORT, PGDATA and their like, which Postgres would obey."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _tail(file: Path, lines: int = 8) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else "(no log)"
