"""Rules that every object of ours keeps in the catalog of a database, one file each.

A rule is a query beside this file that returns who breaks it (`offender`); the comment at its head is the sentence that
says what holds. The views it reads are made by `_ours.sql`. tests/gates/faults has, under the same name, the fault that
it must find.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from agent_service.database import read_migrations

__all__ = ["Offence", "Rule", "find_offences", "our_catalog", "public_names", "read_rules"]

_FOLDER = Path(__file__).parent
_CREATE = re.compile(r"^create (?:or replace )?(table|view|function)(?: if not exists)? public\.(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Rule:
    """One rule: its name, the sentence that holds, and the query that returns whoever breaks it."""

    name: str
    sentence: str
    query: str


@dataclass(frozen=True)
class Offence:
    """Something in the catalog that breaks a rule."""

    rule: Rule
    offender: str


def read_rules() -> list[Rule]:
    """Return all rules, by name."""
    return [_read(path) for path in sorted(_FOLDER.glob("[a-z]*.sql"))]


@contextmanager
def our_catalog(connection: psycopg.Connection) -> Iterator[None]:
    """Within it the views of `_ours.sql` exist and names come out qualified; what is done within is rolled back."""
    with connection.transaction(force_rollback=True):
        for kind, names in public_names().items():
            value = "{" + ",".join(sorted(names)) + "}"
            connection.execute("select set_config(%s, %s, true)", [f"account_agent.{kind}", value])
        connection.execute("set local search_path = ''")
        connection.execute((_FOLDER / "_ours.sql").read_bytes())
        yield


def find_offences(connection: psycopg.Connection, rules: Iterable[Rule] | None = None) -> list[Offence]:
    """Return what breaks the rules in this database, as its owner sees it, and change nothing."""
    with our_catalog(connection):
        return [
            Offence(rule, offender)
            for rule in (read_rules() if rules is None else rules)
            for (offender,) in connection.execute(rule.query.encode())
        ]


def _read(path: Path) -> Rule:
    lines = path.read_text(encoding="utf-8").splitlines()
    sentence = [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
    return Rule(path.stem, " ".join(sentence), "\n".join(lines))


def public_names() -> dict[str, set[str]]:
    """What the migrations create in public, by kind: in a database in use nothing else tells ours from the host's."""
    found: dict[str, set[str]] = {"relations": set(), "functions": set()}
    for migration in read_migrations():
        for kind, name in _CREATE.findall(migration.path.read_text(encoding="utf-8")):
            found["functions" if kind == "function" else "relations"].add(name)
    return found
