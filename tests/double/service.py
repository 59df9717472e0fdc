"""What a double knows: how it answers, what is scripted, what it has received. In memory only."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tests.double.answer_faults import AnswerFault
from tests.double.answerers import Answerer, answer, honest
from tests.double.answers import Answer, Pace
from tests.double.caching import MINIMUM, PromptCache
from tests.double.fault import Fault
from tests.double.script import Script

if TYPE_CHECKING:
    from tests.double.batches import Batch

KEY = "test-key"
MODELS = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5")


def new_id(kind: str) -> str:
    """An id as the API gives: req_…, msg_…, msgbatch_…"""
    return f"{kind}_{uuid.uuid4().hex[:24]}"


@dataclass
class Received:
    """One request. outcome: `answered`, `client left`, an error's type, or the name of the connection's fault."""

    at: str
    id: str = field(default_factory=lambda: new_id("req"))
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    prompt: str = ""
    fault: str | None = None
    outcome: str | None = None
    usage: dict[str, Any] | None = None
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    def end(self, outcome: str) -> None:
        """Say how it ended; the first to know is right."""
        if self.outcome is None:
            self.outcome, self.ended = outcome, time.monotonic()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Message:
    """An answer with what it cost."""

    model: str
    answer: Answer
    usage: dict[str, Any]
    id: str = field(default_factory=lambda: new_id("msg"))

    def as_json(self) -> dict[str, Any]:
        text = self.answer.text
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [] if text is None else [{"type": "text", "text": text}],
            "stop_reason": self.answer.stop_reason,
            "stop_sequence": None,
            "stop_details": self.answer.stop_details,
            "usage": self.usage,
        }


class Service:
    """The model behind the endpoints."""

    def __init__(
        self,
        *,
        answerer: Answerer = honest,
        pace: Pace | None = None,
        keys: Collection[str] = (KEY,),
        models: Collection[str] = MODELS,
        minimum_cached_tokens: int = MINIMUM,
        batch_polls: int | None = 0,
    ) -> None:
        self.answerer = answerer
        self.pace = pace or Pace()
        self.batch_polls = batch_polls
        self._as_made = {"answerer": self.answerer, "pace": self.pace, "batch_polls": batch_polls}
        self.keys = frozenset(keys)
        self.models = frozenset(models)
        self.cache = PromptCache(minimum_cached_tokens)
        self.script = Script()
        self.requests: list[Received] = []
        self.batches: dict[str, Batch] = {}

    def reset(self) -> None:
        """Be as it was made: no script, no requests, no batches, nothing cached."""
        vars(self).update(self._as_made)
        self.script.clear()
        self.cache.clear()
        self.requests.clear()
        self.batches.clear()

    def end_batches(self) -> None:
        """Let every batch have ended at its next poll."""
        for batch in self.batches.values():
            batch.polls_left = 0

    def message(self, params: dict[str, Any], fault: Fault | None, *, tier: str = "standard") -> Message:
        """Answer a request whose params are in order."""
        said = answer(self.answerer, params)
        if isinstance(fault, AnswerFault):
            said = fault.change(said)
        usage = self.cache.usage(params) | {"output_tokens": said.cost, "service_tier": tier}
        return Message(params["model"], said, usage)
