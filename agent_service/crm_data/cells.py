"""The cells of one row as values: each that cannot be one is a fault."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Generic, TypeVar

from babel.numbers import parse_decimal

from agent_service.crm_data.faults import FaultKind
from agent_service.crm_data.mapping import Mapping as Plan
from agent_service.crm_data.reading import Record, SourceFile

__all__ = ["Keys", "Row", "parse_moment", "parse_number"]

T = TypeVar("T")
YEARS = range(1900, 2101)
NOON = dt.time(12)  # of a date without a time: no time zone moves it to another day
_MAX_NUMBER = Decimal(10) ** 12  # numeric(14, 2)
_MAX_NUMBER_TEXT = 40
_MAX_KEY = 200  # keys end up in indexes
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,180}")


@dataclass
class Keys(Generic[T]):
    """What a file's rows are called.

    unknown: the kind of fault that a key of no row is. spellings: of keys in other files. left_out: keys of bad rows
    and their lines; to need one is a fault while bad rows are skipped. complete: False if the file could not be read.
    """

    unknown: FaultKind = "unknown_value"
    skipping: bool = False
    spellings: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    rows: dict[str, T] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    complete: bool = True


class Row:
    """One row being checked; `bad` once anything in it is a fault."""

    def __init__(self, source: SourceFile, record: Record, plan: Plan) -> None:
        self.line = record.line
        self.bad = record.broken
        self.own_key: str | None = None
        self._source = source
        self._record = record
        self._date_formats = plan.date_formats
        self._number_locale = plan.number_locale

    def fault(self, column: str | None, kind: FaultKind, problem: str, mend: str) -> None:
        """Report something about a cell, once per cell; cells that are not under their columns have no faults."""
        self.bad = True
        if column is None or (self._record.aligned and column not in self._record.bad_columns):
            self._source.fault(self.line, column, kind, problem, mend)
            if column is not None:
                self._record.bad_columns.add(column)

    def text(self, column: str | None, *, required: bool = False, limit: int | None = None) -> str | None:
        """The cell, None if it is blank; `limit` in characters."""
        if column is None or column in self._source.missing:
            return None
        text = self._record.cells.get(column, "")
        if not text and required:
            self.fault(column, "missing_value", "The cell is blank.", "Fill it in.")
        if limit is not None and len(text) > limit:
            self.fault(
                column, "value_too_long", f"{_shown(text)} has {len(text)} characters.", f"{limit} is the limit."
            )
        return text or None

    def key(self, column: str, keys: Keys[T]) -> str | None:
        """The cell as this row's own key, which no other row of the file may have."""
        key = self.text(column, required=True, limit=_MAX_KEY)
        first = self.line if key is None or not self._record.aligned else keys.lines.setdefault(key, self.line)
        if first == self.line:
            self.own_key = self.own_key or key
            return key
        problem = f"{_shown(key or '')} is on line {first} already."
        self.fault(column, "duplicate_id", problem, "Remove one of the two rows, or give it a value of its own.")
        return None

    def lookup(self, column: str | None, keys: Keys[T], *, required: bool = False) -> str | None:
        """The cell as another file's key."""
        text = self.text(column, required=required)
        key = None if text is None else keys.spellings.get(text, text)
        if key is None or key in keys.rows:
            return key
        if key in keys.left_out:
            if keys.skipping:
                problem = f"{_shown(key)} is on line {keys.left_out[key]} of {keys.file}, which is left out."
                self.fault(column, "left_out_parent", problem, "Mend that row, and this one can be loaded.")
        elif keys.complete:
            mend = f"Add it to {keys.file}, or correct this cell."
            self.fault(column, keys.unknown, f"{_shown(key)} is not in {keys.file}.", mend)
        return None

    def word(self, column: str | None, words: Mapping[str, T], *, required: bool = False) -> T | None:
        """What the mapping makes of the cell."""
        text = self.text(column, required=required)
        if text is None or text in words:
            return None if text is None else words[text]
        known = ", ".join(list(words)[:12])
        self.fault(
            column, "unknown_value", f"{_shown(text)} is not in the mapping.", f"It knows {known}. Add it there."
        )
        return None

    def moment(self, column: str | None, *, required: bool = False) -> dt.datetime | None:
        """The cell as a moment in UTC; noon if it is a date."""
        text = self.text(column, required=required)
        if text is None:
            return None
        moment = parse_moment(text, self._date_formats)
        if moment is None:
            mend = f"Write it as {' or '.join(self._date_formats)}, between {YEARS.start} and {YEARS.stop - 1}."
            self.fault(column, "bad_date", f"{_shown(text)} is not a date.", mend)
        return moment

    def number(self, column: str | None) -> Decimal | None:
        """The cell as an amount with two decimals."""
        text = self.text(column)
        if text is None:
            return None
        number = parse_number(text, self._number_locale)
        if number is None:
            mend = f"Write an amount below 10^12 as people in {self._number_locale} do, without a currency."
            self.fault(column, "bad_number", f"{_shown(text)} is not an amount.", mend)
        return number

    def email(self, column: str | None) -> str | None:
        """The cell as an address, in small letters."""
        text = self.text(column)
        if text is not None and not _EMAIL.fullmatch(text):
            self.fault(column, "bad_email", f"{_shown(text)} is not an address.", "Write name@example.com.")
        return text.lower() if text else None


@lru_cache(maxsize=10_000)
def parse_moment(text: str, formats: tuple[str, ...]) -> dt.datetime | None:
    """Return the moment by the first format that fits, None if none does or the year is not to be believed."""
    for form in formats:
        try:
            moment = dt.datetime.strptime(text, form)  # noqa: DTZ007 - UTC unless the text says more
        except ValueError:
            continue
        if moment.year not in YEARS:
            return None
        if not any(token in form for token in ("%H", "%I", "%c", "%X")):
            moment = dt.datetime.combine(moment, NOON)
        return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return None


@lru_cache(maxsize=10_000)
def parse_number(text: str, locale: str) -> Decimal | None:
    """Return the amount rounded to cents, None if the text is none or numeric(14, 2) does not hold it."""
    try:
        number = parse_decimal(text, locale=locale, strict=True) if len(text) <= _MAX_NUMBER_TEXT else Decimal("NaN")
    except (ValueError, ArithmeticError):
        return None
    if not number.is_finite() or abs(number) >= _MAX_NUMBER - 1:
        return None
    return number.quantize(Decimal("0.01"))


def _shown(text: str) -> str:
    """A cell's text for a message: short, control characters escaped."""
    return repr(text if len(text) <= 60 else text[:59] + "…")
