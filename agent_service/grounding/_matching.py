"""When a number or a date that a draft says is one that the records hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal

from agent_service.grounding._dates import Mention
from agent_service.grounding._numbers import Number

__all__ = ["ABOUT", "fits", "is_day", "is_near", "is_same", "with_year"]

# "About 50k" for 48,250 is fair; for 40,000 it is not.
ABOUT = Decimal("0.05")
_SAME_MONEY = {
    "$": {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN"},
    "kr": {"SEK", "NOK", "DKK", "ISK"},
    "JPY": {"CNY"},
}


def is_near(number: Number, known: Iterable[Decimal], about: Decimal) -> bool:
    """Whether one of `known` is what the number says; about: how far off it may be, as a share."""
    for value in number.values:
        # 12k may be 12,400; but "a million" is not 600,000.
        rounding = min(number.step / 2, value * ABOUT) if number.is_rounded else Decimal(0)
        slack = max(rounding, value * about)
        for fact in known:
            if (off := abs(fact - value)) <= slack:
                return True
            # Pence and cents may be left out; nothing else.
            if off < 1 and number.step == 1 and fact > 100 and fact != fact.to_integral_value():
                return True
    return False


def is_day(mention: Mention, day: dt.date) -> bool:
    """Whether the mention may mean that day."""
    if mention.days:
        return any(abs((day - said).days) <= mention.slack for said in mention.days)
    return (
        day.month == mention.month
        and mention.day in {None, day.day}
        and mention.year in {None, day.year}
        and mention.weekday in {None, day.weekday()}
    )


def is_same(mention: Mention, said: Mention) -> bool:
    """Whether a date in the records' texts is the one that the draft mentions."""
    if said.days:
        return any(is_day(mention, day) for day in said.days)
    return (
        mention.day is None
        and not mention.days
        and said.month == mention.month
        and (mention.year is None or said.year in {None, mention.year})
    )


def with_year(mention: Mention, written: dt.date) -> Mention:
    """Return a day and month with the year in which they are nearest to the day that they were written on."""
    if mention.days or not mention.month or mention.day is None:
        return mention
    days = []
    for year in (written.year - 1, written.year, written.year + 1):
        with suppress(ValueError):  # 29 February
            days.append(dt.date(year, mention.month, mention.day))
    return mention._replace(days=frozenset(sorted(days, key=lambda day: abs(day - written))[:1]))


def fits(currency: str | None, known: set[str | None]) -> bool:
    """Whether an amount known in these currencies may be said in this one; None is one that nobody gave."""
    if currency is None or None in known or currency in known:
        return True
    return bool(_SAME_MONEY.get(currency, set()) & {mark for mark in known if mark})
