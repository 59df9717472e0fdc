"""What all tests share: one Postgres per test process, a migrated template, a fresh clone per test, people who act.

AGENT_TEST_POSTGRES_BIN names the folder of another Postgres to run everything on. Tests that ask for `any_database`
run on the chosen one and on Debian's 15.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from agent_service._paths import sample_crm_dir
from agent_service.database import migrate
from agent_service.devstack.postgres import PostgresServer
from agent_service.devstack.shim import DefaultPrivileges, apply_shim
from agent_service.llm import anthropic
from tests import containers
from tests.canaries import find_canaries

if TYPE_CHECKING:
    from agent_service.devstack.stack import Devstack

# Cloning a database creates and removes 400 files: in memory 20 ms, on a container's disk 80.
MEMORY, ROOM = Path("/dev/shm"), 2 << 30  # noqa: S108  only mkdtemp makes anything in it
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
TEMPLATE = "template_crm"

AsUser = Callable[..., AbstractContextManager["psycopg.Connection[Any]"]]


@dataclass(frozen=True)
class Database:
    """One database of a test server."""

    server: PostgresServer
    name: str

    def dsn(self, user: str = "postgres") -> str:
        return self.server.dsn(user, self.name)

    def connect(self, user: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn(user), autocommit=True)


def pytest_report_header() -> str:
    chosen = os.environ.get("AGENT_TEST_POSTGRES_BIN", "the wheel's")
    second = "Debian's 15" if DEBIAN_15.is_dir() else "none (Debian's 15 is not installed, its tests are skipped)"
    stacks = f"{containers.POSTGRES_IMAGE}, {containers.POSTGREST_IMAGE}" if containers.WANTED else "off"
    return f"postgres: {chosen}; second leg: {second}; stack on containers: {stacks}"


# No test spends money: not in this process, and not in one that it starts. Fixture `real_model` lifts it.
MODEL_SETTINGS = {name: os.environ.pop(name, None) for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")}
anthropic.ALLOW_REAL_REQUESTS = False


@pytest.fixture
def real_model(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """The settings of a real model, for a test that says why it asks one."""
    if not (MODEL_SETTINGS["ANTHROPIC_API_KEY"] and os.environ.get("AGENT_SMOKE_TEST")):
        pytest.skip("it costs money: set ANTHROPIC_API_KEY and AGENT_SMOKE_TEST=1 to ask a real model")
    monkeypatch.setattr(anthropic, "ALLOW_REAL_REQUESTS", True)
    return MODEL_SETTINGS


LEAKS: dict[str, list[str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Whatever a test logged or printed: none of it may hold what is planted in the CRM."""
    if report.passed and (leaked := find_canaries(text for _, text in report.sections)):
        LEAKS.setdefault(report.nodeid, []).extend(leaked)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for test, leaked in LEAKS.items():
        terminalreporter.write_line(f"LEAK {test} logged personal data of the CRM: {', '.join(leaked)}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if LEAKS:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _chosen_bin() -> Path | None:
    chosen = os.environ.get("AGENT_TEST_POSTGRES_BIN")
    return Path(chosen) if chosen else None


def make_host(server: PostgresServer, name: str, *, default_privileges: DefaultPrivileges = "new") -> Database:
    """A database with the shim and the sample CRM, as it is before our migrations."""
    host = Database(server, name)
    with Database(server, "postgres").connect("supabase_admin") as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    apply_shim(host.dsn("supabase_admin"), default_privileges=default_privileges, password=server.password)
    with host.connect() as connection:
        for file in sorted(sample_crm_dir().glob("*.sql")):
            connection.execute(file.read_bytes())
    return host


def make_template(server: PostgresServer) -> Database:
    template = make_host(server, TEMPLATE)
    migrate(template.dsn())
    return template


_clones = itertools.count(1)


@contextmanager
def clone(template: Database) -> Iterator[Database]:
    """A copy of the template for one test (about 15 ms), dropped with whoever is still connected."""
    copy = Database(template.server, f"test_{next(_clones)}")
    names = {"copy": sql.Identifier(copy.name), "template": sql.Identifier(template.name)}
    with Database(template.server, "postgres").connect("supabase_admin") as admin:
        # file_copy, without fsync: a third of the time of wal_log
        create = sql.SQL("create database {copy} template {template} owner postgres strategy file_copy")
        admin.execute(create.format(**names))
        try:
            yield copy
        finally:
            # Those who have just said goodbye are gone in a millisecond or two; DROP looks once, then again after 100.
            connected = "select exists (select from pg_stat_activity where datname = %s)"
            for _ in range(10):
                if not admin.execute(connected, [copy.name]).fetchone()[0]:  # type: ignore[index]
                    break
                time.sleep(0.001)
            admin.execute(sql.SQL("drop database {copy} with (force)").format(**names))


@contextmanager
def started(bin_dir: Path | None) -> Iterator[PostgresServer]:
    """A throw-away server without the shim, its files in memory where there is room."""
    server = PostgresServer(None, bin_dir=bin_dir)
    usual = tempfile.tempdir
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        tempfile.tempdir = str(MEMORY)
    try:
        server.start()
    finally:
        tempfile.tempdir = usual
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def pg() -> Iterator[PostgresServer]:
    """A server for this test process: throw-away, without the shim."""
    with started(_chosen_bin()) as server:
        yield server


@pytest.fixture(scope="session")
def pg15() -> Iterator[PostgresServer]:
    """The same on Debian's Postgres 15."""
    if not DEBIAN_15.is_dir():
        pytest.skip("Postgres 15 is not installed (apt-get install postgresql-15)")
    with started(DEBIAN_15) as server:
        yield server


@pytest.fixture(scope="session")
def template_db(pg: PostgresServer) -> Database:
    """Shim, sample CRM and migrations, to be cloned and never to be connected to."""
    return make_template(pg)


@pytest.fixture(scope="session")
def template_db15(pg15: PostgresServer) -> Database:
    return make_template(pg15)


@pytest.fixture(scope="session", name="make_host")
def _make_host() -> Callable[..., Database]:
    """The function above, for tests that cannot import this file."""
    return make_host


@pytest.fixture(scope="session")
def host_template(pg: PostgresServer) -> Database:
    """Shim and sample CRM without migrations, to be cloned."""
    return make_host(pg, "template_host")


@pytest.fixture
def host_database(host_template: Database) -> Iterator[Database]:
    """A fresh clone of a CRM that is not migrated yet."""
    with clone(host_template) as copy:
        yield copy


@pytest.fixture
def database(template_db: Database) -> Iterator[Database]:
    """A fresh clone of the template."""
    with clone(template_db) as copy:
        yield copy


@pytest.fixture
def database15(template_db15: Database) -> Iterator[Database]:
    with clone(template_db15) as copy:
        yield copy


@pytest.fixture(params=["database", "database15"])
def any_database(request: pytest.FixtureRequest) -> Database:
    """A fresh clone, once on the chosen Postgres and once on Debian's 15."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.fixture
def db(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection as `postgres`, which owns the tables and bypasses RLS, to a fresh clone; autocommit."""
    with database.connect() as connection:
        yield connection


@pytest.fixture
def as_user(database: Database) -> AsUser:
    """`with as_user(sub, **claims) as connection:` is one request as PostgREST runs it, committed at the end.

    `role` and any other claim may be given; `sub` None sends none. The session is the one `make_user` opened.
    """

    @contextmanager
    def act(
        sub: uuid.UUID | str | None,
        *,
        role: str = "authenticated",
        path: str = "/",
        method: str = "POST",
        hook: str | None = None,
        **claims: Any,
    ) -> Iterator[psycopg.Connection[Any]]:
        now = int(time.time())
        whole = {"role": role, "aud": "authenticated", "iat": now, "exp": now + 3600}
        if sub is not None:
            whole |= {"sub": str(sub), "session_id": str(sub), "is_anonymous": False}
        settings = {
            "search_path": "public, extensions",
            "role": role,
            "request.jwt.claims": json.dumps(whole | claims, default=str),
            "request.method": method,
            "request.path": path,
            "request.headers": "{}",
            "request.cookies": "{}",
        }
        with psycopg.connect(database.dsn("authenticator")) as connection:
            for name, value in settings.items():
                connection.execute("select set_config(%s, %s, true)", [name, value])
            if hook is not None:
                connection.execute(f"select {hook}()")  # type: ignore[call-overload]
            yield connection

    return act


def make_user(db: psycopg.Connection[Any], *, role: str = "user", email: str = "", **columns: Any) -> uuid.UUID:
    """Add a person with a profile and a live session, whose id is the person's, and return that id.

    `columns` are further columns of auth.users, such as banned_until.
    """
    user_id = uuid.uuid4()
    email = email or f"{user_id.hex[:8]}@example.com"
    usual = {"id": user_id, "email": email, "aud": "authenticated", "role": "authenticated", "raw_app_meta_data": "{}"}
    values = usual | columns
    db.execute(
        sql.SQL("insert into auth.users ({}, created_at, updated_at) values ({}, now(), now())").format(
            sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(sql.Placeholder() * len(values))
        ),
        list(values.values()),
    )
    db.execute(
        "insert into public.profiles (id, full_name, email, role) values (%s, %s, %s, %s)",
        [user_id, f"Person {user_id.hex[:8]}", email, role],
    )
    db.execute(
        "insert into auth.sessions (id, user_id, created_at, updated_at, aal) values (%s, %s, now(), now(), 'aal1')",
        [user_id, user_id],
    )
    return user_id


@pytest.fixture(name="make_user")
def _make_user() -> Callable[..., uuid.UUID]:
    """The function above, for tests that cannot import this file."""
    return make_user


@pytest.fixture(scope="session")
def stack() -> Iterator[Devstack]:
    """A whole local stack with its gateway, shared by the tests of this process: make your own users."""
    from agent_service.devstack.stack import Devstack  # noqa: PLC0415  it brings the web server

    if containers.WANTED:
        containers.require_docker()
    with containers.ContainerStack() if containers.WANTED else Devstack(None, bin_dir=_chosen_bin()) as running:
        yield running
