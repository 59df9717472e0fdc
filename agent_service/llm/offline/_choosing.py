"""Which records one draft rests on: pure choices over the context."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from agent_service.context import Activity, Contact, Deal, Order, Task
from agent_service.llm.plain_text import clean
from agent_service.llm.protocol import DraftBrief

__all__ = ["NAME_LENGTH", "Choice", "choose", "full_name", "lower"]

NAME_LENGTH = 60
_NO_NAME = re.compile(r"^(?:n/?a|none|null|unknown|test|tbd|-+|\W*)$|\d|\?", re.IGNORECASE)
T = TypeVar("T", Deal, Task, Contact)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The records of one draft. deals and tasks: all that are open, the one the draft is about first."""

    contact: Contact | None
    last: Activity | None
    meeting: Activity | None
    deal: Deal | None
    deals: list[Deal]
    task: Task | None
    tasks: list[Task]
    order: Order | None


def choose(brief: DraftBrief, today: dt.date) -> Choice:
    """Choose what the user asked for first, then what is newest, due or closing soonest."""
    context = brief.context
    tasks = [task for task in context.pending_tasks if clean(task.title, limit=NAME_LENGTH)]
    last = _last_exchange(context.recent_activities, today)
    task = _focus_task(tasks, brief.task_id)
    deal = _focus_deal(brief, task, last, today)
    return Choice(
        contact=_recipient(brief),
        last=last,
        meeting=_planned(context.recent_activities, today),
        deal=deal,
        deals=_first(deal, context.active_deals),
        task=task,
        tasks=_first(task, sorted(tasks, key=lambda row: not row.overdue)),
        order=_last_order(context.order_history),
    )


def full_name(contact: Contact) -> str:
    """A contact's name, first name first; "" for what is no name ("N/A", "Contact 2")."""
    name = clean(contact.name, limit=NAME_LENGTH)
    if _NO_NAME.search(name):
        return ""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}".strip() if comma else name


def lower(text: str | None) -> str:
    """A code as a CRM may spell it, in one spelling."""
    return (text or "").strip().lower()


def _recipient(brief: DraftBrief) -> Contact | None:
    contacts = [contact for contact in brief.context.contacts if full_name(contact)]
    asked = _by_id(contacts, brief.contact_id)
    primary = next((contact for contact in contacts if contact.is_primary), None)
    return asked or primary or (contacts[0] if len(contacts) == 1 else None)


def _last_exchange(rows: Iterable[Activity], today: dt.date) -> Activity | None:
    # A meeting still "scheduled" a year later may never have been held: nobody is thanked for it.
    held = {"", "completed", "done", "held", "sent", "received"}
    done = [
        row
        for row in rows
        if lower(row.type) != "note"
        and row.occurred_at is not None
        and row.occurred_at <= today
        and lower(row.status) in held
    ]
    return max(done, key=lambda row: row.occurred_at or dt.date.min, default=None)


def _planned(rows: Iterable[Activity], today: dt.date) -> Activity | None:
    ahead = [
        row
        for row in rows
        if lower(row.status) == "scheduled" and row.occurred_at is not None and row.occurred_at >= today
    ]
    return min(ahead, key=lambda row: row.occurred_at or dt.date.max, default=None)


def _focus_task(tasks: list[Task], asked: str | None) -> Task | None:
    return _by_id(tasks, asked) or next((task for task in tasks if task.overdue), None) or next(iter(tasks), None)


def _focus_deal(brief: DraftBrief, task: Task | None, last: Activity | None, today: dt.date) -> Deal | None:
    deals = brief.context.active_deals
    asked_task = task if task and brief.task_id else None
    return (
        _by_id(deals, brief.deal_id)
        or _by_id(deals, asked_task.deal_id if asked_task else None)
        or _by_id(deals, last.deal_id if last else None)
        or next((deal for deal in deals if deal.expected_close and deal.expected_close >= today), None)
        or next(iter(deals), None)
    )


def _last_order(rows: Iterable[Order]) -> Order | None:
    undone = {"cancelled", "canceled", "refunded"}
    stood = (row for row in rows if lower(row.status) not in undone)
    return next((row for row in stood if clean(row.order_number, limit=40) or clean(row.product, limit=40)), None)


def _by_id(rows: Iterable[T], identifier: str | None) -> T | None:
    return next((row for row in rows if row.id == identifier), None) if identifier else None


def _first(chosen: T | None, rows: Iterable[T]) -> list[T]:
    return ([chosen] if chosen else []) + [row for row in rows if row is not chosen]
