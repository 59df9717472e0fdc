"""What a client's records say, in the form in which a draft's claims are looked up."""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property

from rapidfuzz.distance import Levenshtein

from agent_service.context import ClientContext
from agent_service.grounding._dates import Mention, find_dates
from agent_service.grounding._language import Language, fold
from agent_service.grounding._matching import ABOUT, fits, is_day, is_near, is_same, with_year
from agent_service.grounding._numbers import Number, find_numbers
from agent_service.grounding.links import EMAIL

__all__ = ["PHONE", "WORD", "Facts"]

# One note may be long, and there may be many: what is beyond is not looked at, and a claim from there is flagged.
_TEXT_LENGTH, _ALL_LENGTH = 4_000, 60_000
WORD = re.compile(r"[^\W_]+(?:['’&.][^\W_]+)*")
PHONE = re.compile(r"(?<![\w.,/+-])(?:\+|\(\+?)?\d(?:[ ()/.\u00a0-]{0,3}\d){6,16}(?![\w@])")
_STEM = 5  # letters that a counted thing's name keeps in singular and plural
_Amounts = dict[Decimal, set[str | None]]


class Facts:
    """Numbers with their currencies, days, words and addresses of one client's records, hints and user.

    What takes reading the texts is read when the first claim asks for it: many ask for nothing that is not in a column.
    """

    def __init__(
        self,
        context: ClientContext,
        *,
        hints: str | None,
        user_name: str | None,
        today: dt.date,
        languages: list[Language],
    ) -> None:
        """Collect them. Text is read in each of `languages`; relative days in a note count from the note's day."""
        self._languages = languages
        self._amounts: _Amounts = defaultdict(set)
        self._days = {today, *([context.today] if context.today else [])}
        self._add_records(context)
        own = [(hints or "", today), (user_name or context.user.name or "", today)]
        parts: list[str] = []
        self._starts: list[int] = []
        self._written: list[dt.date] = []
        length = 0
        for text, day in [*own, *_texts(context, today)]:
            part = text[: max(0, min(_TEXT_LENGTH, _ALL_LENGTH - length))]
            parts.append(part)
            self._starts.append(length)
            self._written.append(day)
            length += len(part) + 1
        self._text = "\n".join(parts)
        self.emails = {fold(row.email.strip()) for row in context.contacts if row.email}
        self.emails |= {fold(match[0]) for match in EMAIL.finditer((hints or "")[:_TEXT_LENGTH])}
        self.people = [frozenset(_words(row.name)) for row in context.contacts if row.name]

    def _add_records(self, context: ClientContext) -> None:
        sums: dict[tuple[str, str | None], Decimal] = defaultdict(Decimal)
        amounts = [("deal", row.amount, row.currency) for row in context.active_deals]
        amounts += [("order", row.total, row.currency) for row in context.order_history]
        for kind, amount, currency in amounts:
            if amount is not None:
                self._amounts[abs(amount)].add(currency)
                sums[kind, currency] += amount
        for (_, currency), total in sums.items():  # "your two deals, together …" is arithmetic and no invention
            self._amounts[total].add(currency)
        for deal in context.active_deals:
            self._add_days(deal.expected_close, deal.opened_at, deal.stage_since)
        self._add_days(context.last_interaction, *(row.occurred_at for row in context.recent_activities))
        self._add_days(
            *(row.due_at for row in context.pending_tasks), *(row.ordered_at for row in context.order_history)
        )

    def _add_days(self, *days: dt.date | None) -> None:
        self._days |= {day for day in days if day is not None}

    def _day_at(self, offset: int) -> dt.date:
        return self._written[bisect_right(self._starts, offset) - 1]

    @cached_property
    def _anchors(self) -> list[tuple[Language, list[int]]]:
        return [(language, language.find_anchors(self._text)) for language in self._languages]

    @cached_property
    def _numbers(self) -> list[Number]:
        return [number for language, at in self._anchors for number in find_numbers(self._text, language, at)]

    @cached_property
    def _said_amounts(self) -> _Amounts:
        amounts: _Amounts = defaultdict(set)
        for number in self._numbers:
            for value in () if number.is_percent else number.values:
                amounts[value].add(number.currency)
        return amounts

    @cached_property
    def _percentages(self) -> set[Decimal]:
        return {value for number in self._numbers if number.is_percent for value in number.values}

    @cached_property
    def _counted(self) -> dict[str, set[Decimal]]:
        counted: dict[str, set[Decimal]] = defaultdict(set)
        for number in self._numbers:
            if number.unit and not number.is_percent:
                counted[number.unit[:_STEM]].update(number.values)
        return counted

    @cached_property
    def _mentions(self) -> list[Mention]:
        return [
            with_year(mention, self._day_at(mention.start))
            for language, at in self._anchors
            for mention in find_dates(self._text, language, self._day_at, at)
        ]

    @cached_property
    def digits(self) -> frozenset[str]:
        """Every run of digits."""
        return frozenset(re.findall(r"\d+", self._text))

    @cached_property
    def _phones(self) -> set[str]:
        return {re.sub(r"\D", "", match[0])[-7:] for match in PHONE.finditer(self._text)}

    @cached_property
    def _words(self) -> dict[str, set[str]]:
        words: dict[str, set[str]] = defaultdict(set)
        for written in set(self._text.split()):
            for word in _words(written):
                words[word[:1]].add(word)
        return words

    def has_phone(self, digits: str) -> bool:
        """Whether a telephone number is in the records, with or without its country."""
        return digits[-7:] in self._phones

    def has_promise(self, pattern: re.Pattern[str], name: str) -> bool:
        """Whether the records or the hints hold a promise of that sort, in the draft's language or theirs."""
        patterns = [dict(language.promises)[name] for language in self._languages]
        return any(each.search(self._text) for each in patterns if each is not pattern) or bool(
            pattern.search(self._text)
        )

    def counts(self, unit: str) -> bool:
        """Whether the records count things of this (folded) name."""
        return len(unit) > 2 and unit[:_STEM] in self._counted

    def has_number(self, number: Number, *, is_about: bool) -> bool:
        """Whether one of the ways to read the number is in the records."""
        slack = ABOUT if is_about else Decimal(0)
        if number.is_percent:
            return is_near(number, self._percentages, slack)
        if number.currency is None and not number.is_rounded and self.counts(number.unit):
            return is_near(number, self._counted[number.unit[:_STEM]], slack)
        if number.currency is None and number.digits in self.digits:
            return True
        return any(
            is_near(number, [value for value, marks in amounts.items() if fits(number.currency, marks)], slack)
            for amounts in self._all_amounts()
        )

    def _all_amounts(self) -> Iterator[_Amounts]:
        yield self._amounts
        yield self._said_amounts

    def has_date(self, mention: Mention) -> bool:
        """Whether a day of the records is what the mention says."""
        if mention.month == 0:
            return False
        return any(is_day(mention, day) for day in self._days) or any(is_same(mention, said) for said in self._mentions)

    def has_word(self, word: str) -> bool:
        """Whether a folded word stands in the records, give or take a slip of the pen or a genitive."""
        same = self._words.get(word[:1], set())
        if word in same or (len(word) > 3 and word.endswith("s") and word[:-1].rstrip("'") in same):
            return True
        if len(word) < 5 or any(char.isdigit() for char in word):
            return False
        most = 1 if len(word) < 9 else 2
        return any(Levenshtein.distance(word, other, score_cutoff=most) <= most for other in same if len(other) > 3)

    def is_mixed_up(self, words: list[str]) -> bool:
        """Whether it is one contact's first name with another's last name."""
        named = [[index for index, person in enumerate(self.people) if word in person] for word in words]
        return len(words) > 1 and all(named) and not set(named[0]).intersection(*named[1:])


def _words(text: str) -> Iterator[str]:
    for match in WORD.finditer(text):
        yield fold(match[0])
        if not match[0].isalnum():
            yield from (fold(part) for part in re.findall(r"[^\W_]+", match[0]))


def _texts(context: ClientContext, today: dt.date) -> Iterator[tuple[str, dt.date]]:
    client = context.client
    texts: list[object] = [client.name, client.company, *client.tags]
    for contact in context.contacts:
        texts += [contact.name, contact.title]
    for deal in context.active_deals:
        texts += [deal.title, deal.product, deal.stage]
    for task in context.pending_tasks:
        texts += [task.title, task.description]
    for order in context.order_history:
        texts += [order.order_number, order.product, order.status]
    texts += _strings(context.contact_preferences)
    texts += _strings(context.omitted)
    yield from ((text, today) for text in texts if isinstance(text, str))
    for row in context.recent_activities:
        day = row.occurred_at or today
        yield from ((text, day) for text in (row.subject, row.content, row.contact_name) if text)


def _strings(value: object, depth: int = 4) -> list[str]:
    """The texts and numbers of any JSON."""
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        return [str(value)]
    if depth == 0 or not isinstance(value, dict | list):
        return []
    rows = value.values() if isinstance(value, dict) else value
    return [text for row in list(rows)[:50] for text in _strings(row, depth - 1)]
