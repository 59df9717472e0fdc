"""Which language a draft is written in: a tag that code chose, never one that a CRM's text put into a prompt."""

from __future__ import annotations

import functools
import re

import babel

__all__ = ["DEFAULT_LANGUAGE", "language_name", "resolve_language"]

DEFAULT_LANGUAGE = "en"
# Language, script, region; what may follow (variants, extensions) changes no word of a draft.
_TAG = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|\d{3}))?(?:-[a-z0-9]{1,8})*", re.IGNORECASE)
_NO_LANGUAGE = {"mis", "mul", "und", "zxx"}
# CRMs also write "German" or "Deutsch" where a tag belongs; reading the own name of every language takes 0.6 s.
_OWN_NAMES = ("da", "de", "es", "fr", "it", "nl", "pl", "pt", "sv")


def resolve_language(requested: str | None, client_language: str | None, default: str | None) -> str:
    """Return the first of these that is a language, as a BCP 47 tag (`pt-BR`); `en` if none is.

    Languages are those that babel knows, by tag or by name; a region or script that it does not know is left out.
    """
    tags = (_normalise(value) for value in (requested, client_language, default) if value)
    return next((tag for tag in tags if tag), DEFAULT_LANGUAGE)


def language_name(tag: str) -> str:
    """Return the English name of a tag that `resolve_language` gave: `Portuguese (Brazil)`. Raises ValueError."""
    locale = _locale(tag)
    name = locale.get_display_name(DEFAULT_LANGUAGE) if locale else None
    if not name:
        raise ValueError("This is no language tag.")
    return name


def _normalise(value: str) -> str | None:
    text = value.strip().replace("_", "-")[:100]
    # A tag before a name: `ga` is Irish, although a language is called Ga.
    match = _TAG.fullmatch(text if _locale(text) else _codes_by_name().get(text.lower(), text))
    if not match:
        return None
    language, script, region = (part or "" for part in match.groups())
    tags = ("-".join(filter(None, parts)) for parts in ((language, script, region), (language, script), (language,)))
    for tag in tags:
        if locale := _locale(tag):
            return _as_asked(locale, script, region)
    return None


def _as_asked(locale: babel.Locale, script: str, region: str) -> str:
    """The locale's tag without what babel added (`zh-TW` becomes zh_Hant_TW, `iw` becomes he_IL)."""
    asked = {script.title(), region.upper()}
    return "-".join([locale.language, *(part for part in (locale.script, locale.territory) if part in asked)])


@functools.lru_cache(maxsize=1000)
def _locale(tag: str) -> babel.Locale | None:
    if tag.partition("-")[0].lower() in _NO_LANGUAGE:
        return None
    try:
        return babel.Locale.parse(tag, sep="-")
    except (ValueError, babel.UnknownLocaleError):
        return None


@functools.cache
def _codes_by_name() -> dict[str, str]:
    english = {name.lower(): code for code, name in babel.Locale(DEFAULT_LANGUAGE).languages.items()}
    return english | {(babel.Locale(code).language_name or code).lower(): code for code in _OWN_NAMES}
