"""What docs/security.md says of each threat is shown by attacks and tests that are there."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.attacks.cases import ATTACKS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
THREATS = [
    (line.split("|")[1].strip(), re.findall(r"`([^`]+)`", line.split("|")[3]))
    for line in TEXT.split("## Threats")[1].split("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| threat |")
]


@pytest.mark.parametrize(("threat", "shown_by"), THREATS, ids=[threat for threat, _ in THREATS])
def test_each_threat_has_its_tests(threat: str, shown_by: list[str]) -> None:
    attacks = {attack.id for attack in ATTACKS}
    assert shown_by
    for name in shown_by:
        assert (ROOT / name).is_file() if "/" in name else any(fnmatch(attack, name) for attack in attacks), name


def test_each_family_of_attacks_has_its_threat() -> None:
    named = [name for _, shown_by in THREATS for name in shown_by]
    families = {attack.id.split("-")[0] for attack in ATTACKS}
    assert families - {name.split("-")[0] for name in named} == set()
