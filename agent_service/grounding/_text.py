"""A field of a draft as its reader sees it, with the way back to where each character stands."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from agent_service.grounding.spans import Field

__all__ = ["Text"]

# Delimiters of emphasis, and the backslash of an escape: what is written and not shown.
_UNSEEN = re.compile(r"\\(?=[!-/:-@\[-`{-~\n])|(?<!\\)\*+")
_END = re.compile(r"[.!?…]+[\"”“»)]*(?=\s)|\n+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:\d{1,2}|[^\W\d_]|dr|mr|mrs|ms|prof|nr|sr|sra|srta|st|mme|mlle|hr|ing|sig|dott|z\.\s?b|bzw|ca|tsd"
    r"|mio|mrd|inc|ltd|co|corp|e\.g|i\.e|d\.h|u\.a|vs|approx|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez"
    r"|janv|févr|avr|juil|déc|ene|abr|p\.s)$",
    re.IGNORECASE,
)


@dataclass
class Text:
    """`shown` is without delimiters and backslashes; `taken` are the places in it that a check has claimed already."""

    field: Field
    raw: str
    shown: str = ""
    _at: list[int] = dataclasses.field(default_factory=list)
    taken: bytearray = dataclasses.field(default_factory=bytearray)

    def __post_init__(self) -> None:
        """Take out what a reader does not see; a subject is plain already."""
        hidden = (
            {i for match in _UNSEEN.finditer(self.raw) for i in range(*match.span())} if self.field == "content" else ()
        )
        self._at = [index for index in range(len(self.raw)) if index not in hidden] if hidden else []
        self.shown = "".join([self.raw[index] for index in self._at]) if hidden else self.raw
        self.taken = bytearray(len(self.shown))

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the offsets in the raw text of a place in the shown one."""
        if not self._at or start >= end:
            return start, end
        first = self._at[start]
        escape = first > 0 and self.raw[first - 1] == "\\" and (start == 0 or self._at[start - 1] < first - 1)
        return first - escape, self._at[end - 1] + 1

    def is_free(self, start: int, end: int) -> bool:
        """Whether no check has claimed any of it."""
        return self.taken.find(1, start, end) < 0

    def take(self, start: int, end: int) -> None:
        """Claim a place."""
        self.taken[start:end] = b"\x01" * (end - start)

    @cached_property
    def _sentences(self) -> list[tuple[int, int]]:
        return list(_split(self.shown))

    @cached_property
    def sentence_starts(self) -> set[int]:
        """Where the first character of each sentence stands."""
        return {start for start, _ in self._sentences}

    def sentence(self, at: int) -> str:
        """Return the sentence around a place."""
        low, high = 0, len(self._sentences) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if at < self._sentences[middle][1] else (middle + 1, high)
        return self.shown[slice(*self._sentences[low])] if self._sentences else ""


def _split(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _END.finditer(text):
        if match[0] == "." and _ABBREVIATION.search(text, max(start, match.start() - 8), match.start()):
            continue
        yield start, match.end()
        start = match.end()
        while start < len(text) and text[start].isspace():
            start += 1
    yield start, len(text)
