"""Answers that end differently or say something else, and what becomes of a request in a batch.

In a batch an API fault is a result that `errored`, and an answer fault one that `succeeded` with such a message.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tests.double.answers import Answer
from tests.double.fault import Fault


@dataclass(frozen=True)
class AnswerFault(Fault):
    """An answer with status 200 that ends differently or says something else."""

    def change(self, answer: Answer) -> Answer:
        raise NotImplementedError


@dataclass(frozen=True)
class Says(AnswerFault):
    """Not a fault: exactly this text, or this object as JSON, ended by end_turn."""

    text: str | dict[str, Any]

    def change(self, answer: Answer) -> Answer:
        text = self.text if isinstance(self.text, str) else json.dumps(self.text, ensure_ascii=False)
        return Answer(text)


@dataclass(frozen=True)
class StopsWith(AnswerFault):
    """Half of the text, then any stop reason: max_tokens, pause_turn, model_context_window_exceeded, ..."""

    stop_reason: str = "max_tokens"

    def change(self, answer: Answer) -> Answer:
        return replace(answer, text=_half(answer), stop_reason=self.stop_reason)


@dataclass(frozen=True)
class MaxTokens(StopsWith):
    """Cut off by max_tokens."""


@dataclass(frozen=True)
class ContextWindowExceeded(StopsWith):
    """Cut off because prompt and answer together filled the context window."""

    stop_reason: str = "model_context_window_exceeded"


@dataclass(frozen=True)
class RefusalBeforeText(AnswerFault):
    """Refused before any text: content is an empty list."""

    category: str | None = "general_harms"

    def change(self, answer: Answer) -> Answer:
        details = {"type": "refusal", "category": self.category, "explanation": "This request was declined."}
        return replace(answer, text=None, stop_reason="refusal", stop_details=details)


@dataclass(frozen=True)
class RefusalAfterText(RefusalBeforeText):
    """Refused after half of the text has been sent, which the reader has to take back."""

    def change(self, answer: Answer) -> Answer:
        return replace(super().change(answer), text=_half(answer))


@dataclass(frozen=True)
class EmptyTurn(AnswerFault):
    """end_turn without text, and still two output tokens. block: an empty text block instead of none."""

    block: bool = False

    def change(self, answer: Answer) -> Answer:
        return Answer("" if self.block else None, output_tokens=2)


@dataclass(frozen=True)
class NotJson(AnswerFault):
    """Prose, although a schema was asked for."""

    def change(self, answer: Answer) -> Answer:
        return Answer("Certainly! Here is the draft you asked for.")


def _half(answer: Answer) -> str:
    text = answer.text or ""
    return text[: len(text) // 2]


@dataclass(frozen=True)
class BatchFault(Fault):
    """The result of a request in a batch that was never asked of the model."""

    result: ClassVar[str | None] = None


@dataclass(frozen=True)
class Expired(BatchFault):
    """The day was over first."""

    result: ClassVar[str | None] = "expired"


@dataclass(frozen=True)
class Canceled(BatchFault):
    """Canceled, as all are that a canceled batch had not reached."""

    result: ClassVar[str | None] = "canceled"


@dataclass(frozen=True)
class Missing(BatchFault):
    """No line in the results at all."""
