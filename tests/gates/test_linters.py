"""The linters of `make check` find what is planted for them, with the project's own settings."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.gates import grammar

ROOT = Path(__file__).parents[2]
PLANTED = Path(__file__).parent / "planted"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / command[0]
    return subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_sqlfluff() -> None:
    done = run("sqlfluff", "lint", "--disable-progress-bar", "--format=json", PLANTED / "sqlfluff.sql")
    assert done.returncode == 1
    assert {found["code"] for found in json.loads(done.stdout)[0]["violations"]} >= {"CP01"}


def test_squawk() -> None:
    done = run("squawk", "--reporter=json", PLANTED / "squawk.sql")
    assert done.returncode == 1
    settings = tomllib.loads((ROOT / ".squawk.toml").read_text())
    assert {found["rule_name"] for found in json.loads(done.stdout)} == set(settings["included_rules"])


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("grammar.sql", '2: syntax error at or near "virtual"'),
        ("grammar_plpgsql.sql", '2: missing "THEN" at end of SQL expression (in the body)'),
        ("grammar_sql_body.sql", '1: syntax error at or near "where"'),
    ],
)
def test_grammar(file: str, found: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert grammar.main([str(PLANTED / file)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == f"{PLANTED / file}:{found}"


def test_a_file_that_is_not_there_is_a_fault_of_the_call() -> None:
    with pytest.raises(FileNotFoundError):
        grammar.main(["nowhere.sql"])
