"""Looks up what a draft claims in the records that it was written from.

What counts as a claim, and what does not:

- Numbers with a currency, a percent sign or a thousand/million; numbers of things that the records count ("40 trucks");
  any number of 1000 or more or with decimals. List numbers, times, ordinals, years, "two options" and "24/7" do not.
- Dates to the day or the month. "Next week" and "this year" do not; nor does today.
- A day that is proposed is no claim: a weekday or relative day in a question or beside a word that proposes a meeting,
  a date to come beside both. "Does the contract end on 3 March?" is one.
- Names: capitalised words that are not common ones. In German, where all nouns are, only with another sign of a name.
- Promises, by a lexicon for each language. One counts as found if the records or the hints hold one of its sort.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator
from typing import Protocol

from agent_service.context import ClientContext
from agent_service.grounding._dates import Mention, find_dates
from agent_service.grounding._facts import PHONE, Facts
from agent_service.grounding._language import FALLBACK, Language, fold, language_of
from agent_service.grounding._names import find_names
from agent_service.grounding._numbers import Number, find_numbers, is_unit
from agent_service.grounding._text import Text
from agent_service.grounding.links import EMAIL, find_links
from agent_service.grounding.markup import CONTENT_LENGTH
from agent_service.grounding.spans import MOST_SPANS, Grounding, Kind, Span

__all__ = ["ground"]

SUBJECT_LENGTH = 1_000
_PLACEHOLDER = re.compile(
    r"""\[[^\[\]\n]{0,80}[^\W\d_][^\[\]\n]{0,80}\]         # [Your Name]
    | \{\{?[^{}\n]{1,80}\}\}?                              # {{first_name}}
    | <[^\W\d_][\w .,'’/-]{0,60}>                          # <Name>
    | \bX{3,}\b | \b(?:TODO|TBD|TBC|FIXME)\b | _{3,} | %[A-Z_]{3,30}% | \$\{[^}\n]{1,60}\}
    | (?i:\blorem\b|\((?:insert|fill\ in|add|bitte\ einfügen|einfügen|insérer|insertar|inserire)\b[^()\n]{0,80}\))
    """,
    re.VERBOSE,
)
_HIDDEN_AT = re.compile(
    r"[\w.+-]{1,64} ?[\[(] ?(?:at|@|ät) ?[\])] ?(?:[\w-]{1,63}(?:\.| ?[\[(]dot[\])] ?)){1,4}[a-z]{2,24}", re.IGNORECASE
)


class Draft(Protocol):
    """What is checked: `DraftText`, or anything with these."""

    @property
    def subject(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def language(self) -> str: ...


def ground(  # noqa: PLR0913 - the signature that the draft job calls
    draft: Draft,
    context: ClientContext,
    *,
    hints: str | None,
    today: dt.date,
    user_name: str | None,
    allowed_links: Collection[str] = (),
) -> Grounding:
    """Return how much of what `draft` claims stands in the records, the user's hints or the calendar, and what not.

    `content` is what `clean_markdown` made of it; of longer text only the first 20,000 characters are looked at.
    """
    language = language_of(draft.language)
    tags = dict.fromkeys([language.code, language_of(context.client.preferred_language).code, FALLBACK])
    languages = [language_of(tag) for tag in tags]
    facts = Facts(context, hints=hints, user_name=user_name, today=today, languages=languages)
    checked = found = 0
    spans: list[Span] = []
    for text in (Text("subject", draft.subject[:SUBJECT_LENGTH]), Text("content", draft.content[:CONTENT_LENGTH])):
        for start, end, kind, is_found in _Check(text, language, facts, today, allowed_links).claims():
            is_claim = kind not in {"placeholder", "link"}
            checked += is_claim
            found += is_claim and is_found
            if not is_found:
                blocks = kind in {"placeholder", "link", "address"}
                spans.append(Span(text.field, *text.raw_span(start, end), kind, blocks))
    kept = sorted(spans, key=lambda span: not span.blocks)[:MOST_SPANS]
    kept.sort(key=lambda span: (span.field != "subject", span.start, span.end))
    return Grounding(round(found / checked, 4) if checked else 1.0, checked, tuple(kept))


class _Check:
    """The claims of one field. The order of the checks matters: what one has claimed, the later ones leave alone."""

    def __init__(self, text: Text, language: Language, facts: Facts, today: dt.date, allowed: Collection[str]) -> None:
        self._text, self._language, self._facts, self._today, self._allowed = text, language, facts, today, allowed
        self._anchors = language.find_anchors(text.shown)

    def claims(self) -> Iterator[tuple[int, int, Kind, bool]]:
        for claims in (self._marks, self._promises, self._dates, self._money, self._phones, self._names, self._numbers):
            yield from claims()

    def _marks(self) -> Iterator[tuple[int, int, Kind, bool]]:
        text = self._text
        for match in _HIDDEN_AT.finditer(text.shown):
            text.take(*match.span())
            yield *match.span(), "address", False
        for match in _PLACEHOLDER.finditer(text.shown):
            if text.is_free(*match.span()):
                text.take(*match.span())
                yield *match.span(), "placeholder", False
        for match in EMAIL.finditer(text.shown):
            start, end = match.span()
            if text.is_free(start, end):
                text.take(start, end)
                yield start, end, "address", fold(match[0]) in self._facts.emails
        for start, end in find_links(text.shown, self._allowed):
            if text.is_free(start, end):
                text.take(start, end)
                yield start, end, "link", False

    def _promises(self) -> Iterator[tuple[int, int, Kind, bool]]:
        # They may hold a date or an amount, which is a claim of its own: nothing is taken.
        for name, pattern in self._language.promises:
            for match in pattern.finditer(self._text.shown):
                yield *match.span(), "promise", self._facts.has_promise(pattern, name)

    def _dates(self) -> Iterator[tuple[int, int, Kind, bool]]:
        for mention in find_dates(self._text.shown, self._language, self._today, self._anchors):
            if not self._text.is_free(mention.start, mention.end):
                continue
            self._text.take(mention.start, mention.end)
            if mention.is_relative and mention.days == {self._today}:
                continue
            is_found = self._facts.has_date(mention)
            if is_found or not self._is_proposed(mention):
                yield mention.start, mention.end, "date", is_found

    def _is_proposed(self, mention: Mention) -> bool:
        if mention.days and max(mention.days) < self._today:
            return False
        sentence = self._text.sentence(mention.start)
        words = {fold(word) for word in re.findall(r"[^\W\d_]+", sentence)}
        asks = sentence.rstrip('"”“»)').endswith("?") or not words.isdisjoint(self._language.proposing)
        meets = not words.isdisjoint(self._language.meeting)
        if mention.is_relative and sentence.rstrip().endswith("?"):
            return True
        return asks and meets

    def _money(self) -> Iterator[tuple[int, int, Kind, bool]]:
        for number in self._free_numbers():
            if number.is_percent or number.currency or number.is_rounded:
                self._text.take(number.start, number.end)
                yield self._number(number)

    def _numbers(self) -> Iterator[tuple[int, int, Kind, bool]]:
        for number in self._free_numbers():
            is_counted = self._facts.counts(number.unit) or is_unit(number.unit)
            if is_counted or (number.digits and number.is_large and not _is_year(number)):
                start, _, kind, is_found = self._number(number)
                yield start, number.end if number.unit in self._language.common else number.unit_end, kind, is_found

    def _free_numbers(self) -> Iterator[Number]:
        for number in find_numbers(self._text.shown, self._language, self._anchors):
            if self._text.is_free(number.start, number.end):
                yield number

    def _number(self, number: Number) -> tuple[int, int, Kind, bool]:
        before = re.findall(r"[^\W\d_]+", self._text.shown[max(0, number.start - 24) : number.start])
        is_about = bool(before) and fold(before[-1]) in self._language.about
        kind: Kind = "percentage" if number.is_percent else "amount"
        return number.start, number.end, kind, self._facts.has_number(number, is_about=is_about)

    def _phones(self) -> Iterator[tuple[int, int, Kind, bool]]:
        for match in PHONE.finditer(self._text.shown):
            digits = re.sub(r"\D", "", match[0])
            is_phone = match[0][0] in "+(0" or len(digits) > 8 or bool(re.search("[-/]", match[0]))
            if is_phone and self._text.is_free(*match.span()):
                self._text.take(*match.span())
                yield *match.span(), "phone", self._facts.has_phone(digits)

    def _names(self) -> Iterator[tuple[int, int, Kind, bool]]:
        for name in find_names(self._text, self._language, self._facts):
            self._text.take(name.start, name.end)
            yield name.start, name.end, name.kind, name.is_known


def _is_year(number: Number) -> bool:
    return len(number.digits) == 4 and len(number.values) == 1 and 1900 <= number.values[0] <= 2100
