"""The launcher: whose processes and files there are while it runs, and that none are left when it does not."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from agent_service.devstack import _account, postgres
from agent_service.devstack.errors import DevstackError
from agent_service.devstack.postgres import PostgresServer

REPOSITORY = Path(__file__).parents[3]
OWNER = """
import sys, time
from pathlib import Path
from agent_service.devstack.postgres import PostgresServer
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
server = PostgresServer(folder, durable=folder is not None)
server.start()
pid_file = next(path for path in server.data_dir.rglob("postmaster.pid"))
print(pid_file.read_text().split()[0], server.data_dir, server.socket_dir, server._supervisor.pid, end=" ")
print(server.dsn("supabase_admin"), flush=True)
time.sleep(120)
"""


class Owner:
    """A process that has started a server and sits there."""

    def __init__(self, *arguments: object, python: str = sys.executable, **options: object) -> None:
        packages = sysconfig.get_path("platlib")
        self.process = subprocess.Popen(
            [python, "-c", OWNER, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"},
            **options,  # type: ignore[call-overload]
        )
        line = self.process.stdout.readline()
        assert line, "the owner did not start its server"
        pid, data_dir, socket_dir, supervisor, self.dsn = line.split()
        self.postmaster = psutil.Process(int(pid))
        self.supervisor = psutil.Process(int(supervisor))
        self.data_dir, self.socket_dir = Path(data_dir), Path(socket_dir)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        self.process.stdout.close()
        gone(self.supervisor)
        shutil.rmtree(self.socket_dir, ignore_errors=True)  # left by a supervisor that was killed


def gone(process: psutil.Process, seconds: float = 10) -> bool:
    """Whether the process ends in time; a zombie that a container's init does not reap has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def reachable_python(account: _account.Account) -> str | None:
    """This interpreter, or the system's of the same version, whichever `account` may run."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [Path(sys.executable), Path("/usr/bin") / name, Path("/usr/local/bin") / name]
    usable = (path for path in candidates if path.exists() and account.reaches(path.resolve().parent))
    return next(map(str, usable), None)


@pytest.fixture
def start_owner() -> Iterator[Callable[..., Owner]]:
    owners: list[Owner] = []

    def start(*arguments: object, **options: object) -> Owner:
        owners.append(Owner(*arguments, **options))
        return owners[-1]

    yield start
    for owner in owners:
        owner.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that Postgres' account may enter, whoever we are."""
    made = Path(tempfile.mkdtemp(prefix="stack-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_listens_on_loopback_and_on_a_socket_with_passwords(pg):
    for host in (pg.host, str(pg.socket_dir)):
        with psycopg.connect(pg.dsn("supabase_admin"), host=host) as connection:
            assert connection.execute("show is_superuser").fetchone() == ("on",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(pg.dsn("supabase_admin", password="wrong"), host=host)


def test_a_killed_owner_leaves_nothing_behind(start_owner):
    owner = start_owner()
    owner.kill()
    assert gone(owner.postmaster)
    assert gone(owner.supervisor)
    assert not owner.data_dir.exists()
    assert not owner.socket_dir.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_supervisor_leaves_no_postmaster_behind(start_owner, folder):
    owner = start_owner(folder)
    owner.supervisor.kill()
    assert gone(owner.postmaster)


def test_the_folder_of_a_killed_owner_can_be_used_at_once(start_owner, folder):
    owner = start_owner(folder)
    with psycopg.connect(owner.dsn) as connection:
        connection.execute("create table kept as select 42 as answer")
    owner.kill()
    with PostgresServer(folder, durable=True) as server, psycopg.connect(server.dsn("supabase_admin")) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)


def test_a_folder_has_one_server_at_a_time(folder, monkeypatch):
    with PostgresServer(folder), pytest.raises(DevstackError, match=rf"{folder} is in use by process {os.getpid()}"):
        PostgresServer(folder).start()


def test_a_folder_of_another_major_version_is_refused(folder):
    with PostgresServer(folder):
        pass
    version = next(folder.rglob("cluster")) / "PG_VERSION"
    version.write_text("13\n")
    with pytest.raises(DevstackError, match=r"was made by Postgres 13, which Postgres \d+ cannot read"):
        PostgresServer(folder).start()
    assert version.read_text() == "13\n"


def test_a_stale_pid_file_that_names_somebody_else_is_no_obstacle(folder):
    with PostgresServer(folder):
        pass
    (folder / "cluster" / "postmaster.pid").write_text(f"{os.getppid()}\n{folder}\n")
    with PostgresServer(folder) as server:
        psycopg.connect(server.dsn("supabase_admin")).close()
    assert psutil.pid_exists(os.getppid())


def test_a_taken_port_is_refused_with_the_holders_name(folder):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        message = rf"Port {port} is taken by process {os.getpid()} \("
        with pytest.raises(DevstackError, match=message):
            PostgresServer(folder, port=port).start()
    assert not any(folder.iterdir())


def test_two_servers_take_ports_of_their_own(pg, folder):
    with PostgresServer(folder) as other:
        assert other.port != pg.port


def test_a_long_path_is_no_obstacle_to_the_socket(folder):
    with PostgresServer(folder / ("long-" * 30)) as server:
        psycopg.connect(server.dsn("supabase_admin"), host=str(server.socket_dir)).close()


def test_settings_of_another_postgres_are_ignored(folder, monkeypatch):
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere.example"}.items():
        monkeypatch.setenv(name, value)
    with PostgresServer(folder) as server:
        psycopg.connect(server.dsn("supabase_admin")).close()


def test_a_postgres_that_cannot_start_says_why_and_leaves_nothing(folder, monkeypatch):
    monkeypatch.setitem(postgres.SETTINGS, "shared_buffers", "1GiB")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(DevstackError, match="invalid value for parameter"):
        PostgresServer(None).start()
    assert list(folder.iterdir()) == []


def test_secrets_are_readable_by_their_owner_only(folder):
    with PostgresServer(folder):
        assert (folder / "secret").stat().st_mode & 0o077 == 0
        assert next(folder.rglob("cluster")).stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
class TestAsRoot:
    def test_postgres_runs_under_another_account_without_roots_groups(self, start_owner):
        owner = start_owner()
        assert owner.postmaster.username() == "nobody"
        assert set(owner.postmaster.gids()) == {pwd.getpwnam("nobody").pw_gid}

    def test_an_ordinary_user_needs_no_root(self, start_owner, folder):
        nobody = pwd.getpwnam("nobody")
        account = _account.Account("nobody", nobody.pw_uid, nobody.pw_gid)
        python = reachable_python(account)
        if python is None or not account.reaches(REPOSITORY / ".venv"):
            pytest.skip("an ordinary user may not enter the folders of this checkout and its Python")
        account.own(folder)
        owner = start_owner(folder, python=python, **account.process_options)
        psycopg.connect(owner.dsn).close()
        assert owner.supervisor.username() == "nobody"

    def test_a_folder_that_another_user_made_is_refused(self, folder):
        cluster = folder / "cluster"
        cluster.mkdir()
        (cluster / "PG_VERSION").write_text("18\n")
        os.chown(cluster, 12345, 12345)
        with pytest.raises(DevstackError, match="made by another user, whose Postgres ran under id 12345"):
            PostgresServer(folder).start()

    def test_a_folder_that_is_closed_to_postgres_is_used_all_the_same(self, folder, monkeypatch):
        """As below /root: the mode of the closed folder stays what it was."""
        monkeypatch.setattr(_account, "SHARED_ROOT", folder / "shared")
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        for _ in range(2):
            with PostgresServer(closed / "stack") as server:
                psycopg.connect(server.dsn("supabase_admin")).close()
        assert closed.stat().st_mode & 0o777 == 0o700
        assert len(list((folder / "shared").glob("cluster-*"))) == 1

    def test_binaries_that_are_closed_to_postgres_are_copied_once(self, folder, monkeypatch):
        monkeypatch.setattr(_account, "SHARED_ROOT", folder / "shared")
        account = _account.choose_account()
        monkeypatch.setattr(_account.Account, "reaches", lambda self, path: "site-packages" not in str(path))
        bin_dir = _account.reachable_binaries(account)
        assert bin_dir.is_relative_to(folder)
        made = bin_dir.stat().st_mtime
        with PostgresServer(folder / "stack") as server:
            psycopg.connect(server.dsn("supabase_admin")).close()
        assert bin_dir.stat().st_mtime == made
