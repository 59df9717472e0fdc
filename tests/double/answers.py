"""An answer of the double's model, and the one way it counts tokens."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

CHARACTERS_PER_TOKEN = 4


def tokens(characters: int) -> int:
    """Tokens of a text of that length: simple, so that a test can work it out beforehand."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class Answer:
    """What the model says and how it ends. text None: no content block at all."""

    text: str | None
    stop_reason: str = "end_turn"
    stop_details: dict[str, Any] | None = None
    output_tokens: int | None = None

    @property
    def cost(self) -> int:
        """Output tokens; at least one, as even saying nothing costs."""
        return self.output_tokens or max(1, tokens(len(self.text or "")))

    def cut(self, max_tokens: int) -> Answer:
        """The answer as far as max_tokens goes."""
        room = max_tokens * CHARACTERS_PER_TOKEN
        if len(self.text or "") <= room:
            return self
        return Answer((self.text or "")[:room], "max_tokens")


@dataclass(frozen=True)
class Pace:
    """How slowly it comes: seconds to the first piece and between pieces, and how many pieces the text is cut into."""

    first: float = 0.0
    between: float = 0.0
    pieces: int = 8

    @classmethod
    def lasting(cls, seconds: float, *, pieces: int = 20) -> Pace:
        """A model that takes that long for every answer."""
        step = seconds / pieces
        return cls(first=step, between=step, pieces=pieces)

    def split(self, text: str) -> list[str]:
        count = min(self.pieces, len(text))
        bounds = [len(text) * number // count for number in range(count + 1)] if count else []
        return [text[start:end] for start, end in itertools.pairwise(bounds)]

    def duration(self, text: str | None) -> float:
        """Seconds that an answer in one piece takes."""
        return self.first + self.between * max(0, len(self.split(text or "")) - 1)
