"""Makes what a model wrote into the Markdown that a draft may hold: paragraphs, lists and emphasis.

Everything else becomes its plain text. A link survives only if the caller knows its address; nothing a model writes,
and nothing it was told to write by text in the CRM, can make a reader's browser go anywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.html_blocks import block_names
from markdown_it.token import Token

from agent_service.grounding._blocks import BREAK, PLAIN, Block, Flow, Items, flow_of, read, write
from agent_service.grounding._shared import shared
from agent_service.grounding.links import find_links

__all__ = ["CONTENT_LENGTH", "Cleaned", "clean_markdown", "to_html", "to_text"]

CONTENT_LENGTH = 20_000
TAGS = {"p", "ul", "ol", "li", "em", "strong", "br"}
_HTML = nh3.ALLOWED_TAGS | set(block_names) | shared("html")
_TAG = re.compile(
    r"<!--.{0,2000}?-->|<[!?][a-z\[](?:[^<>]){0,500}>"
    r"|</?([a-z][a-z0-9:-]*)((?:[^<>\"']|\"[^\"<]{0,500}\"|'[^'<]{0,500}'){0,500}|[^<>]{0,500})>",
    re.IGNORECASE | re.DOTALL,
)
_LINE_BREAK = re.compile(r"<br\s{0,9}/?>", re.IGNORECASE)
_FOOTNOTE = re.compile(r"\[\^[^\[\]\s]{1,40}\]:?")
_EMPTY_PAIR = re.compile(r"\(\s*\)|<\s*>")
# Not format characters by category, and yet nothing to see: fillers, joiners, the blank Braille cell, selectors.
_BLANK = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810)}
_BLANK |= {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
_KEPT_SPACES = " \u00a0\u202f"  # the latter two stand in numbers and before French punctuation
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`text` is the Markdown; `removed` are stable codes of what was taken out, sorted.

    link_removed, image_removed, markup_removed, invisible_removed, and shortened: it was longer than CONTENT_LENGTH.
    """

    text: str
    removed: tuple[str, ...]


def clean_markdown(text: str, *, allowed_links: Collection[str] = ()) -> Cleaned:
    """Return `text` as Markdown of paragraphs, lists and emphasis, and codes of what it lost. Idempotent.

    allowed_links: the addresses that stand in the client's own trusted records; such a link stays as its bare address.
    """
    removed: set[str] = set()
    if len(text) > CONTENT_LENGTH:
        text = text[:CONTENT_LENGTH]
        removed.add("shortened")
    text = _visible(text, removed)
    for _ in range(_ROUNDS):  # taking one thing out may put another together
        if (cleaned := _clean(text, allowed_links, removed)[:CONTENT_LENGTH]) == text:
            return Cleaned(text, tuple(sorted(removed)))
        text = cleaned
    return Cleaned(_words_only(text), tuple(sorted(removed | {"markup_removed"})))


def to_html(markdown: str) -> str:
    """Return cleaned Markdown as HTML of p, ul, ol, li, em, strong and br, without any attribute."""
    return nh3.clean(_parser().render(markdown), tags=TAGS, attributes={}, link_rel=None, url_schemes=set())


def to_text(markdown: str) -> str:
    """Return cleaned Markdown as plain text: paragraphs, `- ` and `1. ` before the items of lists, no emphasis."""
    removed: set[str] = set()
    blocks = read(_parser().parse(markdown), lambda token: flow_of(token.children or [], removed, _content), removed)
    return _text_of(blocks)


def _content(image: Token) -> str:
    return image.content


def _text_of(blocks: Sequence[Block]) -> str:
    return "\n\n".join(
        "\n".join(_items_of(block)) if isinstance(block, Items) else block.text.replace(BREAK, "\n") for block in blocks
    )


def _items_of(block: Items) -> Iterator[str]:
    for place, item in enumerate(block.items):
        marker = "- " if block.first is None else f"{block.first + place}. "
        yield marker + _text_of(item).replace("\n", "\n" + " " * len(marker))


@cache
def _parser() -> MarkdownIt:
    # Without HTML: tags then are text like any other, wherever they come from, and one rule takes them all out.
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _visible(text: str, removed: set[str]) -> str:
    if text.isascii() and text.isprintable():
        return text
    shown = "".join(map(_shown, text.replace("\r\n", "\n").replace("\r", "\n")))
    if any(_shown(char) == "" for char in set(text) - {"\r"}):
        removed.add("invisible_removed")
    return shown


@cache
def _shown(char: str) -> str:
    if char == "\n" or char in _KEPT_SPACES:
        return char
    category = unicodedata.category(char)
    if char in "\t\v\f" or category == "Zs":
        return " "
    if category in {"Zl", "Zp"}:
        return "\n"
    return "" if category in {"Cc", "Cf", "Cn", "Co", "Cs"} or ord(char) in _BLANK else char


def _clean(text: str, allowed: Collection[str], removed: set[str]) -> str:
    env: dict[str, object] = {}
    tokens = _parser().parse(text, env)
    if env.get("references"):
        removed.add("link_removed")

    def inline(token: Token) -> Flow:
        children = _with_allowed(token.children or [], allowed, removed)
        return _harmless(flow_of(children, removed, lambda image: _alt(image, removed)), allowed, removed)

    return write([_harmless_block(block, allowed, removed) for block in read(tokens, inline, removed)])


def _harmless_block(block: Block, allowed: Collection[str], removed: set[str]) -> Block:
    if isinstance(block, Items):
        return Items(block.first, [[_harmless_block(part, allowed, removed) for part in item] for item in block.items])
    return _harmless(block, allowed, removed)


def _alt(image: Token, removed: set[str]) -> str:
    removed.add("image_removed")
    return image.content


def _with_allowed(children: list[Token], allowed: Collection[str], removed: set[str]) -> list[Token]:
    """The tokens, with the address of each allowed link as text after the link's own."""
    result: list[Token] = []
    hrefs: list[str] = []
    for token in children:
        if token.type == "link_open":
            hrefs.append(str(token.attrGet("href") or ""))
            if hrefs[-1] not in allowed:
                removed.add("link_removed")
        elif token.type == "link_close" and (href := hrefs.pop()) in allowed and result[-1].content != href:
            result.append(Token("text", "", 0, content=f" {href} "))
        result.append(token)
    return result


def _harmless(flow: Flow, allowed: Collection[str], removed: set[str]) -> Flow:
    for _ in range(_ROUNDS):
        before = flow
        if "<" in flow.text:
            flow = flow.without([match.span() for match in _LINE_BREAK.finditer(flow.text)], instead=BREAK)
        if "<" in flow.text and (spans := [match.span() for match in _TAG.finditer(flow.text) if _is_html(match)]):
            removed.add("markup_removed")
            flow = flow.without(spans)
        if "[^" in flow.text and (spans := [match.span() for match in _FOOTNOTE.finditer(flow.text)]):
            removed.add("markup_removed")
            flow = flow.without(spans)
        if spans := _links(flow, allowed):
            removed.add("link_removed")
            flow = flow.without(spans, instead=" ")
            flow = flow.without([match.span() for match in _EMPTY_PAIR.finditer(flow.text)])
        if flow == before:
            return flow
    text = _words(flow.text)
    return Flow(text, PLAIN * len(text))


def _links(flow: Flow, allowed: Collection[str]) -> list[tuple[int, int]]:
    """Of the whole text, and of each emphasised part by itself: renderers look at either."""
    spans, at = set(find_links(flow.text, allowed)), 0
    if flow.marks.strip(PLAIN):
        for _, group in groupby(flow.marks):
            part = flow.text[at : at + len(list(group))]
            spans |= {(at + start, at + end) for start, end in find_links(part, allowed)}
            at += len(part)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _is_html(match: re.Match[str]) -> bool:
    """Whether it is a tag, and not what somebody forgot to fill in: `<Name>` stays, for `ground` to see."""
    name, rest = match[1], match[2]
    return name is None or match[0][1] == "/" or name.lower() in _HTML or any(char in rest for char in "=:/\"'")


def _words(text: str) -> str:
    return re.sub(r"[^\w\s,;!?()-]", " ", text)


def _words_only(text: str) -> str:
    """What is left of text that is made to come together again when it is taken apart: one paragraph of its words."""
    return " ".join(re.sub(r"[^\w\s]|_", " ", text).split())
