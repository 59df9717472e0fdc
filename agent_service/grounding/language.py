"""Tells whether a text is written in the language that was asked for."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from agent_service.grounding._shared import shared

if TYPE_CHECKING:
    from lingua import LanguageDetector

__all__ = ["LANGUAGES", "is_in_language"]

LANGUAGES = shared("languages")
_NORWEGIAN = {"no": "nb", "nn": "nb"}
_LETTERS, _WORDS = 40, 6
_LOOK_AT = 2_000
_SURE, _UNLIKELY = 0.5, 0.1
# Names, numbers and addresses are of no language, and a short mail is made of them.
_NO_LANGUAGE = re.compile(r"\S*[@/\d]\S*|[\\*_\[\](){}<>#|]")


def is_in_language(text: str, language: str) -> bool | None:
    """Return whether `text` is in `language`, a BCP 47 tag; None if that is not to be told.

    It is not for a text of a few words, one between two languages, and a language that is not in LANGUAGES.
    """
    code = re.split("[-_]", language, maxsplit=1)[0].lower()
    code = _NORWEGIAN.get(code, code)
    words = _NO_LANGUAGE.sub(" ", text[:_LOOK_AT]).split()
    if code not in LANGUAGES or len(words) < _WORDS or sum(map(len, words)) < _LETTERS:
        return None
    values = _detector().compute_language_confidence_values(" ".join(words))
    shares = {value.language.iso_code_639_1.name.lower(): value.value for value in values}
    if shares[code] >= _SURE:
        return True
    return False if shares[code] < _UNLIKELY and max(shares.values()) >= _SURE else None


@cache
def _detector() -> LanguageDetector:
    # Imported when first asked: the models are 100 MB of file. Low accuracy loads trigrams only.
    from lingua import IsoCode639_1, LanguageDetectorBuilder  # noqa: PLC0415

    codes = [getattr(IsoCode639_1, code.upper()) for code in sorted(LANGUAGES)]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).with_low_accuracy_mode().build()
