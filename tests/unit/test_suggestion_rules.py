"""One rule is one function, one page and some situations, by the same name: a missing one is seen here."""

from __future__ import annotations

import re
from pathlib import Path

from tests.suggestions.situations import SITUATIONS

ROOT = Path(__file__).parents[2]


def test_every_rule_has_its_page_its_row_and_its_situations() -> None:
    sql = "".join(file.read_text() for file in sorted((ROOT / "migrations").glob("2026112314*.sql")))
    rules = set(re.findall(r"create function agent\.rule_(\w+)_v\d+\(", sql))
    assert {file.stem for file in (ROOT / "docs" / "rules").glob("*.md")} == rules
    assert {rule for situation in SITUATIONS for rule, _ in situation.expected} == rules
    listed = re.findall(
        r"^\| \[(\w+)\]\(rules/(\w+)\.md\)", (ROOT / "docs" / "suggestions.md").read_text(), re.MULTILINE
    )
    assert listed
    assert {name for name, _ in listed} == {file for _, file in listed} == rules
