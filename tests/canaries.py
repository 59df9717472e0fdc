"""A hundred made-up pieces of personal data, planted in every CRM of the suite, that no log, alert or job may hold."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

__all__ = ["CANARIES", "PATTERN", "find_canaries", "next_canary"]

# Nothing else looks like this: a reader of any log finds it with one search. Letters alone, as in a name.
CANARIES = tuple(f"Qzx{tens}{ones}qz" for tens in "abcdefghij" for ones in "abcdefghij")
PATTERN = re.compile(r"qzx[a-j]{2}qz", re.IGNORECASE)
_turns = itertools.cycle(CANARIES)


def next_canary() -> str:
    """The next of them, round and round."""
    return next(_turns)


def find_canaries(texts: Iterable[str]) -> list[str]:
    """Those that stand in any of these texts, sorted, each once."""
    return sorted({found.lower() for text in texts for found in PATTERN.findall(text)})
