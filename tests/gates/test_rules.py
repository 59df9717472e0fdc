"""The rules of agent_service/rules hold after our migrations, and each finds the fault that is planted for it."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_service.database import migrate
from agent_service.rules import find_offences, public_names, read_rules

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).parent / "faults"
LEGS = [("pg", "new"), ("pg", "old"), ("pg15", "new"), ("pg15", "old")]
_hosts = itertools.count(1)
RULES = {rule.name: rule for rule in read_rules()}


@pytest.fixture(scope="module", params=LEGS, ids="-".join)
def migrated(request: pytest.FixtureRequest, make_host: Any) -> Iterator[Any]:
    """A connection to a migrated CRM on each Postgres, with the default privileges of a new and of an old project."""
    server, privileges = request.param
    name = f"rules_{next(_hosts)}"
    host = make_host(request.getfixturevalue(server), name, default_privileges=privileges)
    migrate(host.dsn())
    with host.connect() as connection:
        yield connection


def test_every_rule_has_its_fault_and_its_sentence() -> None:
    assert sorted(RULES) == sorted(path.stem for path in FAULTS.glob("*.sql"))
    assert len(RULES) > 40
    for rule in RULES.values():
        assert rule.sentence.endswith("."), rule.name


def test_every_rule_holds(migrated: Any) -> None:
    assert [(offence.rule.name, offence.offender) for offence in find_offences(migrated)] == []


@pytest.mark.parametrize("migrated", [("pg", "new"), ("pg15", "old")], indirect=True, ids="-".join)
@pytest.mark.parametrize("name", RULES)
def test_a_rule_finds_its_fault(migrated: Any, name: str) -> None:
    fault, mend = (FAULTS / f"{name}.sql").read_text().split("\n-- mend\n")
    with migrated.transaction(force_rollback=True):
        migrated.execute(fault)
        assert {offence.rule.name for offence in find_offences(migrated)} == {name}
        migrated.execute(mend)
        assert find_offences(migrated, [RULES[name]]) == []


def test_looking_changes_nothing(migrated: Any) -> None:
    before = migrated.execute("select count(*) from pg_class").fetchone()
    find_offences(migrated)
    assert migrated.execute("select count(*) from pg_class").fetchone() == before
    assert migrated.execute("select current_setting('account_agent.relations', true)").fetchone()[0] in (None, "")


def test_ours_is_what_the_migrations_bring(host_database: Any) -> None:
    listing = """
        select relname from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
        union all select proname from pg_proc where pronamespace = 'public'::regnamespace"""
    names = set().union(*public_names().values())
    with host_database.connect() as connection:
        before = {name for (name,) in connection.execute(listing)}
        migrate(host_database.dsn())
        after = {name for (name,) in connection.execute(listing)}
    assert after - before
    assert after - before <= names
    assert not names & before


def test_the_cli_exposes_what_may_be_exposed() -> None:
    api = tomllib.loads((ROOT / "supabase/config.toml").read_text())["api"]
    assert not {"agent", "crm"} & {*api["schemas"], *api["extra_search_path"]}
