"""Turns text from a CRM, which anyone may have written, into text that cannot do anything in a draft.

`clean` makes one plain line of it; `escape` makes that line literal in Markdown; `unescape` is the way back. `visible`
takes out only what no reader sees, and keeps the lines.
"""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup

__all__ = ["clean", "escape", "unescape", "visible"]

# Longer input is cut before it is looked at: a note of 10 MB must not cost 10 MB of regular expressions.
_LOOK_AT = 4000
_SPACES = re.compile(r"\s+")
# What nobody filled in: [Your Name], {{first_name}}, {company}. Real text in brackets ([EXT]) is no loss either.
_PLACEHOLDER = re.compile(r"\[[^\[\]]{0,80}\]|\{[^{}]{0,80}\}")
_ADDRESS = re.compile(
    r"""[a-z][a-z0-9+.-]{0,20}:(?://|\\\\)[^\s)]*       # any scheme://
    | \b(?:javascript|vbscript|data|mailto|tel|sms):\S*
    | \bwww\.[^\s)]*
    | \b(?:[\w-]+\.)+[a-z]{2,24}/[^\s)]*                # host/path without a scheme
    | \S+@\S+                                           # mail addresses and handles
    """,
    re.IGNORECASE | re.VERBOSE,
)
_EMPTY_PAIR = re.compile(r"\(\s*\)|“\s*”|\"\s*\"|«\s*»")
_LOOSE_SPACE = re.compile(r"\s+(?=[,.;!)])")
# Inline everywhere; at the start of a line also what would open a heading, list, rule, quote or table.
_INLINE = re.compile(r"([\\`*_\[\]<>~]|&(?=#?\w+;)|!(?=\\?\[))")
_LINE_START = re.compile(r"^(?:([#+=|-])|(\d{1,9})([.)])(?=\s|$))")
# Letters need no look at their category: for 1 kB of a mail that takes 10 us, asking for each 71.
_LETTERS = r" -~\u00a1-\u00ac\u00ae-\u024f\u0400-\u0481\u4e00-\u9fa5"
_UNSEEN, _UNSEEN_IN_LINES = re.compile(f"[^{_LETTERS}]"), re.compile(rf"[^\n{_LETTERS}]")
# Joiners, fillers and variation selectors: letters and marks to Unicode, nothing to a reader.
_FILLER = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def clean(value: object, *, limit: int) -> str:
    """Return `value` as one line of at most `limit` characters, without markup, addresses and unfilled placeholders.

    Anything that is not a string becomes "". The result may be empty; it never holds control, private-use or invisible
    characters.
    """
    if not isinstance(value, str):
        return ""
    text = value[:_LOOK_AT]
    while (stripped := _strip(text)) != text:  # taking one thing out may put another together
        text = stripped
    return _shorten(text, limit)


def _strip(text: str) -> str:
    if "<" in text or "&" in text:
        text = str(Markup(text).striptags())  # noqa: S704 - to take tags out, not to trust them
    text = _UNSEEN.sub(_seen, text)
    text = _PLACEHOLDER.sub(" ", text)
    text = _ADDRESS.sub(" ", text)
    text = _EMPTY_PAIR.sub(" ", text)
    text = _LOOSE_SPACE.sub("", _SPACES.sub(" ", text))
    return text.strip(" ,;|")


def visible(text: str) -> str:
    """Return `text` without control, bidi, zero-width, tag, private-use and filler characters; its lines stay lines."""
    return _UNSEEN_IN_LINES.sub(_seen, text.replace("\r\n", "\n").replace("\r", "\n"))


def _seen(match: re.Match[str]) -> str:
    char = match[0]
    category = unicodedata.category(char)
    if category in {"Zs", "Zl", "Zp"} or char in "\t\n\r\v\f":
        return " "
    # Cf: bidi, zero-width, tags. Co: also our own marks (offline._facts). Cs: half a character, no UTF-8 holds it.
    return "" if category in {"Cc", "Cf", "Cn", "Co", "Cs"} or _FILLER.match(char) else char


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    head, space, _ = cut.rpartition(" ")
    return (head if space and len(head) > limit // 2 else cut).rstrip(" ,;:.-–") + "…"


def escape(text: str) -> str:
    """Return a clean line as Markdown that shows exactly this line, wherever in a paragraph or list it is put."""
    text = _INLINE.sub(r"\\\1", text)
    return _LINE_START.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", text)


def unescape(markdown: str) -> str:
    """Return the plain line that `escape` was given."""
    return _ESCAPED.sub(r"\1", markdown)
