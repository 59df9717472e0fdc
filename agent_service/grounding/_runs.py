"""Words that are written with a capital, and where they stand together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent_service.grounding._language import Language, fold
from agent_service.grounding._shared import shared
from agent_service.grounding._text import Text

__all__ = ["CAMEL", "CODE", "LINKS", "TOKEN", "Word", "end_of_run", "parts_of", "touches", "words_of"]

TOKEN = re.compile(r"[^\W_]+(?:['’&.-][^\W_]+)*")
LINKS = shared("particles")
CODE = re.compile(r"[A-Z]{1,6}-?\d{2,}|[^\W\d_]+-\d+|\d+[A-Z]\w*|[A-Z][\w]*\d\w*")
CAMEL = re.compile(r"[^\W\d_]*[a-zà-ÿ][A-Z]")
_OPENING = "„“\"«»‚‘'(¿¡"


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start: int
    end: int
    is_first: bool  # of a sentence, a line, a list item, a quotation

    @property
    def folded(self) -> str:
        return fold(re.sub(r"['’]s?$", "", self.text))


def words_of(text: Text) -> Iterator[Word]:
    starts = text.sentence_starts
    for match in TOKEN.finditer(text.shown):
        start = match.start()
        before = text.shown[max(0, start - 3) : start].rstrip(" ")
        first = start in starts or not before or (before[-1] in "\n:-–•" + _OPENING and not before[-1].isalnum())
        # "1. Which": the marker of a list. "-" only with a space after it, which the token would otherwise hold.
        first = (
            first
            or re.fullmatch(r"\s*\d{1,3}[.)]\s+", text.shown[text.shown.rfind("\n", 0, start) + 1 : start][-8:])
            is not None
        )
        yield Word(match[0], start, match.end(), first)


def touches(text: Text, one: Word, other: Word) -> bool:
    gap = text.shown[one.end : other.start]
    return (
        gap in {" ", "\u00a0"} or (gap == ". " and not other.is_first) or gap in {" & ", " „", ' "', " “", " «\u00a0"}
    )


def _is_capital(text: Text, word: Word) -> bool:
    return (
        word.text[0].isupper() or bool(CAMEL.match(word.text)) or CODE.fullmatch(word.text) is not None
    ) and text.is_free(word.start, word.end)


def end_of_run(text: Text, words: list[Word], index: int) -> int:
    """Where the capitalised words from `index` on end; particles may stand within, numbers at the end too."""
    if not _is_capital(text, words[index]):
        return index
    end = at = index + 1
    while at < len(words) and touches(text, words[at - 1], words[at]):
        word = words[at]
        if not text.is_free(word.start, word.end):
            break
        if _is_capital(text, word) or (word.text.isdigit() and len(word.text) < 6 and end == at):
            end = at + 1
        elif word.text not in LINKS:
            break
        at += 1
    return end


def parts_of(run: list[Word], language: Language) -> Iterator[list[Word]]:
    """The run without its common words, which may leave several names."""
    part: list[Word] = []
    for word, following in zip(run, [*run[1:], None], strict=True):
        # "Press Line 9" is a model, whatever a line is elsewhere.
        is_numbered = bool(part) and following is not None and following.text.isdigit()
        if is_numbered:
            part.append(word)
        elif word.folded.partition("'")[0] in language.common or (word.folded in LINKS and not part):
            if part:
                yield part
            part = []
        else:
            part.append(word)
    if part:
        yield part
