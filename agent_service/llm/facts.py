"""What the offline templates see: the records that matter for one draft, with every text made harmless and local.

Each record's texts carry a private-use character that names the record. What comes out of the templates with a mark
was really used: that is how the draft knows its facts without anyone keeping count.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency, format_decimal

from agent_service.context import Activity, ClientContext, Contact, Deal, Order, Task
from agent_service.llm.plain_text import clean, escape
from agent_service.llm.protocol import DraftBrief, Fact

__all__ = ["DealView", "ExchangeView", "FactBook", "OrderView", "PersonView", "Selection", "TaskView", "select"]

FIRST_MARK, LAST_MARK = 0xE000, 0xF8FF
NAME_LENGTH, TITLE_LENGTH, HINTS_LENGTH = 60, 60, 700
RECENT_DAYS = 30
_REPLY_PREFIX = re.compile(r"^(?:(?:re|fwd?|aw|wg|antw|tr|rv)\s*:\s*)+", re.IGNORECASE)
_HONORIFIC = re.compile(r"^(?:(?:dr|prof|mr|mrs|ms|miss|mme|mlle|m|herr|frau|sr|sra|ing|dipl)\.?\s+)+", re.IGNORECASE)
_ASKED_TO = re.compile(
    r"^(?:please |bitte )?(?:also )?"
    r"(?:mention|bring up|talk about|discuss|raise|address|refer to|ask about|tell them about|erwähne|sprich über"
    r"|mentionner|mentionnez|parler de|mencionar|menciona|mencione|hablar de)(?: that| the fact that| que)? ",
    re.IGNORECASE,
)
_NO_NAME = re.compile(r"^(?:n/?a|none|null|unknown|test|tbd|-+|\W*)$|\d|\?", re.IGNORECASE)
T = TypeVar("T", Deal, Task, Contact)


class FactBook:
    """Hands out marks for records and reads them back from a finished text."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def mark_for(self, kind: str, identifier: str | None, label: str) -> str:
        """Return the mark of a record; "" once there are no more marks (6,400 records)."""
        number = FIRST_MARK + len(self._facts)
        if number > LAST_MARK:
            return ""
        self._facts[chr(number)] = Fact(kind, identifier, label)
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
    """An open deal. stage_code: as stored; stage: the same, fit to be shown. late: its expected close has passed."""

    name: str
    product: str
    stage_code: str
    stage: str
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
    # For details of a task draft; not shown.
    focus_deal: Deal | None = field(repr=False)
    focus_task: Task | None = field(repr=False)


def select(brief: DraftBrief, locale: Locale, today: dt.date, book: FactBook) -> Selection:
    """Choose the records one draft rests on and make them fit to be shown in `locale`."""
    return _Selector(brief, locale, today, book).run()


class _Selector:
    def __init__(self, brief: DraftBrief, locale: Locale, today: dt.date, book: FactBook) -> None:
        self._brief = brief
        self._context: ClientContext = brief.context
        self._locale = locale
        self._today = today
        self._book = book

    def run(self) -> Selection:
        context = self._context
        contact = self._recipient()
        last = self._last_exchange()
        task = self._focus_task()
        deal = self._focus_deal(task, last)
        to = self._person(contact)
        deals = _first(deal, context.active_deals)
        tasks = _first(task, sorted(context.pending_tasks, key=lambda t: not t.overdue))
        deal_views = [self._deal(row) for row in deals]
        task_views = [view for view in map(self._task, tasks) if view.title]
        meeting = self._planned_meeting()
        return Selection(
            account=self._account(),
            me=escape(clean(context.user.name, limit=NAME_LENGTH)),
            to=to,
            last=self._exchange(last, to) if last else None,
            last_date=self._client_text(self._date(context.last_interaction)),
            meeting=self._exchange(meeting, to) if meeting else None,
            deal=deal_views[0] if deal else None,
            deals=deal_views,
            more_deals=_count(context.omitted, "deals"),
            task=task_views[0] if task_views else None,
            tasks=task_views,
            more_tasks=_count(context.omitted, "tasks"),
            order=self._order(),
            preferences=self._preferences(),
            hints=self._hints(),
            hint_point=self._hints(as_point=True),
            today=self._date(self._today),
            focus_deal=deal,
            focus_task=task,
        )

    # Which records

    def _recipient(self) -> Contact | None:
        contacts = [contact for contact in self._context.contacts if _full_name(contact)]
        asked = _by_id(contacts, self._brief.contact_id)
        primary = next((contact for contact in contacts if contact.is_primary), None)
        return asked or primary or (contacts[0] if len(contacts) == 1 else None)

    def _last_exchange(self) -> Activity | None:
        done = [
            row
            for row in self._context.recent_activities
            if _lower(row.type) != "note"
            and row.occurred_at is not None
            and row.occurred_at <= self._today
            # A meeting still "scheduled" a year later may never have been held: nobody is thanked for it.
            and _lower(row.status) in {"", "completed", "done", "held", "sent", "received"}
        ]
        return max(done, key=lambda row: row.occurred_at or dt.date.min, default=None)

    def _planned_meeting(self) -> Activity | None:
        ahead = [
            row
            for row in self._context.recent_activities
            if _lower(row.status) == "scheduled" and row.occurred_at is not None and row.occurred_at >= self._today
        ]
        return min(ahead, key=lambda row: row.occurred_at or dt.date.max, default=None)

    def _focus_task(self) -> Task | None:
        tasks = self._context.pending_tasks
        return (
            _by_id(tasks, self._brief.task_id) or next((t for t in tasks if t.overdue), None) or next(iter(tasks), None)
        )

    def _focus_deal(self, task: Task | None, last: Activity | None) -> Deal | None:
        deals = self._context.active_deals
        asked_task = task if task and self._brief.task_id else None
        return (
            _by_id(deals, self._brief.deal_id)
            or _by_id(deals, asked_task.deal_id if asked_task else None)
            or _by_id(deals, last.deal_id if last else None)
            or next((d for d in deals if d.expected_close and d.expected_close >= self._today), None)
            or next(iter(deals), None)
        )

    # How they are shown

    def _account(self) -> str:
        client = self._context.client
        name = clean(client.company, limit=NAME_LENGTH) or clean(client.name, limit=NAME_LENGTH)
        return self._client_text(escape(name))

    def _client_text(self, text: str) -> str:
        client = self._context.client
        if not text:
            return ""
        label = clean(client.company, limit=NAME_LENGTH) or clean(client.name, limit=NAME_LENGTH)
        return self._book.mark_for("client", client.id, label) + text

    def _person(self, contact: Contact | None) -> PersonView | None:
        if contact is None:
            return None
        name = _full_name(contact)
        mark = self._book.mark_for("contact", contact.id, name)
        return PersonView(name=mark + escape(name), first=mark + escape(_first_name(name)))

    def _exchange(self, row: Activity, to: PersonView | None) -> ExchangeView:
        kind = _lower(row.type)
        if kind == "email":
            kind = {"inbound": "email_in", "outbound": "email_out"}.get(_lower(row.direction), "other")
        elif kind not in {"call", "meeting"}:
            kind = "other"
        about = clean(_REPLY_PREFIX.sub("", clean(row.subject, limit=400)), limit=TITLE_LENGTH)
        on = self._date(row.occurred_at)
        who = clean(row.contact_name, limit=NAME_LENGTH)
        label = " ".join(part for part in (clean(row.type, limit=20), on, about) if part)
        mark = self._book.mark_for("activity", row.id, label)
        same = to is not None and FactBook.without_marks(to.name) == escape(who)
        age = (self._today - row.occurred_at).days if row.occurred_at else RECENT_DAYS + 1
        return ExchangeView(
            kind=kind,
            about=_marked(mark, about),
            on=mark + on,
            who="" if same else _marked(mark, who),
            contact=_marked(mark, who),
            recent=age <= RECENT_DAYS,
        )

    def _deal(self, deal: Deal) -> DealView:
        title, product = clean(deal.title, limit=TITLE_LENGTH), clean(deal.product, limit=NAME_LENGTH)
        name = title or product
        stage, amount = clean(deal.stage, limit=30), self._money(deal.amount, deal.currency)
        close = self._date(deal.expected_close)
        mark = self._book.mark_for("deal", deal.id, ", ".join(part for part in (name, stage, amount, close) if part))
        return DealView(
            name=_marked(mark, name),
            product=_marked(mark, product if product.lower() not in name.lower() else ""),
            stage_code=stage.lower(),
            stage=_marked(mark, stage),
            amount=mark + amount if amount else "",
            close=mark + close if close else "",
            late=deal.expected_close is not None and deal.expected_close < self._today,
        )

    def _task(self, task: Task) -> TaskView:
        title, due = clean(task.title, limit=TITLE_LENGTH), self._date(task.due_at)
        mark = self._book.mark_for("task", task.id, ", ".join(part for part in (title, due) if part))
        return TaskView(
            title=_marked(mark, title),
            due=mark + due if due else "",
            overdue=task.overdue or (task.due_at is not None and task.due_at < self._today),
            priority=_lower(task.priority),
        )

    def _order(self) -> OrderView | None:
        bad = {"cancelled", "canceled", "refunded"}
        rows = (row for row in self._context.order_history if _lower(row.status) not in bad)
        order: Order | None = next((row for row in rows if clean(row.order_number, limit=40) or row.product), None)
        if order is None:
            return None
        number, product = clean(order.order_number, limit=40), clean(order.product, limit=NAME_LENGTH)
        total, on = self._money(order.total, order.currency), self._date(order.ordered_at)
        mark = self._book.mark_for("order", order.id, ", ".join(part for part in (number, product, total, on) if part))
        return OrderView(
            number=_marked(mark, number),
            product=_marked(mark, product),
            total=mark + total if total else "",
            on=mark + on if on else "",
        )

    def _preferences(self) -> str:
        given = self._context.contact_preferences
        if not isinstance(given, dict):
            return ""
        pairs = (
            (clean(str(key).replace("_", " "), limit=30), clean(value, limit=60))
            for key, value in given.items()
            if isinstance(value, str)
        )
        text = "; ".join(f"{key}: {value}" for key, value in pairs if key and value)
        return self._client_text(escape(clean(text, limit=200)))

    def _hints(self, *, as_point: bool = False) -> str:
        text = clean(self._brief.hints, limit=HINTS_LENGTH)
        if as_point:
            text = _ASKED_TO.sub("", text) or text
        return escape(text if text.endswith((".", "!", "?", "…")) else f"{text}.") if text else ""

    def _date(self, day: dt.date | None) -> str:
        if day is None:
            return ""
        if day.year == self._today.year:
            return _plain_spaces(format_skeleton("MMMMd", day, locale=self._locale))
        return _plain_spaces(format_date(day, format="long", locale=self._locale))

    def _money(self, amount: Decimal | None, currency: str | None) -> str:
        if amount is None or amount <= 0:
            return ""
        whole = amount == amount.to_integral_value()
        code = (currency or "").strip().upper()
        if re.fullmatch(r"[A-Z]{3}", code) is None:
            return escape(_plain_spaces(format_decimal(amount, locale=self._locale)))
        pattern = self._locale.currency_formats["standard"].pattern
        text = format_currency(
            amount,
            code,
            # Nobody writes $9,000.00 in a letter.
            format=re.sub(r"\.0+", "", pattern) if whole else pattern,
            locale=self._locale,
            currency_digits=not whole,
        )
        return escape(_plain_spaces(text))


def _marked(mark: str, text: str) -> str:
    return mark + escape(text) if text else ""


def _plain_spaces(text: str) -> str:
    """The database makes plain spaces of no-break ones; so that the text is the same before and after."""
    return re.sub(r"[\u00a0\u2000-\u200a\u202f]", " ", re.sub(r"[\u200e\u200f\u061c]", "", text))


def _lower(text: str | None) -> str:
    return (text or "").strip().lower()


def _by_id(rows: Iterable[T], identifier: str | None) -> T | None:
    return next((row for row in rows if row.id == identifier), None) if identifier else None


def _first(chosen: T | None, rows: Iterable[T]) -> list[T]:
    return ([chosen] if chosen else []) + [row for row in rows if row is not chosen]


def _count(omitted: object, name: str) -> int:
    part = omitted.get(name) if isinstance(omitted, dict) else None
    number = part.get("count") if isinstance(part, dict) else part
    return number if isinstance(number, int) and number > 0 else 0


def _full_name(contact: Contact) -> str:
    name = clean(contact.name, limit=NAME_LENGTH)
    if _NO_NAME.search(name):
        return ""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}".strip() if comma else name


def _first_name(name: str) -> str:
    bare = _HONORIFIC.sub("", name)
    # "Dr. Romero" is not a first name to greet by.
    return bare.split()[0] if bare.split() and (bare == name or len(bare.split()) > 1) else name
