"""What the offline templates see, and how a draft knows which records it used.

Each record's texts carry a private-use character that names the record. What comes out of the templates with a mark
was really used: nobody has to keep count.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent_service.llm.protocol import Fact

__all__ = ["DealView", "ExchangeView", "FactBook", "OrderView", "PersonView", "Selection", "TaskView"]

FIRST_MARK, LAST_MARK = 0xE000, 0xF8FF


class FactBook:
    """Hands out marks for records and reads them back from a finished text."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}
        self._marks: dict[Fact, str] = {}

    def mark_for(self, kind: str, identifier: str | None, label: str) -> str:
        """Return the mark of a record; "" once there are no more marks (6,400 records)."""
        fact = Fact(kind, identifier, label)
        if fact in self._marks:
            return self._marks[fact]
        number = FIRST_MARK + len(self._marks)
        if number > LAST_MARK:
            return ""
        self._marks[fact], self._facts[chr(number)] = chr(number), fact
        return chr(number)

    def used_in(self, text: str) -> tuple[Fact, ...]:
        """Return the facts whose marks are in the text, in the order of their first appearance."""
        return tuple(self._facts[char] for char in dict.fromkeys(text) if char in self._facts)

    @staticmethod
    def without_marks(text: str) -> str:
        """Return the text as people see it."""
        return "".join(char for char in text if not FIRST_MARK <= ord(char) <= LAST_MARK)


@dataclass(frozen=True, kw_only=True)
class PersonView:
    """A contact. All texts of all views are Markdown-safe; "" where nothing is known."""

    name: str
    first: str


@dataclass(frozen=True, kw_only=True)
class ExchangeView:
    """An email, call or meeting. kind: email_in, email_out, call, meeting or other. who: if not the recipient."""

    kind: str
    about: str
    on: str
    who: str
    contact: str
    recent: bool


@dataclass(frozen=True, kw_only=True)
class DealView:
    """An open deal. stage_code: as stored; stage: the same, fit to be shown. late: its expected close has passed.

    offered: the client has our offer, and so knows its amount.
    """

    name: str
    product: str
    stage_code: str
    stage: str
    offered: bool
    amount: str
    close: str
    late: bool


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """A task that is still to be done."""

    title: str
    due: str
    overdue: bool
    priority: str


@dataclass(frozen=True, kw_only=True)
class OrderView:
    """An order that went through."""

    number: str
    product: str
    total: str
    on: str


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Everything a template may use."""

    account: str
    me: str
    to: PersonView | None
    last: ExchangeView | None
    last_date: str
    meeting: ExchangeView | None
    deal: DealView | None
    deals: list[DealView]
    more_deals: int
    task: TaskView | None
    tasks: list[TaskView]
    more_tasks: int
    order: OrderView | None
    preferences: str
    # The user's words; and the same without "please mention", for a sentence that already says so.
    hints: str
    hint_point: str
    today: str
