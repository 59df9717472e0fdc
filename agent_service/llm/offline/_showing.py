"""Makes the chosen records fit to be shown: every text harmless, every date and amount as the language writes it."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from decimal import Decimal

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency, format_decimal

from agent_service.context import Activity, Contact, Deal, Order, Task
from agent_service.llm.offline._choosing import NAME_LENGTH, Choice, full_name, lower
from agent_service.llm.offline._facts import (
    DealView,
    ExchangeView,
    FactBook,
    OrderView,
    PersonView,
    Selection,
    TaskView,
)
from agent_service.llm.plain_text import clean, escape
from agent_service.llm.protocol import DraftBrief

__all__ = ["show"]

TITLE_LENGTH, HINTS_LENGTH = 60, 700
RECENT_DAYS = 30
# From here on the client has seen our amount; before, it is only our estimate.
_OFFERED = {"proposal", "negotiation"}
_REPLY_PREFIX = re.compile(r"^(?:(?:re|fwd?|aw|wg|antw|tr|rv)\s*:\s*)+", re.IGNORECASE)
_HONORIFIC = re.compile(r"^(?:(?:dr|prof|mr|mrs|ms|miss|mme|mlle|m|herr|frau|sr|sra|ing|dipl)\.?\s+)+", re.IGNORECASE)
_ASKED_TO = re.compile(
    r"^(?:please |bitte )?(?:also )?"
    r"(?:mention|bring up|talk about|discuss|raise|address|refer to|ask about|tell them about|erwähne|sprich über"
    r"|mentionner|mentionnez|parler de|mencionar|menciona|mencione|hablar de)(?: that| the fact that| que)? ",
    re.IGNORECASE,
)


def show(brief: DraftBrief, choice: Choice, locale: Locale, today: dt.date, book: FactBook) -> Selection:
    """Return what the templates may use of the chosen records, in `locale`; `book` learns of every record."""
    return _Showing(brief, choice, locale, today, book).run()


class _Showing:
    def __init__(self, brief: DraftBrief, choice: Choice, locale: Locale, today: dt.date, book: FactBook) -> None:
        self._brief = brief
        self._choice = choice
        self._context = brief.context
        self._locale = locale
        self._today = today
        self._book = book
        # Mails go to the client. What is only ours is kept from their templates, not left to each one's care.
        self._for_client = brief.draft_type == "email"

    def run(self) -> Selection:
        context, choice = self._context, self._choice
        to = self._person(choice.contact) if choice.contact else None
        deals = [self._deal(row) for row in choice.deals]
        tasks = [self._task(row) for row in self._shown_tasks()]
        return Selection(
            account=self._account(),
            me=escape(clean(context.user.name, limit=NAME_LENGTH)),
            to=to,
            last=self._exchange(choice.last, to) if choice.last else None,
            last_date=self._client_text(self._date(context.last_interaction)),
            meeting=self._exchange(choice.meeting, to) if choice.meeting else None,
            deal=deals[0] if deals else None,
            deals=deals,
            more_deals=_count(context.omitted, "deals"),
            task=tasks[0] if tasks else None,
            tasks=tasks,
            more_tasks=_count(context.omitted, "tasks"),
            order=self._order(choice.order) if choice.order else None,
            preferences=self._preferences(),
            hints=self._hints(),
            hint_point=self._hints(as_point=True),
            today=self._date(self._today),
        )

    def _shown_tasks(self) -> list[Task]:
        """All of them inside; to a client only the one that a reminder is about."""
        if not self._for_client:
            return self._choice.tasks
        return [self._choice.task] if self._choice.task and self._brief.purpose == "task_reminder" else []

    def _account(self) -> str:
        return self._client_text(escape(self._client_name()))

    def _client_text(self, text: str) -> str:
        mark = self._book.mark_for("client", self._context.client.id, self._client_name())
        return mark + text if text else ""

    def _client_name(self) -> str:
        client = self._context.client
        return clean(client.company, limit=NAME_LENGTH) or clean(client.name, limit=NAME_LENGTH)

    def _person(self, contact: Contact) -> PersonView:
        name = full_name(contact)
        mark = self._book.mark_for("contact", contact.id, name)
        return PersonView(name=mark + escape(name), first=mark + escape(_first_name(name)))

    def _exchange(self, row: Activity, to: PersonView | None) -> ExchangeView:
        kind = lower(row.type)
        if kind == "email":
            kind = {"inbound": "email_in", "outbound": "email_out"}.get(lower(row.direction), "other")
        elif kind not in {"call", "meeting"}:
            kind = "other"
        about = clean(_REPLY_PREFIX.sub("", clean(row.subject, limit=400)), limit=TITLE_LENGTH)
        on = self._date(row.occurred_at)
        who = clean(row.contact_name, limit=NAME_LENGTH)
        label = " ".join(part for part in (clean(row.type, limit=20), on, about) if part)
        mark = self._book.mark_for("activity", row.id, label)
        recipient = FactBook.without_marks(to.name) if to else ""
        same = bool(to) and recipient == escape(who)
        # "Meeting with Dana Whitfield" is how we file it; Dana Whitfield would call it something else.
        filed = self._for_client and recipient and recipient in escape(about)
        age = (self._today - row.occurred_at).days if row.occurred_at else RECENT_DAYS + 1
        return ExchangeView(
            kind=kind,
            about="" if filed else _marked(mark, about),
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
        view = DealView(
            name=_marked(mark, name),
            product=_marked(mark, product if product.lower() not in name.lower() else ""),
            stage_code=stage.lower(),
            stage=_marked(mark, stage),
            offered=stage.lower() in _OFFERED,
            amount=mark + amount if amount else "",
            close=mark + close if close else "",
            late=deal.expected_close is not None and deal.expected_close < self._today,
        )
        return _as_the_client_knows_it(view) if self._for_client else view

    def _task(self, task: Task) -> TaskView:
        title, due = clean(task.title, limit=TITLE_LENGTH), self._date(task.due_at)
        mark = self._book.mark_for("task", task.id, ", ".join(part for part in (title, due) if part))
        overdue = task.overdue or (task.due_at is not None and task.due_at < self._today)
        return TaskView(
            title=_marked(mark, title),
            due=mark + due if due and not (self._for_client and overdue) else "",
            overdue=overdue,
            priority=lower(task.priority),
        )

    def _order(self, order: Order) -> OrderView:
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


def _as_the_client_knows_it(deal: DealView) -> DealView:
    """Without our stage and our forecast; without product and amount until both are in an offer."""
    deal = replace(deal, stage="", close="", late=False)
    return deal if deal.offered else replace(deal, product="", amount="")


def _marked(mark: str, text: str) -> str:
    return mark + escape(text) if text else ""


def _plain_spaces(text: str) -> str:
    """The database makes plain spaces of no-break ones; so that the text is the same before and after."""
    return re.sub(r"[\u00a0\u2000-\u200a\u202f]", " ", re.sub(r"[\u200e\u200f\u061c]", "", text))


def _count(omitted: object, name: str) -> int:
    part = omitted.get(name) if isinstance(omitted, dict) else None
    number = part.get("count") if isinstance(part, dict) else part
    return number if isinstance(number, int) and number > 0 else 0


def _first_name(name: str) -> str:
    bare = _HONORIFIC.sub("", name)
    # "Dr. Romero" is not a first name to greet by.
    return bare.split()[0] if bare.split() and (bare == name or len(bare.split()) > 1) else name
