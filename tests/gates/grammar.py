"""Parses SQL files, and the function bodies in them, with the grammar of Postgres 17, which hosted Supabase runs.

`python -m tests.gates.grammar PATH...` prints what does not parse, and ends with 1 if anything does not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pglast
from pglast import ast

_LEADING = re.compile(r"(?:\s+|--[^\n]*)*")
# pglast's PL/pgSQL knows no tables, so it takes a variable of a row type for a scalar and rejects its fields.
_ROW_VARIABLE = re.compile(r"^(\s*v_\w+) (?:agent|public)\.\w+(?=;| :=)", re.MULTILINE)


def faults(sql: str) -> Iterator[tuple[int, str]]:
    """Yield (line, what is wrong) for what does not parse, line 1 being the first of `sql`."""
    try:
        statements = pglast.parse_sql(sql)
    except pglast.parser.ParseError as error:
        message, offset = error.args
        yield _line(sql, offset), message
        return
    for statement in statements:
        start = _LEADING.match(sql, statement.stmt_location).end()
        end = statement.stmt_location + statement.stmt_len if statement.stmt_len else len(sql)
        yield from ((_line(sql, start), fault) for fault in _body_faults(statement.stmt, sql[start:end]))


def _body_faults(statement: ast.Node, text: str) -> Iterator[str]:
    if isinstance(statement, ast.CreateFunctionStmt):
        options = {option.defname: option.arg for option in statement.options}
        if "language" not in options or options["language"].sval == "sql":
            yield from (fault for body in options.get("as", ()) for _, fault in faults(body.sval))
            return
    elif not isinstance(statement, ast.DoStmt):
        return
    try:
        parsed = pglast.parse_plpgsql(_ROW_VARIABLE.sub(r"\1 record", text))
    except pglast.parser.ParseError as error:
        yield f"{error.args[0]} (in the body)"
        return
    for query in _statements(parsed):
        yield from (fault for _, fault in faults(query))


def _statements(node: Any) -> Iterator[str]:
    """Whole SQL statements in a parsed PL/pgSQL body: one may create a function, with a body of its own."""
    if isinstance(node, dict):
        if node.get("parseMode") == 0:
            yield node["query"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _statements(child)


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def main(paths: list[str]) -> int:
    files = [file for path in map(Path, paths) for file in (sorted(path.rglob("*.sql")) if path.is_dir() else [path])]
    found = [f"{file}:{line}: {fault}" for file in files for line, fault in faults(file.read_text(encoding="utf-8"))]
    print("\n".join([*found, f"{len(files)} files parsed as Postgres 17, {len(found)} faults"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
