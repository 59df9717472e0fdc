"""Finds what a renderer or a mail program would make a link of, in text that has no markup any more."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache

from linkify_it import LinkifyIt

from agent_service.grounding._shared import shared

__all__ = ["EMAIL", "find_links"]

EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")

# Longer words are no prose. Those that could be an address go as a whole, so that nothing here sees a long word.
_LONGEST = 300
_WORD = re.compile(r"\S+")
_LIVE = re.compile(
    r"""[a-z][a-z0-9+.-]{0,20}:(?://|\\\\)\S*           # any scheme://
    | (?:mailto|xmpp):(?=\S)                            # the address after it is text, and checked as such
    | www\.\S*
    | (?<![\w@.-])(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}/\S*  # host/path without a scheme
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MAYBE = re.compile(r"[.:@]\S")
_PART = re.compile(r"[^\\`*_\[\]<>~|&!#+=]*\.[^\\`*_\[\]<>~|&!#+=]+")
_TRAILING = ".,;:!?)]}>'\"“”»"


@cache
def _linkify() -> LinkifyIt:
    return LinkifyIt().tlds(sorted(shared("top_level_domains")), True)  # noqa: FBT003 - not our signature


def find_links(text: str, allowed: Collection[str] = ()) -> Iterator[tuple[int, int]]:
    """Yield start and end of each link in `text` that is not in `allowed`; a mail address is text and no link."""
    for word in _WORD.finditer(text):
        if _MAYBE.search(word[0]):
            yield from ((word.start() + start, word.start() + end) for start, end in _in_word(word[0], allowed))


def _in_word(word: str, allowed: Collection[str]) -> Iterator[tuple[int, int]]:
    if len(word) > _LONGEST:
        yield 0, len(word)
        return
    end = 0
    while match := _LIVE.search(word, end):
        yield from _fuzzy(word, end, match.start(), allowed)
        end = match.end() if match[0].endswith(":") else match.start() + len(match[0].rstrip(_TRAILING))
        end = max(end, match.start() + 1)
        if word[match.start() : end] not in allowed:
            yield match.start(), end
    yield from _fuzzy(word, end, len(word), allowed)


def _fuzzy(word: str, start: int, end: int, allowed: Collection[str]) -> Iterator[tuple[int, int]]:
    # What is escaped in Markdown parts the text for some renderers and not for others: look at each part.
    for part in _PART.finditer(word, start, end):
        for match in _linkify().match(part[0]) or ():
            if match.schema != "mailto:" and match.text not in allowed:
                yield part.start() + match.index, part.start() + match.last_index
