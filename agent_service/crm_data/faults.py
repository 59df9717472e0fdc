"""What can be wrong with an export: where, what, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Fault", "FaultKind"]

FaultKind = Literal[
    "missing_file",
    "empty_file",
    "no_clients",
    "missing_column",
    "duplicate_column",
    "encoding",
    "quoting",
    "ragged_row",
    "nul_byte",
    "cell_too_large",
    "row_too_large",
    "missing_value",
    "value_too_long",
    "bad_date",
    "bad_number",
    "bad_email",
    "unknown_value",
    "unknown_client",
    "unknown_person",
    "unknown_product",
    "duplicate_id",
    "left_out_parent",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with the files.

    line: the physical line where the row begins (or, of an encoding fault, where the byte is), from 1; None for a whole
    file. column: the file's name for it; None where it is the row or the file.
    """

    file: str
    line: int | None
    column: str | None
    kind: FaultKind
    problem: str
    mend: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}{f' [{self.column}]' if self.column else ''}: {self.problem} {self.mend}"
