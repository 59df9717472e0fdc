"""Finds dates: written out, in figures, or relative to a day."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from agent_service.grounding._language import Language, language_of

__all__ = ["Mention", "find_dates"]

_DAYS = {"d": 1, "t": 1, "j": 1, "g": 1, "w": 7, "s": 7}  # day Tag jour día giorno, week Woche semaine; else a month
_YEARS = (1900, 2200)


class Mention(NamedTuple):
    """A date in a text: any of `days` (a day, or what a weekday may mean), or a part of a date that has no year.

    month, day: with `days` empty, what is given of it. slack: days that a rough expression may be off.
    """

    start: int
    end: int
    days: frozenset[dt.date] = frozenset()
    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    slack: int = 0
    is_relative: bool = False


@cache
def _pattern(code: str) -> re.Pattern[str]:
    language = language_of(code)
    month, weekday, relative, numbers = (
        "|".join(sorted(map(re.escape, names), key=len, reverse=True))
        for names in (language.months, language.weekdays, language.relative, language.numbers)
    )
    never = "(?!)"
    p = {name: pattern.replace(" ", r"\ ") for name, pattern in language.patterns.items()}  # verbose drops plain spaces
    return re.compile(
        rf"""(?:(?<![\w.,/-])(?:
          (?P<iso>\d{{4}}-\d{{2}}-\d{{2}})(?![\d-])
        | (?P<a>\d{{1,2}})(?P<sep>[./])(?P<b>\d{{1,2}})(?P=sep)(?P<c>\d{{4}}|\d{{2}})(?!\d)
        | (?P<d>\d{{1,2}})\.\ ?(?P<m>\d{{1,2}})\.(?!\d))
        | (?:(?P<weekday1>{weekday})\b,?\ (?:(?:the|den|dem|le|el|il)\ )?)?(?<![\w.,/-])
          (?P<day1>\d{{1,2}})(?:st|nd|rd|th|er|º|°|\.)?\ (?:of\ |de\ |del\ )?
          (?P<month1>{month})\b(?:\.?,?\ (?:de\ |del\ )?(?P<year1>\d{{4}})\b)?
        | (?:(?P<weekday3>{weekday})\b,?\ )?
          (?P<month2>{month})\b\.?\ (?:the\ )?(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\b(?![.,:]\d|\ ?(?:am|pm|%|€|\$))
          (?:,?\ (?P<year2>\d{{4}})\b)?
        | (?P<month3>{month})\b\.?\ (?:de\ |del\ )?(?P<year3>\d{{4}})\b
        | (?P<count>\d{{1,3}}|{numbers})\ (?P<unit>{p["unit"]})\b
          (?:\ (?:(?P<ahead>{p["ahead_after"] or never})|(?P<ago>{p["ago_after"] or never}))\b)?
        | (?P<relative>{relative})\b
        | (?P<weekday2>{weekday})\b(?:\ (?:{_picks(p)}))?
        | (?<=\bthe\ )(?P<day3>\d{{1,2}})(?:st|nd|rd|th)\b(?!\ [a-z]{{4}})
        | (?<=\bam\ )(?P<day4>\d{{1,2}})\.(?!\d|\ ?[^\W\d_])
        | (?P<month4>{month})\b(?!\.?\ (?:the\ |de\ |del\ )?\d)
        )""",
        re.IGNORECASE | re.VERBOSE,
    )


def _picks(patterns: Mapping[str, str]) -> str:
    return rf"\b(?:(?P<next>{patterns['next']})|(?P<last>{patterns['last']})|(?P<this>{patterns['this']}))\b"


class _Before(NamedTuple):
    """What is looked for before a word, rather than tried at every "in" and "the" of a text.

    month: what makes the name of a month alone a date, for English has two that are verbs. ordinal: "the third of"
    before a month. pick: "next" before a weekday.
    """

    month: re.Pattern[str]
    ordinal: re.Pattern[str]
    pick: re.Pattern[str]
    ahead: re.Pattern[str]
    ago: re.Pattern[str]


@cache
def _before(code: str) -> _Before:
    p = language_of(code).patterns
    ordinals = "|".join(sorted(language_of(code).ordinals, key=len, reverse=True))
    ends = [
        rf"\b(?:{p['month_after']})(?:[ -]|['’])$",
        rf"\b(?:the )?(?P<ordinal>{ordinals}) (?:of |de )?$",
        _picks(p) + " $",
    ]
    ends += [rf"\b(?:{p[name]}) $" if p[name] else "(?!)" for name in ("ahead_before", "ago_before")]
    return _Before(*(re.compile(end, re.IGNORECASE) for end in ends))


def find_dates(
    text: str, language: Language, today: dt.date | Callable[[int], dt.date], anchors: list[int] | None = None
) -> Iterator[Mention]:
    """Yield the dates of a text; those relative to the day it was written on are resolved with `today`.

    today: of the whole text, or what gives it for a place in the text.
    """
    match_at, end = _pattern(language.code).match, 0
    for at in language.find_anchors(text) if anchors is None else anchors:
        if at >= end and (match := match_at(text, at)) is not None:
            day = today if isinstance(today, dt.date) else today(at)
            if (mention := _read(match, language, day)) is not None:
                end = match.end()
                yield mention


def _read(match: re.Match[str], language: Language, today: dt.date) -> Mention | None:
    if match["iso"] or match["a"] or match["d"]:
        return _in_figures(match, language)
    if match["month1"] or match["month2"] or match["month3"]:
        return _written_out(match, language)
    if match["month4"]:
        return _month_alone(match, language)
    if match["day3"] or match["day4"]:
        return _day_of_month(match, int(match["day3"] or match["day4"]), today)
    return _relative(match, language, today)


def _in_figures(match: re.Match[str], language: Language) -> Mention | None:
    if match["iso"]:
        return _exact(match, [match["iso"].split("-")])
    if match["d"]:
        return _checked(Mention(*match.span(), month=int(match["m"]), day=int(match["d"])))
    a, b, c = match["a"], match["b"], match["c"]
    year = c if len(c) == 4 else "20" + c
    american = [[year, a, b]] if match["sep"] == "/" and language.code == "en" else []
    return _exact(match, [[year, b, a], *american])


def _exact(match: re.Match[str], ways: list[list[str]]) -> Mention:
    days = frozenset(filter(None, (_date(*map(int, way)) for way in ways)))
    # A date that does not exist is a claim too, and nothing can bear it out.
    return Mention(*match.span(), days=days, month=None if days else 0)


def _written_out(match: re.Match[str], language: Language) -> Mention | None:
    day = match["day1"] or match["day2"]
    weekday = match["weekday1"] or match["weekday3"]
    year = match["year1"] or match["year2"] or match["year3"]
    return _checked(
        Mention(
            *match.span(),
            year=int(year) if year else None,
            month=language.months[(match["month1"] or match["month2"] or match["month3"]).casefold()],
            day=int(day) if day else None,
            weekday=language.weekdays[weekday.casefold()] if weekday else None,
        )
    )


def _checked(mention: Mention) -> Mention | None:
    """The mention with its day, if it has a year; None if it is none."""
    year, month, day = mention.year, mention.month or 0, mention.day
    if not 1 <= month <= 12 or (day is not None and not 1 <= day <= 31):
        return None
    if year is None or day is None:
        return mention
    exact = _date(year, month, day)
    if exact is None or mention.weekday not in {None, exact.weekday()}:
        return Mention(mention.start, mention.end, month=0)
    return Mention(mention.start, mention.end, days=frozenset({exact}))


def _month_alone(match: re.Match[str], language: Language) -> Mention | None:
    name, head = match["month4"], match.string[max(0, match.start() - 24) : match.start()]
    before, month = _before(language.code), language.months[match["month4"].casefold()]
    if ordinal := before.ordinal.search(head):
        day = language.ordinals[ordinal["ordinal"].casefold()]
        return _checked(Mention(match.start() - len(ordinal[0]), match.end(), month=month, day=day))
    is_name = name[0].isupper() or language.code not in {"en", "de"}
    return Mention(*match.span(), month=month) if is_name and before.month.search(head) else None


def _date(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day) if _YEARS[0] <= year <= _YEARS[1] else None
    except ValueError:
        return None


def _day_of_month(match: re.Match[str], day: int, today: dt.date) -> Mention | None:
    months = [_add_months(today.replace(day=1), step) for step in (-1, 0, 1)]
    days = frozenset(filter(None, (_date(month.year, month.month, day) for month in months)))
    return Mention(*match.span(), days=days) if days else None


def _relative(match: re.Match[str], language: Language, today: dt.date) -> Mention | None:
    group, span = match.groupdict(), match.span()
    if group["relative"]:
        head = match.string[max(0, span[0] - 3) : span[0]].rstrip(" ")
        if group["relative"][0].isupper() and head and head[-1].isalnum():
            return None  # Guten Morgen
        return Mention(
            *span,
            days=frozenset({today + dt.timedelta(language.relative[group["relative"].casefold()])}),
            is_relative=True,
        )
    if group["weekday2"]:
        weekday = language.weekdays[group["weekday2"].casefold()]
        pick = _before(language.code).pick.search(match.string[max(0, span[0] - 14) : span[0]])
        start = span[0] - (len(pick[0]) if pick else 0)
        return Mention(start, span[1], days=frozenset(_weekdays(weekday, pick or match, today)), is_relative=True)
    return _counted(match, language, today)


def _weekdays(weekday: int, match: re.Match[str], today: dt.date) -> list[dt.date]:
    ahead = (weekday - today.weekday()) % 7
    coming = today + dt.timedelta(ahead)
    if match["next"]:
        return [coming, coming + dt.timedelta(7)]
    week = [coming - dt.timedelta(7)]
    if match["last"]:
        return [*week, coming - dt.timedelta(14)]
    if match["this"]:
        return [today + dt.timedelta(weekday - today.weekday())]
    return [coming, *week]


def _counted(match: re.Match[str], language: Language, today: dt.date) -> Mention | None:
    """In six weeks, or two days ago; "six weeks" alone is no date."""
    head = match.string[max(0, match.start() - 24) : match.start()]
    ahead, ago = (pattern.search(head) for pattern in _before(language.code)[3:])
    if not (ahead or ago or match["ahead"] or match["ago"]):
        return None
    sign = 1 if ahead or match["ahead"] else -1
    count = match["count"].casefold()
    number = int(count) if count.isdecimal() else int(language.numbers[count])
    length = _DAYS.get(match["unit"][0].lower())
    if number < 1 or (number == 1 and length == 1 and ahead):
        return None  # "in one day" is how long it takes
    day = today + dt.timedelta(sign * number * length) if length else _add_months(today, sign * number)
    before = ahead or ago
    start = match.start() - (len(before[0]) if before else 0)
    slack = {1: 0, 7: 3, None: 7}[length]
    return Mention(start, match.end(), days=frozenset({day}), slack=slack, is_relative=True)


def _add_months(day: dt.date, months: int) -> dt.date:
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
