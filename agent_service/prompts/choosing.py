"""Which records go into a prompt when not all of them fit: those that a draft would be wrong without come first.

The order is the same whatever the budget, and taking ends with the first record that does not fit. So a larger budget
keeps all that a smaller one kept.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent_service.context import Activity, Contact, Deal, Task
from agent_service.llm.protocol import DraftBrief
from agent_service.prompts.records import BRIEF, FULL, MIDDLE, Key, Piece, RecordBook, Size, size_of

__all__ = ["Focus", "Selection", "find_focus", "select"]

T = TypeVar("T", Contact, Deal, Task)
# The newest activities, read before tasks and preferences; and those among them that the client wrote, before the rest.
_LAST, _LAST_INBOUND, _PEOPLE = 8, 3, 5
_INBOUND = {"inbound", "incoming", "received", "in"}
_NOT_HELD = {"scheduled", "planned", "cancelled", "canceled"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Focus:
    """The records that the draft cannot do without. inbound: what the client said last."""

    contact: Key | None
    deal: Key | None
    task: Key | None
    inbound: Key | None

    def keys(self) -> list[Key]:
        """Return them, the client first."""
        return [("client", 0), *(key for key in (self.contact, self.deal, self.task, self.inbound) if key)]


@dataclass(frozen=True, slots=True)
class Selection:
    """The records of one prompt. room: the bytes that are left. complete: nothing had to be left out or shortened."""

    pieces: dict[Key, Piece]
    room: int
    complete: bool


def find_focus(brief: DraftBrief) -> Focus:
    """Find what the user asked about. The contact, if none was named, is the primary one or the only one."""
    context = brief.context
    contacts = context.contacts
    contact = _by_id(contacts, brief.contact_id)
    if contact is None:
        primary = next((place for place, row in enumerate(contacts) if row.is_primary), None)
        contact = primary if primary is not None else 0 if len(contacts) == 1 else None
    inbound = next(iter(_inbound(context.recent_activities)), None)
    return Focus(
        contact=_key("contacts", contact),
        deal=_key("activeDeals", _by_id(context.active_deals, brief.deal_id)),
        task=_key("pendingTasks", _by_id(context.pending_tasks, brief.task_id)),
        inbound=_key("recentActivities", inbound),
    )


def select(book: RecordBook, focus: Focus, brief: DraftBrief, *, today: dt.date, room: int) -> Selection:
    """Take records in the order of their value until one does not fit into `room` bytes."""
    pieces: dict[Key, Piece] = {}
    for key, size in _in_order(book, focus, brief, today):
        old = pieces.get(key)
        if old and not old.shortened:
            continue
        piece = book.piece(key, size)
        need = size_of(piece.json) - (size_of(old.json) if old else -1)  # a comma comes with each record
        if need > room:
            return Selection(pieces, room, complete=False)
        pieces[key] = piece
        room -= need
    return Selection(pieces, room, complete=True)


def _in_order(book: RecordBook, focus: Focus, brief: DraftBrief, today: dt.date) -> Iterator[tuple[Key, Size]]:
    musts = focus.keys()
    people = [*([focus.contact] if focus.contact else []), *book.keys("contacts")]
    activities = _by_value(brief.context.recent_activities)
    last, older = activities[:_LAST], activities[_LAST:]
    tasks = _tasks_by_value(brief.context.pending_tasks)
    yield from _each(musts, BRIEF)
    yield from _each(musts, MIDDLE)
    yield from _each(book.keys("totals"), FULL)
    yield from _each(people[:_PEOPLE], MIDDLE)
    yield from _each(_deals_by_value(brief.context.active_deals, today), MIDDLE)
    yield from _each(last, MIDDLE)
    yield from _each(tasks, MIDDLE)
    yield from _each(book.keys("contactPreferences"), FULL)
    yield from _each([*musts, *last, *tasks], FULL)
    yield from _each(people, FULL)
    yield from _each(older, FULL)
    yield from _each(_orders_newest_first(book, brief), FULL)


def _each(keys: Sequence[Key], size: Size) -> Iterator[tuple[Key, Size]]:
    return ((key, size) for key in keys)


def _by_id(rows: Sequence[T], identifier: str | None) -> int | None:
    return next((place for place, row in enumerate(rows) if row.id == identifier), None) if identifier else None


def _key(section: str, place: int | None) -> Key | None:
    return None if place is None else (section, place)


def _newest_first(days: Sequence[dt.date | None]) -> list[int]:
    return sorted(range(len(days)), key=lambda place: days[place] or dt.date.min, reverse=True)


def _inbound(rows: Sequence[Activity]) -> list[int]:
    """What the client wrote or said, newest first."""
    newest = _newest_first([row.occurred_at for row in rows])
    return [
        place
        for place in newest
        if _lower(rows[place].direction) in _INBOUND and _lower(rows[place].status) not in _NOT_HELD
    ]


def _by_value(rows: Sequence[Activity]) -> list[Key]:
    newest = _newest_first([row.occurred_at for row in rows])
    first = _inbound(rows)[:_LAST_INBOUND]
    return [("recentActivities", place) for place in dict.fromkeys([*first, *newest])]


def _deals_by_value(deals: Sequence[Deal], today: dt.date) -> list[Key]:
    """Large and soon before small and late, by places and not by sums: amounts are in different currencies."""
    amounts = [-(deal.amount or 0) for deal in deals]
    days = [_days_away(deal.expected_close, today) for deal in deals]
    in_amounts, in_days = sorted(amounts), sorted(days)

    def rank(place: int) -> int:
        return bisect_left(in_amounts, amounts[place]) + bisect_left(in_days, days[place])

    return [("activeDeals", place) for place in sorted(range(len(deals)), key=rank)]


def _tasks_by_value(tasks: Sequence[Task]) -> list[Key]:
    places = sorted(range(len(tasks)), key=lambda place: (not tasks[place].overdue, tasks[place].due_at or dt.date.max))
    return [("pendingTasks", place) for place in places]


def _orders_newest_first(book: RecordBook, brief: DraftBrief) -> list[Key]:
    newest = _newest_first([row.ordered_at for row in brief.context.order_history])
    keys = book.keys("orderHistory")
    return [keys[place] for place in newest]


def _days_away(day: dt.date | None, today: dt.date) -> int:
    return abs((day - today).days) if day else dt.date.max.toordinal()


def _lower(text: str | None) -> str:
    return (text or "").strip().lower()
