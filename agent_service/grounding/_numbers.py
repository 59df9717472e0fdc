"""Finds amounts, percentages and other numbers, whatever way they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from babel import Locale

from agent_service.grounding._language import FALLBACK, Language, fold
from agent_service.grounding._shared import shared

__all__ = ["Number", "find_numbers"]

_SIGNS = {"€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN", "$": "$", "US$": "USD", "fr.": "CHF", "kr": "kr"}
_WORDS = {
    "euro": "EUR", "euros": "EUR", "dollar": "$", "dollars": "$", "dólares": "$", "dollari": "$", "pound": "GBP",
    "pounds": "GBP", "sterling": "GBP", "pfund": "GBP", "livres": "GBP", "libras": "GBP", "sterline": "GBP",
    "franken": "CHF", "francs": "CHF", "francos": "CHF", "franchi": "CHF", "quid": "GBP",
}  # fmt: skip
_THOUSAND, _MILLION, _BILLION = 3, 6, 9
_MULTIPLIERS = {
    "k": _THOUSAND, "tsd": _THOUSAND, "tausend": _THOUSAND, "thousand": _THOUSAND, "mil": _THOUSAND, "mille": _THOUSAND,
    "mila": _THOUSAND, "grand": _THOUSAND, "m": _MILLION, "mn": _MILLION, "mm": _MILLION, "mio": _MILLION,
    "million": _MILLION, "millions": _MILLION, "millionen": _MILLION, "millones": _MILLION, "millón": _MILLION,
    "milioni": _MILLION, "milione": _MILLION, "bn": _BILLION, "billion": _BILLION, "mrd": _BILLION,
    "milliarden": _BILLION, "milliard": _BILLION, "milliards": _BILLION,
}  # fmt: skip
_PERCENT = r"%|‰|percent\b|per cent\b|prozent\b|pour cent\b|por ciento\b|percento\b|per cento\b|pct\b"
# Longer runs of digits are no number that anybody wrote; parsing them would cost the square of their length.
_LONGEST = 24
_TIME = re.compile(r"[ \u00a0]?(?:am|pm|a\.m|p\.m|uhr|h|hrs|o'clock)\b", re.IGNORECASE)
_ONE = Decimal(1)


class Number(NamedTuple):
    """A number in a text. `values` are the ways to read it: 12.345 is 12345 or a little over 12.

    step: what one unit of its last written digit is worth, so that 12k may stand for 12,400. unit: the folded word
    that follows it.
    """

    start: int
    end: int
    values: tuple[Decimal, ...]
    step: Decimal
    currency: str | None
    is_percent: bool
    unit: str
    is_rounded: bool
    digits: str
    unit_end: int

    @property
    def is_large(self) -> bool:
        """Whether it is too exact or too large to be a way of speaking: 1000 or more, or with decimals."""
        return not self.values or any(value >= 1000 or value != value.to_integral_value() for value in self.values)


@cache
def _before() -> re.Pattern[str]:
    """What may stand before a number: its currency, or nothing that makes it part of something else."""
    return re.compile(rf"(?P<pre>\b(?:{_codes()})|(?<![\w$])US\$|[€£¥₹$])[ \u00a0\u202f]?$|(?<![\w.,'’/:#])$")


@cache
def _codes() -> str:
    codes = map(str, Locale(FALLBACK).currencies)
    return "|".join(sorted(code for code in codes if re.fullmatch("[A-Z]{3}", code)))


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    signs = "|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True))
    names = "|".join(sorted(_WORDS, key=len, reverse=True))
    multipliers = "|".join(sorted(_MULTIPLIERS, key=len, reverse=True))
    spelled = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    space = r"[ \u00a0\u202f]?"
    return re.compile(
        rf"""(?:(?P<number>
             \d{{1,3}}(?P<gap>[ \u00a0\u202f.,'’])\d{{3}}(?:(?P=gap)\d{{3}})*(?!\d)(?:[.,]\d{{1,4}})?(?!\d)
             |\d+(?:[.,]\d{{1,6}})?(?!\d))
           |(?P<word>(?:{spelled})\b(?=[\s-])))
        (?:{space}-?(?P<multiplier>{multipliers})(?:\b\.?|(?=€|£|\$)))?
        (?:{space}-?(?:(?P<percent>{_PERCENT})|(?P<post>(?-i:{_codes()})\b|(?:{names})\b|{signs}(?!\w))))?
        (?:(?:[ \u00a0\u202f]|-)(?P<unit>[^\W\d_]{{2,30}}))?""",
        re.IGNORECASE | re.VERBOSE,
    )


def find_numbers(text: str, language: Language, anchors: list[int] | None = None) -> Iterator[Number]:
    """Yield the numbers of a text; spelled out ones only where something is counted or measured in them."""
    match_at, end = _pattern(tuple(language.numbers)).match, 0
    for at in language.find_anchors(text) if anchors is None else anchors:
        if at < end or (match := match_at(text, at)) is None:
            continue
        end = match.end("number") if match["number"] else match.end("word")
        before = _mark_before(text, at)
        if before is not None and (match["word"] or not _is_part(text, match, before)):
            yield _read(match, language.numbers, before)


def _mark_before(text: str, at: int) -> str | None:
    """The currency before a number, "" if there is none; None if it is a part of something else."""
    if text[at - 2 : at - 1].islower() and text[at - 1] in " \n":  # nearly always, and cheap to see
        return ""
    before = _before().search(text[max(0, at - 5) : at])
    return None if before is None else before[0]


def _is_part(text: str, match: re.Match[str], currency: str) -> bool:
    """Whether the digits are of a word, a time, a fraction or a list: 3D, 10:30, 24/7, 1st, "2." at a line's start."""
    end = match.end("number")
    after = text[end : end + 2]
    if match["percent"] or match["multiplier"] or match["post"]:
        return False
    if after[:1].isalpha() or after[:1] in {"_", "@"} or (after[:1] in {":", "/"} and after[1:].isdigit()):
        return True
    if _TIME.match(text, end):
        return True
    is_marker = after[:1] in {".", ")"} and not after[1:].strip() and not currency
    return is_marker and text[: match.start("number")].rpartition("\n")[2].strip(" -") == ""


def _read(match: re.Match[str], words: Mapping[str, float], before: str) -> Number:
    multiplier = match["multiplier"]
    exponent = _MULTIPLIERS[multiplier.lower()] if multiplier else 0
    mark = before.rstrip() or match["post"]
    if multiplier in {"m", "mm", "M"} and not mark:
        exponent = 0  # metres, millimetres
    word = match["word"]
    readings = [(Decimal(str(words[word.casefold()])), _ONE)] if word else _readings(match["number"])
    scale = Decimal(10) ** exponent
    end = next(match.end(name) for name in ("post", "percent", "multiplier", "number", "word") if match[name])
    return Number(
        start=match.start() - len(before),
        end=end,
        values=tuple([value * scale if exponent else value for value, _ in readings]),
        step=readings[0][1] * scale if readings else _ONE,
        currency=_currency(mark) if mark else None,
        is_percent=bool(match["percent"]),
        unit=fold(match["unit"] or ""),
        is_rounded=exponent > 0,
        digits="".join(filter(str.isdecimal, match["number"] or "")),
        unit_end=match.end("unit") if match["unit"] else end,
    )


def _currency(mark: str) -> str:
    return _SIGNS.get(mark) or _WORDS.get(mark.casefold()) or _SIGNS.get(mark.casefold()) or mark.upper()


def _readings(number: str) -> list[tuple[Decimal, Decimal]]:
    """The values a number may have, the likeliest first, each with the worth of its last digit."""
    if len(number) > _LONGEST:
        return []
    if number.isdecimal():
        return [(Decimal(number), _ONE)]
    plain = re.sub(r"[\s'’]", "", number)
    marks = re.findall("[.,]", plain)
    if not marks:
        return [(Decimal(plain), _ONE)]
    last = marks[-1]
    head, _, tail = plain.rpartition(last)
    decimal = (Decimal(re.sub("[.,]", "", head) + "." + tail), _ONE.scaleb(-len(tail)))
    grouped = (Decimal(re.sub("[.,]", "", plain)), _ONE)
    if marks.count(last) > 1:
        return [grouped]
    if len(marks) > 1 or len(tail) != 3 or len(head) > 3:
        return [decimal]
    # 40,000 and 12.500 are never 40 and 12.5: nobody writes a nought at the end of a fraction of three digits.
    return [grouped] if tail[-1] == "0" else [grouped, decimal]


def is_unit(word: str) -> bool:
    """Whether a folded word measures things in any language."""
    return word in _FOLDED_UNITS


_FOLDED_UNITS = frozenset(map(fold, shared("units")))
