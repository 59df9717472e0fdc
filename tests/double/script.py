"""Which request meets which fault."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.double.fault import Fault, from_json

PLACES = ("messages", "count_tokens", "batches", "batch", "results", "cancel", "batch_item")


@dataclass
class Rule:
    """A fault for every request (or every nth, or so many) at a place whose prompt holds a text."""

    fault: Fault | None
    at: str = "messages"
    every: int = 1
    containing: str = ""
    times: int | None = None
    seen: int = 0
    struck: int = 0

    def strikes(self, at: str, prompt: str) -> bool:
        if at != self.at or self.containing not in prompt or self.struck == self.times:
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.struck += 1
        return True


class Script:
    """A queue of faults for each place, one a request, and behind it the rules; the first that fits is taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # a test writes it, the server's thread reads it
        self._queues: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self._rules: list[Rule] = []

    def __call__(self, *faults: Fault | None, at: str = "messages") -> None:
        """The next requests at that place meet these; None is a request that nothing befalls."""
        _check_place(at)
        with self._lock:
            self._queues[at].extend(faults)

    def rule(
        self,
        fault: Fault | None,
        *,
        at: str = "messages",
        every: int = 1,
        containing: str = "",
        times: int | None = None,
    ) -> Rule:
        """From now on, whenever the queue is empty. The rule that is returned counts what it `struck`."""
        _check_place(at)
        rule = Rule(fault, at, every, containing, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        with self._lock:
            self._queues.clear()
            self._rules.clear()

    def left(self) -> int:
        """Entries that no request has met."""
        with self._lock:
            return sum(map(len, self._queues.values()))

    def take(self, at: str, prompt: str) -> Fault | None:
        with self._lock:
            if self._queues[at]:
                return self._queues[at].popleft()
            return next((rule.fault for rule in self._rules if rule.strikes(at, prompt)), None)

    def load(self, data: Mapping[str, Any]) -> None:
        """{"faults": [...], "at": place, "rules": [{"fault": {...}, "every": 3, ...}]}. Raises ValueError."""
        self(*[from_json(fault) for fault in data.get("faults", [])], at=data.get("at", "messages"))
        for rule in data.get("rules", []):
            rest = {name: value for name, value in rule.items() if name != "fault"}
            try:
                self.rule(from_json(rule["fault"]), **rest)
            except (KeyError, TypeError) as error:
                raise ValueError(f"Not a rule: {rule} ({error})") from error


def _check_place(at: str) -> None:
    if at not in PLACES:
        raise ValueError(f"No place is called {at!r}; there are {', '.join(PLACES)}.")
