"""Reading one CSV file of an export, whatever is in it: records with their lines, and faults in place of exceptions."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from agent_service.crm_data.faults import Fault, FaultKind
from agent_service.crm_data.mapping import Mapping

__all__ = ["MAX_CELL_BYTES", "MAX_ROW_BYTES", "Record", "SourceFile", "large_cells"]

MAX_CELL_BYTES = 1_000_000
MAX_ROW_BYTES = 4_000_000
_CHUNK = 1 << 18
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Record:
    """One row: its wanted cells by column, without the space around them.

    line: where it begins. broken: it has a fault already. aligned: its cells are under their columns. bad_columns:
    those whose faults are reported already.
    """

    line: int
    cells: dict[str, str]
    broken: bool = False
    aligned: bool = True
    bad_columns: set[str] = field(default_factory=set)


def _guess(byte: int) -> str:
    """What most files that are not UTF-8 are, and how to see whether this one is."""
    character = bytes([byte]).decode("cp1252", errors="replace")
    return f": it is {character!r} in cp1252" if character.isprintable() and character != "\ufffd" else ""


@contextmanager
def large_cells() -> Iterator[None]:
    """Let the csv module read cells of any size: SourceFile bounds what it is given. The limit is the process's."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class SourceFile:
    """A CSV file and what is wrong with it.

    usable: False once the file itself, not a row of it, has a fault. missing: wanted columns that it does not have.
    """

    def __init__(
        self,
        path: Path,
        *,
        columns: Sequence[str],
        mapping: Mapping,
        faults: list[Fault],
        advance: Callable[[int], None],
    ) -> None:
        self.name = path.name
        self.usable = True
        self.missing: set[str] = set()
        self._path = path
        self._columns = list(dict.fromkeys(columns))
        self._encoding = mapping.encoding
        self._delimiter = mapping.delimiter
        self._faults = faults
        self._advance = advance
        self._header: list[str] = []
        self._line = 0
        self._row_bytes = 0
        self._in_quotes = False  # at the end of what was read of the row; followed where the row is too large
        self._bad_bytes: list[tuple[int, int, int]] = []

    def fault(self, line: int | None, column: str | None, kind: FaultKind, problem: str, mend: str) -> None:
        """Report something wrong with this file."""
        found = Fault(file=self.name, line=line, column=column, kind=kind, problem=problem, mend=mend)
        self._faults.append(found)

    def records(self) -> Iterator[Record]:
        """Yield every row after the header, those with faults too; blank ones are passed over. Use in large_cells()."""
        try:
            with self._path.open("rb") as stream:
                yield from self._records(stream)
        except FileNotFoundError:
            self._unusable(None, None, "missing_file", "The file is missing.", f"Put it into {self._path.parent}.")
        except OSError as error:
            reason = f"The file cannot be read: {error.strerror or error}."
            self._unusable(None, None, "missing_file", reason, "Make it a file that you may read.")

    def _records(self, stream: BufferedReader) -> Iterator[Record]:
        if stream.peek(2)[:2] in _UTF_16:
            self._unusable(None, None, "encoding", "The file is UTF-16.", "Save it as UTF-8.")
            return
        rows = self._rows(stream)
        line, header = next(rows, (None, None))
        if line is None:
            self._unusable(None, None, "empty_file", "The file is empty.", "Export it again, with its header.")
        elif header is None or self._report_row(line, header):
            self.usable, self.missing = False, set(self._columns)
        else:
            self._header = [cell.strip() for cell in header]
            places = self._find_columns(line)
            for line, cells in rows:
                yield self._record(line, cells, places)

    def _unusable(self, line: int | None, column: str | None, kind: FaultKind, problem: str, mend: str) -> None:
        self.usable = False
        if line is None:
            self.missing = set(self._columns)
        self.fault(line, column, kind, problem, mend)

    def _find_columns(self, line: int) -> dict[str, int]:
        """Where each wanted column is."""
        places: dict[str, int] = {}
        for column in self._columns:
            if self._header.count(column) == 1:
                places[column] = self._header.index(column)
                continue
            self.missing.add(column)
            if column in self._header:
                problem, mend = "The header has this column more than once.", "Rename or remove all but one of them."
                self._unusable(line, column, "duplicate_column", problem, mend)
            else:
                close = difflib.get_close_matches(column, self._header, n=1)
                mend = f"Is it {close[0]!r}? " if close else ""
                mend += "Add it, or name the column or the delimiter in the mapping as the file has it."
                self._unusable(line, column, "missing_column", "The header does not have this column.", mend)
        return places

    def _record(self, line: int, cells: list[str] | None, places: dict[str, int]) -> Record:
        bad = self._report_row(line, cells)
        record = Record(line, {}, broken=bool(bad))
        if cells is None:
            record.aligned = False
            return record
        for column, place in places.items():
            record.cells[column] = cells[place].strip() if place < len(cells) else ""
            if place in bad:
                record.bad_columns.add(column)
        if len(cells) != len(self._header):
            if self._row_bytes <= MAX_ROW_BYTES:  # of a larger one, cells were dropped
                problem = f"The row has {len(cells)} cells and the header {len(self._header)}."
                self.fault(line, None, "ragged_row", problem, "Put quotes around cells that hold the delimiter.")
            record.broken, record.aligned = True, False
        return record

    def _report_row(self, line: int, cells: list[str] | None) -> set[int]:
        """Report what is wrong with a row's bytes; return the places of its bad cells, -1 for a fault in none."""
        bad: set[int] = set()
        for place, cell in enumerate(cells or []):
            if "\0" in cell:
                bad.add(place)
                self.fault(line, self._column_at(place), "nul_byte", "The cell holds a NUL byte.", "Remove it.")
            if len(cell) > MAX_CELL_BYTES // 4 and len(cell.encode(errors="replace")) > MAX_CELL_BYTES:
                bad.add(place)
                problem = f"The cell is larger than {MAX_CELL_BYTES:,} bytes."
                self.fault(line, self._column_at(place), "cell_too_large", problem, "Shorten it, or close its quotes.")
        if self._row_bytes > MAX_ROW_BYTES:
            if not bad:
                problem = f"The row is larger than {MAX_ROW_BYTES:,} bytes."
                self.fault(line, None, "row_too_large", problem, "Shorten it, or close its quotes.")
            return bad or {-1}
        for at_line, at, byte in self._bad_bytes:
            place = next((i for i, cell in enumerate(cells or []) if "\ufffd" in cell and i not in bad), -1)
            bad.add(place)
            problem = f"Byte {at} of the line (0x{byte:02X}) is not {self._encoding}."
            mend = f"Save the file as UTF-8, or set `encoding` in the mapping{_guess(byte)}."
            self.fault(at_line, self._column_at(place), "encoding", problem, mend)
        return bad if cells is not None else bad | {-1}

    def _column_at(self, place: int) -> str | None:
        return self._header[place][:60] if 0 <= place < len(self._header) else None

    def _rows(self, stream: BufferedReader) -> Iterator[tuple[int, list[str] | None]]:
        """Yield every row that is not blank with its first line; None stands for cells that could not be told apart."""
        reader = csv.reader(self._lines(stream), delimiter=self._delimiter, strict=True)
        while True:
            line = self._line + 1
            self._row_bytes = 0
            self._in_quotes = False
            self._bad_bytes.clear()
            try:
                cells: list[str] | None = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells = None
                self._report_quoting(line, str(error))
            if cells is None or any(map(str.strip, cells)) or self._bad_bytes:
                yield line, cells

    def _report_quoting(self, line: int, error: str) -> None:
        if "end of data" in error:
            problem = "A quote is opened in this row and never closed, so the rows after it could not be read."
        elif "new-line" in error:
            problem = "The row holds a carriage return outside quotes."
        else:
            problem = f"The quotes of this row do not match: {error}."
        mend = 'Write a quote inside a cell as "" and end lines with a line feed.'
        self.fault(line, None, "quoting", problem, mend)

    def _lines(self, stream: BufferedReader) -> Iterator[str]:
        while raw := self._next_line(stream):
            self._line += 1
            if self._line == 1:
                raw = raw.removeprefix(_BOM)
            try:
                yield raw.decode(self._encoding)
            except UnicodeDecodeError as error:
                self._bad_bytes.append((self._line, error.start + 1, raw[error.start]))
                yield raw.decode(self._encoding, errors="replace")

    def _next_line(self, stream: BufferedReader) -> bytes:
        """Read a line; of a row that is too large, its beginning, and the quotes that leave csv where the whole would.

        What is dropped takes no memory: delimiters and line ends were once kept, and 30 MB of them took 320.
        """
        kept: list[bytes] = []
        dropped_quotes = 0
        while chunk := stream.readline(_CHUNK):
            self._advance(len(chunk))
            room = max(MAX_ROW_BYTES - self._row_bytes, 0)
            self._row_bytes += len(chunk)
            if room:
                kept.append(chunk[:room])
                self._in_quotes ^= kept[-1].count(b'"') % 2 == 1
            dropped_quotes += chunk.count(b'"', room)
            if not chunk.endswith(b"\n"):
                continue
            if len(chunk) <= room:
                return b"".join(kept)
            if self._in_quotes == (dropped_quotes % 2 == 1):  # the row ends here
                kept.append(b'"\n' if self._in_quotes else b"\n")
                return b"".join(kept)
            if not self._in_quotes:  # a cell of several lines begins in what was dropped
                kept.append(self._delimiter.encode() + b'"')
                self._in_quotes, dropped_quotes = True, dropped_quotes - 1
            self._line += 1
        return b"".join(kept)
