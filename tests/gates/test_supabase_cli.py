"""The Supabase CLI against our database: its advisors, its lint, and its way of applying the migrations.

It runs without Docker, without an account and without a network: telemetry and the look for a newer version are off.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_service.database import migrate, read_migrations
from tests.conftest import DEBIAN_15
from tests.npm import install

pytestmark = pytest.mark.xdist_group("supabase_cli")  # one installs, and one at a time

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
Cli = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """`cli(database, *arguments)` runs the CLI in the project's folder and returns its exit status and its answer."""
    install(HERE)
    # Not its launcher, which asks for Node 20; musl's program is beside it where npm is too old to tell them apart.
    program = min(HERE.glob("node_modules/@supabase/cli-*/bin/supabase"))
    home = str(tmp_path_factory.mktemp("supabase"))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "SUPABASE_HOME": home,
        "SUPABASE_TELEMETRY_DISABLED": "1",
        "SUPABASE_NO_UPDATE_NOTIFIER": "1",
    }

    def run(database: Any, *arguments: str, cwd: Path = ROOT) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            [program, *arguments, f"--remote={database.dsn()}", "--yes", "--output-format=json"],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout)

    before = sorted(ROOT.joinpath("supabase").rglob("*"))
    yield run
    assert sorted(ROOT.joinpath("supabase").rglob("*")) == before, "the CLI left files in the project"


ADVISORS = ("db", "advisors", "--level=warn", "--fail-on=warn")
LINT = ("db", "lint", "--schema=public,agent,crm", "--level=warning", "--fail-on=warning")


def test_advisors_are_content(cli: Cli, any_database: Any) -> None:
    status, answer = cli(any_database, *ADVISORS)
    assert (status, answer["results"]) == (0, [])


@pytest.fixture
def old_project(make_host: Any, pg: Any) -> Any:
    """A migrated CRM in a project with the default privileges of before 2026-05-30."""
    host = make_host(pg, "advisors_old", default_privileges="old")
    migrate(host.dsn())
    return host


def test_advisors_are_content_with_an_old_project(cli: Cli, old_project: Any) -> None:
    status, answer = cli(old_project, *ADVISORS)
    assert (status, answer["results"]) == (0, [])


def test_advisors_find_the_planted_fault(cli: Cli, database: Any) -> None:
    with database.connect() as connection:
        connection.execute((HERE / "planted" / "advisors.sql").read_bytes())
    status, answer = cli(database, *ADVISORS)
    assert status == 1
    assert [found["name"] for found in answer["results"]] == ["rls_disabled_in_public"]


@pytest.fixture
def linted(database15: Any) -> Any:
    """A migrated database with plpgsql_check. On hosted projects the CLI may create it, here only the superuser may."""
    with database15.connect("supabase_admin") as admin:
        known = admin.execute("select from pg_available_extensions where name = 'plpgsql_check'").fetchone()
        if known is None:
            pytest.skip("plpgsql_check is not installed (apt-get install postgresql-15-plpgsql-check)")
        admin.execute("create extension plpgsql_check with schema extensions")
    return database15


def test_lint_is_content(cli: Cli, linted: Any) -> None:
    status, answer = cli(linted, *LINT)
    assert (status, answer["results"]) == (0, [])


def test_lint_finds_the_planted_faults(cli: Cli, linted: Any) -> None:
    with linted.connect() as connection:
        connection.execute((HERE / "planted" / "lint.sql").read_bytes())
    status, answer = cli(linted, *LINT)
    assert status == 1
    assert {(found["function"], issue["level"]) for found in answer["results"] for issue in found["issues"]} == {
        ("agent.no_such_column", "error"),
        ("agent.unused_variable", "warning"),
    }


def dump(database: Any) -> list[str]:
    """The schema as pg_dump writes it, sorted (grants come in any order), without the bookkeeping of migrations."""
    command = [DEBIAN_15 / "pg_dump", "--schema-only", "--exclude-schema=supabase_migrations"]
    done = subprocess.run([*command, database.dsn("supabase_admin")], capture_output=True, text=True, check=True)
    # Its \\restrict has a new key each time.
    return sorted(line for line in done.stdout.splitlines() if not re.match(r"\\(un)?restrict ", line))


def test_the_cli_applies_the_migrations_to_the_same_end(cli: Cli, pg15: Any, make_host: Any, database15: Any) -> None:
    host = make_host(pg15, "cli_host")
    versions = [migration.version for migration in read_migrations()]
    _, listed = cli(host, "migration", "list")
    assert [(found["local"], found["remote"]) for found in listed["migrations"]] == [(v, "") for v in versions]

    status, answer = cli(host, "migration", "up")
    assert status == 0
    assert [Path(file).name for file in answer["applied"]] == [migration.path.name for migration in read_migrations()]
    _, listed = cli(host, "migration", "list")
    assert [(found["local"], found["remote"]) for found in listed["migrations"]] == [(v, v) for v in versions]
    assert dump(host) == dump(database15)
    assert migrate(host.dsn()) == []  # we go on from the CLI's work

    with host.connect() as connection:
        connection.execute("alter table public.ai_drafts no force row level security")
    assert set(dump(database15)) - set(dump(host)) == {"ALTER TABLE ONLY public.ai_drafts FORCE ROW LEVEL SECURITY;"}


def test_the_cli_goes_on_from_our_work(cli: Cli, database15: Any) -> None:
    status, answer = cli(database15, "migration", "up")
    assert (status, answer["applied"]) == (0, [])


def test_it_goes_into_a_projects_own_history_and_out_again(
    cli: Cli, pg15: Any, make_host: Any, database15: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "supabase" / "config.toml", tmp_path / "supabase")
    (folder / "20200101000000_older.sql").write_text("create table public.regions (id uuid primary key);")
    (folder / "20990101000000_newer.sql").write_text("alter table public.regions add column name text;")
    host = make_host(pg15, "cli_own_history")
    assert cli(host, "db", "push", cwd=tmp_path)[0] == 0
    before = dump(host)

    copied = [sys.executable, "-m", "agent_service.cli", "migrations", "copy", str(folder)]
    said = [subprocess.run(copied, cwd=ROOT, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    count = len(read_migrations())
    assert said == [
        f"{count} files copied to {folder}, 0 were there. Next: supabase db push --include-all\n",
        f"0 files copied to {folder}, {count} were there. Next: supabase db push --include-all\n",
    ]
    assert cli(host, "db", "push", "--include-all", cwd=tmp_path)[0] == 0
    assert migrate(host.dsn()) == []
    assert dump(host) != before
    taken_out = [sys.executable, "-m", "agent_service.cli", "uninstall", "--yes", "--database-url", host.dsn()]
    done = subprocess.run(taken_out, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "removed schema agent" in done.stdout
    assert dump(host) == before

    ours = next(folder.glob("*_check_host_schema.sql"))
    ours.write_text("-- another one")
    refused = subprocess.run([*copied, "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert [ours.name in fault for fault in json.loads(refused.stdout)["faults"]] == [True]
