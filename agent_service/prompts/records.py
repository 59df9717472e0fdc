"""One client's records as pieces of JSON whose length is known before they are put into a prompt.

Records go by short names (`d2`, the second deal of the context) instead of their uuids: a third of the tokens, nothing
that a draft could give away, and one name for the same record in every prompt of this context.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from agent_service.context import ClientContext
from agent_service.llm.plain_text import clean, visible
from agent_service.llm.protocol import Fact
from agent_service.prompts.totals import amount_text, omitted_flag, totals_of

__all__ = ["BRIEF", "FULL", "MIDDLE", "Key", "Piece", "RecordBook", "Size", "encode", "size_of", "text_within"]

# A section of the context by its name there, and a position in it.
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Size:
    """The most bytes that one short text and one long text of a record may take as JSON."""

    short: int
    long: int


BRIEF, MIDDLE, FULL = Size(36, 100), Size(1200, 600), Size(1200, 12_000)
# The most characters: SQL cuts at these or lower, but a newer server may not.
_SHORT, _LONG = 200, 2000
# The most bytes that one character takes as JSON.
_MOST = 6
_LONG_FIELDS = {"content", "description"}
# Half an address is another one: it is shown whole or left out.
_WHOLE_FIELDS = {"email"}
_PREFERENCES, _ENTRIES, _DEPTH = 4000, 50, 6

_KINDS = {
    "client": ("client", ""),
    "contacts": ("contact", "c"),
    "recentActivities": ("activity", "a"),
    "activeDeals": ("deal", "d"),
    "pendingTasks": ("task", "t"),
    "orderHistory": ("order", "o"),
}
# Those that are one to a normalising reader too.
_ANGLE = re.compile("[<>＜＞﹤﹥]")
_LABELS = ("name", "title", "subject", "order_number", "product", "type")
_SINGLE = ("client", "contactPreferences", "totals")


@dataclass(frozen=True, slots=True)
class Piece:
    """A record as JSON. shortened: a text in it is not whole."""

    json: str
    shortened: bool


def encode(value: object) -> str:
    """Return `value` as JSON on one line in which no string can look like a line of ours."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _ANGLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def size_of(text: str) -> int:
    """Return the bytes that `text` takes."""
    return len(text.encode())


def text_within(text: str, *, characters: int, size: int) -> str:
    """Return what a reader sees of `text`, ending in "…" if that is more than `characters` or `size` bytes as JSON."""
    seen = visible(text[: characters * 4]).strip()
    if len(text) <= characters * 4 and len(seen) <= characters and _size_within(seen, size):
        return seen
    lengths = range(1, min(len(seen), characters - 1) + 1)
    end = bisect_right(lengths, size - size_of("…"), key=lambda length: _size_as_json(seen[:length]))
    return f"{seen[:end].rstrip()}…"


def _size_within(text: str, size: int) -> bool:
    return len(text) * _MOST <= size or _size_as_json(text) <= size


def _size_as_json(text: str) -> int:
    return size_of(encode(text)) - len('""')


class RecordBook:
    """The records of one context: their names, and each as JSON in the size that is asked for."""

    def __init__(self, context: ClientContext) -> None:
        self._last_interaction = context.last_interaction
        preferences = _plain(context.contact_preferences)
        fits = size_of(encode(preferences)) <= _PREFERENCES
        self.preferences_too_long = not fits or omitted_flag(context.omitted, "contactPreferences")
        self.sections: dict[str, list[Any]] = {
            "client": [context.client],
            "contacts": context.contacts,
            "recentActivities": context.recent_activities,
            "activeDeals": context.active_deals,
            "pendingTasks": context.pending_tasks,
            "orderHistory": context.order_history,
            "contactPreferences": [preferences] if preferences and fits else [],
            "totals": [totals_of(context)],
        }
        deals = enumerate(context.active_deals)
        self._deals = {deal.id: self.name(("activeDeals", place)) for place, deal in deals if deal.id}

    @staticmethod
    def name(key: Key) -> str:
        """Return a record's name in the document; "" for the client, of whom there is one."""
        letter = _KINDS[key[0]][1]
        return f"{letter}{key[1] + 1}" if letter else ""

    def piece(self, key: Key, size: Size) -> Piece:
        """Return a record as JSON."""
        record = self.sections[key[0]][key[1]]
        if not isinstance(record, BaseModel):
            return Piece(encode(record), shortened=False)
        fields = record.model_dump(by_alias=True, exclude_defaults=True, exclude={"id"})
        if "dealId" in fields:
            fields["dealId"] = self._deals.get(fields["dealId"])
        shown = {name: _shown(name, value, size) for name, value in fields.items()}
        known = {name: value for name, value in shown.items() if value not in (None, "", [])}
        named = {"id": self.name(key)} if self.name(key) else {}
        dropped = any(name in _WHOLE_FIELDS and name not in known for name in fields)
        return Piece(encode(named | known), shortened=dropped or any(map(_is_cut, known.values())))

    def document(self, pieces: Mapping[Key, Piece]) -> str:
        """Return one JSON document of these pieces, each in the place that it has in the context."""
        parts = [f'"{name}":{self._section(name, pieces)}' for name in self.sections]
        last = self._last_interaction
        parts.append(f'"lastInteraction":{encode(last.isoformat() if last else None)}')
        return "{" + ",".join(parts) + "}"

    def _section(self, name: str, pieces: Mapping[Key, Piece]) -> str:
        chosen = [pieces[key].json for key in self.keys(name) if key in pieces]
        if name in _SINGLE:
            return chosen[0] if chosen else "null"
        return "[" + ",".join(chosen) + "]"

    def keys(self, section: str) -> list[Key]:
        """Return the keys of a section, in the context's order."""
        return [(section, place) for place in range(len(self.sections[section]))]

    def facts(self, keys: Iterable[Key]) -> dict[str, Fact]:
        """Return what each name in the document stands for."""
        return {self.name(key) or key[0]: self._fact(key) for key in keys if key[0] in _KINDS}

    def _fact(self, key: Key) -> Fact:
        record = self.sections[key[0]][key[1]]
        labels = (clean(getattr(record, name, None), limit=60) for name in _LABELS)
        return Fact(_KINDS[key[0]][0], record.id, next(filter(None, labels), ""))


def _shown(name: str, value: object, size: Size) -> object:
    match value:
        case str() if name in _LONG_FIELDS:
            return text_within(value, characters=_LONG, size=size.long)
        case str():
            text = text_within(value, characters=_SHORT, size=size.short)
            return None if name in _WHOLE_FIELDS and text.endswith("…") else text
        case list():
            return _tags(value, size)
        case Decimal():
            return amount_text(value)
        case dt.date():
            return value.isoformat()
    return value


def _is_cut(value: object) -> bool:
    last = value[-1] if isinstance(value, list) else value
    return isinstance(last, str) and last.endswith("…")


def _tags(tags: list[str], size: Size) -> list[str]:
    """As many as fit; then "…"."""
    shown: list[str] = []
    for tag in (text_within(tag, characters=50, size=300) for tag in tags):
        if len(shown) == 20 or size_of(encode([*shown, tag])) > size.short:
            return [*shown, "…"]
        shown.append(tag)
    return shown


def _plain(value: object, depth: int = _DEPTH) -> object:
    """JSON that a CRM kept, in bounds: nothing unseen, no numbers that JSON has not, neither too deep nor too wide."""
    match value:
        case str():
            return text_within(value, characters=_LONG, size=_PREFERENCES)
        case bool():
            return value
        case int() | float():
            return value if abs(value) < 1e15 else None  # NaN is not less
        case Mapping() if depth:
            rows = itertools.islice(value.items(), _ENTRIES)
            return {text_within(str(name), characters=100, size=600): _plain(row, depth - 1) for name, row in rows}
        case list() if depth:
            return [_plain(row, depth - 1) for row in value[:_ENTRIES]]
    return None
