"""Finds names of people, companies and products by how they are written, and where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent_service.grounding._facts import Facts
from agent_service.grounding._language import Language, fold
from agent_service.grounding._runs import (
    CAMEL,
    CODE,
    LINKS,
    TOKEN,
    Word,
    end_of_run,
    parts_of,
    touches,
    words_of,
)
from agent_service.grounding._shared import shared
from agent_service.grounding._text import Text
from agent_service.grounding.spans import Kind

__all__ = ["Name", "find_names"]

_LEGAL = shared("legal_forms")
_ACRONYM = re.compile(r"[A-ZÄÖÜ]{1,5}s?$")
_PLURALS = ("en", "er", "e")
_NOUN_ENDINGS = tuple(shared("abstract_endings"))


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a text, and whether the records know it."""

    start: int
    end: int
    kind: Kind
    is_known: bool


def find_names(text: Text, language: Language, facts: Facts) -> Iterator[Name]:
    """Yield what is written like a name, with what makes it one in a language that writes all nouns so."""
    words = list(words_of(text))
    index = 0
    while index < len(words):
        last = end_of_run(text, words, index)
        if last == index:
            index += 1
            continue
        after = words[last] if last < len(words) and touches(text, words[last - 1], words[last]) else None
        for run in parts_of(words[index:last], language):
            name = _Run(text, language, facts, run, after if run[-1] is words[last - 1] else None)
            if (found := name.judge()) is not None:
                yield found
        index = last


class _Run:
    """Capitalised words that follow each other, with the word after them."""

    def __init__(self, text: Text, language: Language, facts: Facts, words: list[Word], after: Word | None) -> None:
        while len(words) > 1 and words[-1].folded in LINKS:
            words = words[:-1]
        self._text, self._language, self._facts = text, language, facts
        self._words, self._after = words, after
        self._has_title = False
        self._start = words[0].start

    def judge(self) -> Name | None:
        """Return the name, or None if nothing says that it is one."""
        self._drop_titles()
        if not self._words or all(word.text.isdigit() for word in self._words):
            return None
        if self._is_known():
            return self._name(is_known=True)
        if self._words[0].is_first and len(self._words) > 1 and self._starts_with_a_verb():
            self._words = self._words[1:]
            if self._is_known():
                return self._name(is_known=True)
        if not self._is_name():
            return None
        return self._name(is_known=False)

    def _drop_titles(self) -> None:
        titles = self._language.titles
        previous = self._previous()
        if previous and previous in titles:
            self._has_title = True
            head = self._text.shown[: self._words[0].start]
            self._start = [match.start() for match in TOKEN.finditer(head, max(0, len(head) - 20))][-1]
        while self._words and self._words[0].folded.rstrip(".") in titles:
            self._has_title = True
            self._words = self._words[1:]

    def _previous(self) -> str:
        """The folded word before, common or not, in the same line."""
        before = self._text.shown[max(0, self._words[0].start - 40) : self._words[0].start].rpartition("\n")[2]
        words = TOKEN.findall(before)
        return fold(words[-1]) if words and not re.search(r"[,;:!?]\s*$", before) else ""

    def _is_known(self) -> bool:
        words = [word.folded for word in self._words if word.folded not in LINKS]
        return all(self._has(word) for word in words) and not self._facts.is_mixed_up(words)

    def _has(self, word: str) -> bool:
        if word.isdigit():
            return word in self._facts.digits
        return (
            self._facts.has_word(word)
            or word in _LEGAL
            or (not word.isalnum() and all(self._facts.has_word(part) for part in re.findall(r"[^\W_]+", word)))
        )

    def _starts_with_a_verb(self) -> bool:
        """Whether only the place made the first word's capital: the rest is known, or it looks like no name."""
        first, rest = self._words[0].folded, [word.folded for word in self._words[1:]]
        if self._language.nouns_capitalised:
            return all(self._has(word) for word in rest)
        return first.endswith(("ing", "ed", "ly", "ment")) or (
            all(self._has(word) for word in rest) and not self._is_person(first)
        )

    def _is_person(self, word: str) -> bool:
        return any(word in person for person in self._facts.people)

    def _is_name(self) -> bool:
        words, language = self._words, self._language
        texts = [word.text for word in words]
        if all(_ACRONYM.match(text) for text in texts) and len(texts) == 1:
            return False
        previous = self._previous()
        if self._has_title or self._is_special(texts) or previous in language.greetings:
            return True
        if words[0].is_first and (len(words) == 1 or words[1].text.isdigit()):
            return self._speaks() or words[0].text.endswith(("'s", "’s"))
        if language.nouns_capitalised:
            return self._is_german_name(previous)
        return True

    def _is_special(self, texts: list[str]) -> bool:
        """Whether its form alone makes it a name: a legal form, a model's number, a capital within."""
        return any(
            (fold(text) in _LEGAL and len(texts) > 1 and self._words[0].folded not in _LEGAL)
            or CODE.fullmatch(text)
            or CAMEL.match(text)
            for text in texts
        ) or (len(texts) > 1 + self._words[0].is_first and texts[-1].isdigit() and not texts[0].isdigit())

    def _speaks(self) -> bool:
        """Whether a first word, which has a capital anyway, says or does something as a person does."""
        first = self._words[0].folded
        if self._after is None or first.endswith(_NOUN_ENDINGS):
            return False
        if self._language.nouns_capitalised and first.endswith("en"):
            return False  # Ansprechen möchte ich …
        is_passive = re.match(
            r" (?:be|been)\b", self._text.shown[self._after.end : self._after.end + 6]
        )  # Lunch will be served
        return self._after.text.casefold() in self._language.says and not is_passive

    def _is_german_name(self, previous: str) -> bool:
        """German nouns have capitals too: a name is two unknown ones in a row, or what stands where a name stands."""
        language, words = self._language, self._words
        if sum(not self._is_noun(word.folded) and not word.is_first for word in words) > 1:
            return True
        unknown = [word for word in words if not self._is_noun(word.folded) and not word.folded.endswith(_PLURALS)]
        if (
            previous
            in language.before_company | language.before_person | language.before_product - language.determiners
        ):
            return bool(unknown)
        return previous in language.prepositions and bool(unknown) and len(words) == 1

    def _is_noun(self, word: str) -> bool:
        language = self._language
        if word in language.common or word.endswith(language.noun_endings):
            return True
        # A compound ends in its noun: Servicevertrag, Projektplan.
        return any(word[cut:] in language.common for cut in range(3, len(word) - 3))

    def _name(self, *, is_known: bool) -> Name:
        first, last = self._words[0], self._words[-1]
        end = last.end - len(re.search(r"(?:['’]s?)?$", last.text)[0])  # type: ignore[index]
        return Name(self._start if self._has_title else first.start, end, self._kind(), is_known)

    def _kind(self) -> Kind:
        language, words = self._language, [word.folded for word in self._words]
        previous = self._previous()
        if self._has_title:
            return "person"
        if words[-1] in _LEGAL or any(word in language.companies for word in words):
            return "company"
        if any(CODE.fullmatch(word.text) or CAMEL.match(word.text) or word.text.isdigit() for word in self._words):
            return "product"
        if previous in language.before_company:
            return "company"
        return "product" if previous in language.before_product else "person"
