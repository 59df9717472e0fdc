"""What the checks know of a language: from CLDR its calendar, from `lexicon/<language>.toml` its words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from babel import Locale, UnknownLocaleError

from agent_service.grounding._shared import lexicon

__all__ = ["FALLBACK", "Language", "fold", "language_of"]

FALLBACK = "en"
_LEXICONS = ("de", "en", "es", "fr", "it")
_DIGITS = re.compile(r"\d+")
_APOSTROPHES = str.maketrans("’ʼ", "''")


@lru_cache(maxsize=8192)
def fold(word: str) -> str:
    """Return `word` without case and accents, ß as ss; what is equal folded is the same name."""
    decomposed = unicodedata.normalize("NFKD", word.translate(_APOSTROPHES).casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@dataclass(frozen=True, slots=True)
class Language:
    """The words of one language, folded where they are compared with single words."""

    code: str
    nouns_capitalised: bool
    common: frozenset[str]
    titles: frozenset[str]
    greetings: frozenset[str]
    companies: frozenset[str]
    before_company: frozenset[str]
    before_product: frozenset[str]
    before_person: frozenset[str]
    prepositions: frozenset[str]
    determiners: frozenset[str]
    noun_endings: tuple[str, ...]
    says: frozenset[str]
    about: frozenset[str]
    proposing: frozenset[str]
    meeting: frozenset[str]
    numbers: Mapping[str, float]
    ordinals: Mapping[str, int]
    relative: Mapping[str, int]
    patterns: Mapping[str, str]
    promises: tuple[tuple[str, re.Pattern[str]], ...]
    months: Mapping[str, int]
    weekdays: Mapping[str, int]
    anchors: frozenset[str]

    def find_anchors(self, text: str) -> list[int]:
        """Return where a number or a date may begin.

        Most of a text is neither: looking for each word by itself takes a sixth of the time of one pattern of them all.
        """
        lower = text.lower()
        if len(lower) != len(text):  # İ has two characters in lower case
            lower = text
        found = [match.start() for match in _DIGITS.finditer(text)]
        for word in self.anchors:
            at = lower.find(word)
            while at >= 0:
                end = at + len(word)
                if not lower[at - 1 : at].isalpha() and not lower[end : end + 1].isalpha():
                    found.append(at)
                at = lower.find(word, end)
        return sorted(found)


def language_of(tag: str | None) -> Language:
    """Return the language of a BCP 47 tag; one without a lexicon has its own calendar and English words."""
    code = re.split("[-_]", tag or FALLBACK, maxsplit=1)[0].lower()
    return _load(code if re.fullmatch("[a-z]{2,3}", code) else FALLBACK)


@cache
def _load(code: str) -> Language:
    try:
        locale = Locale(code)
    except (UnknownLocaleError, ValueError):
        locale = Locale(FALLBACK)
    words = lexicon(code if code in _LEXICONS else FALLBACK)
    weekdays = {name.casefold(): day for day, name in locale.days["format"]["wide"].items()}
    weekdays |= {name: day for name, day in _extra_weekdays(weekdays).items() if code == "de"}
    months = _months(locale)
    starts = {re.split(r"\W", word)[0] for word in words["relative"]}
    anchors = starts.union(months, weekdays, words["numbers"]) - {"a"}
    return Language(
        code=code,
        nouns_capitalised=code in {"de", "lb"},
        common=_folded(words, "common", "greetings") | _of_cldr(locale, weekdays),
        titles=_folded(words, "titles"),
        greetings=_folded(words, "greetings"),
        companies=_folded(words, "companies"),
        before_company=_folded(words, "before_company"),
        before_product=_folded(words, "before_product"),
        before_person=_folded(words, "before_person"),
        prepositions=_folded(words, "prepositions"),
        determiners=_folded(words, "determiners"),
        noun_endings=tuple(words.get("noun_endings", "").split()),
        says=frozenset(words["says"].split()),  # not folded: "a" is a verb in French, "à" is not
        about=_folded(words, "about"),
        proposing=_folded(words, "proposing"),
        meeting=_folded(words, "meeting"),
        numbers=words["numbers"],
        ordinals={word: number for number, word in enumerate(words["ordinals"].split(), start=1)},
        relative=words["relative"],
        patterns=words["patterns"],
        promises=tuple((name, re.compile(text, re.IGNORECASE)) for name, text in words["promises"].items()),
        months=months,
        weekdays=weekdays,
        anchors=frozenset(anchors),
    )


def _folded(words: Mapping[str, str], *names: str) -> frozenset[str]:
    return frozenset(fold(word) for name in names for word in words.get(name, "").split())


def _extra_weekdays(weekdays: Mapping[str, int]) -> dict[str, int]:
    return {name + "s": day for name, day in weekdays.items()} | {"sonnabend": 5}


def _months(locale: Locale) -> dict[str, int]:
    names: dict[str, int] = {}
    for form in ("wide", "abbreviated"):
        for context in ("format", "stand-alone"):
            for number, name in locale.months[context][form].items():
                if len(name.rstrip(".")) > 2:
                    names.setdefault(name.rstrip(".").casefold(), number)
    return names


def _of_cldr(locale: Locale, weekdays: Iterable[str]) -> frozenset[str]:
    """Months, days, languages and countries: capitalised in some languages, and nobody's name."""
    # Of one word only: the parts of Saint Martin and Saint Helena are people's names.
    places = [name for name in (*locale.languages.values(), *locale.territories.values()) if name.isalpha()]
    return frozenset(map(fold, (*weekdays, *_months(locale), *places)))
