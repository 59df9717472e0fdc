"""Splitting SQL files: a semicolon ends a statement unless something holds it."""

from __future__ import annotations

import pytest

from agent_service.database import read_migrations, split_statements


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split_statements(sql)]


@pytest.mark.parametrize(
    "held",
    [
        "select ';'",
        "select 'it''s; fine'",
        r"select E'\';'",
        "select r'x' || e'\\\\' || ';'",
        'select 1 as "a;b""c;"',
        "select $$;$$",
        "do $body$ begin perform $$;$$; end $body$",
        "select 1 -- no; end",
        "select /* no;\n end */ 1",
        "select '--', ';'",
    ],
)
def test_what_holds_a_semicolon(held):
    assert texts(f"{held}\n;\nselect 2;") == [held, "select 2"]


def test_a_comment_belongs_to_the_statement_that_follows_it():
    assert texts("-- why\nselect 1; -- after\nselect 2;\n-- the end\n") == ["-- why\nselect 1", "-- after\nselect 2"]


def test_the_line_is_that_of_the_first_word():
    assert [s.line for s in split_statements("-- one\n\nselect 1;\n\n/* four\n */ select 2; select 3")] == [3, 6, 6]


def test_empty_statements_are_none():
    assert texts(";;\n ; -- nothing\n") == []


def test_migrations_come_by_version_and_other_files_are_skipped(tmp_path):
    for name in ("20260102000000_b.sql", "20260101000000_a_b.sql", "README.md", "seed.sql", "x_1.sql"):
        (tmp_path / name).touch()
    assert [(m.version, m.name) for m in read_migrations(tmp_path)] == [
        ("20260101000000", "a_b"),
        ("20260102000000", "b"),
    ]


def test_our_migrations_split_without_loss():
    for migration in read_migrations():
        text = migration.path.read_text(encoding="utf-8")
        assert len(migration.statements) > 1
        assert "".join("".join(s.text.split()) for s in migration.statements).replace(";", "") in "".join(
            text.split()
        ).replace(";", "")
