"""Reads the audit log's chain and says where it is not what it was. No function of ours in the database is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from agent_service.errors import PermanentError

__all__ = ["Anchor", "AnchorFileError", "Report", "read_anchors", "verify"]

GENESIS = "0" * 64
# As agent.audit_hash has it, but here whoever changed that function changes nothing.
_ROWS = """
select chain_position, salt, details_hash, previous_hash, hash, action, client_id, details::text as details,
  details = '{}' as is_empty,
  pg_catalog.jsonb_strip_nulls(
    pg_catalog.to_jsonb(a) operator(pg_catalog.-) array['details', 'salt', 'hash']
  )::text as hashed
from agent.audit_log as a where chain_position is not null order by chain_position
"""


class AnchorFileError(PermanentError):
    """The file of anchors cannot be read; the message names the line."""


@dataclass(frozen=True)
class Anchor:
    """How many rows the chain had, and the last one's hash; `source` is where it was kept."""

    count: int
    head_hash: str
    source: str


@dataclass
class Report:
    """What was found: `faults` are sentences, none if the chain is whole."""

    rows: int = 0
    unchained: int = 0
    erased: int = 0
    anchors: int = 0
    anchored: int = 0
    faults: list[str] = field(default_factory=list)


def read_anchors(path: Path) -> list[Anchor]:
    """Return the anchors of a file with one JSON object a line, as workers write it. Raises AnchorFileError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnchorFileError(f"{path} cannot be read: {error}") from error
    return [_anchor(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _anchor(line: str, source: str) -> Anchor:
    try:
        read = json.loads(line)
        return Anchor(int(read["count"]), str(read["head_hash"]), source)
    except (ValueError, KeyError, TypeError) as error:
        raise AnchorFileError(f"{source} is no anchor: an object with count and head_hash is expected.") from error


def verify(database_url: str, anchors: Iterable[Anchor] = ()) -> Report:
    """Walk the chain in one read-only snapshot, and hold it against `anchors` and those of the database itself."""
    with psycopg.connect(database_url, prepare_threshold=None) as connection:
        # Row security off: a login that it would hold back gets an error instead of an empty log.
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("set local row_security = off")
        connection.execute("set local timezone = 'UTC'")
        rows = connection.execute("select count, head_hash from agent.audit_anchors").fetchall()
        known = [*anchors, *(Anchor(count, head_hash, "the database") for count, head_hash in rows)]
        report = Report(anchors=len(known), anchored=max((anchor.count for anchor in known), default=0))
        unchained = connection.execute("select count(*) from agent.audit_log where chain_position is null").fetchone()
        report.unchained = unchained[0] if unchained else 0
        with connection.cursor("audit", row_factory=dict_row) as cursor:
            cursor.itersize = 5000
            cursor.execute(_ROWS)
            erasures = connection.execute(
                "select client_id from agent.audit_log where chain_position is null and action = 'client_data_erased'"
            )
            _walk(cursor, known, report, {client_id for (client_id,) in erasures})
    return report


def _walk(rows: Iterable[dict[str, Any]], anchors: list[Anchor], report: Report, erasing: set[Any]) -> None:
    previous = GENESIS
    heads: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        heads.setdefault(anchor.count, []).append(anchor)
    erased: dict[Any, list[int]] = {}
    for report.rows, row in enumerate(rows, 1):
        position = row["chain_position"]
        report.faults += _faults(row, report.rows, previous)
        for anchor in heads.pop(position, ()):
            if anchor.head_hash != row["hash"]:
                report.faults.append(f"Row {position} is not the one that {anchor.source} has an anchor of.")
        if row["salt"] is None:
            report.erased += 1
            erased.setdefault(row["client_id"], []).append(position)
        if row["action"] == "client_data_erased":
            erased.pop(row["client_id"], None)
        if position != report.rows:
            return  # all places after it are other ones, too
        previous = row["hash"]
    for anchor in (anchor for kept in heads.values() for anchor in kept):
        report.faults.append(
            f"The chain ends at row {report.rows}: {anchor.source} has an anchor of row {anchor.count}."
        )
    for positions in (places for client_id, places in erased.items() if client_id not in erasing):
        report.faults.append(f"The details of row {positions[0]} are gone, and no erasure of its client is on the log.")


def _faults(row: dict[str, Any], expected: int, previous: str) -> Iterator[str]:
    position = row["chain_position"]
    if position != expected:
        yield f"Row {expected} is missing: the next one is row {position}."
        return
    if row["previous_hash"] != previous:
        yield f"Row {position} does not follow the one before it."
    if hashlib.sha256(row["hashed"].encode()).hexdigest() != row["hash"]:
        yield f"Row {position} was changed."
    if row["salt"] is None:
        if not row["is_empty"]:
            yield f"The details of row {position} were changed after they were erased."
    elif hashlib.sha256((row["salt"] + row["details"]).encode()).hexdigest() != row["details_hash"]:
        yield f"The details of row {position} were changed."
