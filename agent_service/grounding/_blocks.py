"""Paragraphs and lists: read from markdown-it's tokens, written as Markdown that shows exactly their text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from markdown_it.token import Token

from agent_service.llm.plain_text import escape

__all__ = ["BREAK", "Block", "Flow", "Items", "read", "write"]

BREAK = "\v"  # a hard line break, within a flow's text
PLAIN, EM, STRONG, BOTH = "0123"
_DELIMITER = {PLAIN: "", EM: "*", STRONG: "**", BOTH: "***"}
_STYLE = {"em_open": 1, "em_close": -1, "strong_open": 2, "strong_close": -2}
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~.,;:!?„“”»«’…–—]")
_SILENT = {"paragraph_open", "paragraph_close", "inline", "list_item_open", "list_item_close"}
_LISTS = {"bullet_list_open", "bullet_list_close", "ordered_list_open", "ordered_list_close"}


@dataclass(frozen=True, slots=True)
class Flow:
    """One paragraph: its text, and for each character of it how it is emphasised."""

    text: str
    marks: str

    def __add__(self, other: Flow) -> Flow:
        return Flow(self.text + other.text, self.marks + other.marks)

    def __getitem__(self, part: slice) -> Flow:
        return Flow(self.text[part], self.marks[part])

    def without(self, spans: Sequence[tuple[int, int]], *, instead: str = "") -> Flow:
        """Return it with `instead` in the place of each span; spans are in order and do not overlap."""
        result, at = Flow("", ""), 0
        for start, end in spans:
            result += self[at:start] + Flow(instead, PLAIN * len(instead))
            at = end
        return result + self[at:]


@dataclass(frozen=True, slots=True)
class Items:
    """A list. `first` is the number that it starts with, None for bullets."""

    first: int | None
    items: list[list[Block]] = field(default_factory=list)


Block = Flow | Items


def read(tokens: Sequence[Token], inline: Callable[[Token], Flow], removed: set[str]) -> list[Block]:
    """Return the blocks of a document; whatever is neither paragraph nor list becomes paragraphs of its text."""
    stack: list[list[Block]] = [[]]
    cells: list[Flow] | None = None
    for token in tokens:
        if token.type not in _SILENT | _LISTS:
            removed.add("markup_removed")
        if token.type == "inline" and cells is not None:
            cells.append(inline(token))
        elif token.type == "inline":
            stack[-1].append(inline(token))
        elif token.type in {"fence", "code_block"}:
            text = token.content.strip().replace("\n", BREAK)
            stack[-1].append(Flow(text, PLAIN * len(text)))
        elif token.type == "tr_open":
            cells = []
        elif token.type == "tr_close":
            stack[-1].append(_row(cells or []))
            cells = None
        elif token.type in {"bullet_list_open", "ordered_list_open"}:
            stack[-1].append(Items(int(token.attrGet("start") or 1) if token.type[0] == "o" else None))
        elif token.type == "list_item_open":
            stack.append([])
        elif token.type == "list_item_close":
            item = stack.pop()
            _last_list(stack[-1]).items.append(item)
    return stack[0]


def _row(cells: list[Flow]) -> Flow:
    row = Flow("", "")
    for cell in cells:
        row += (Flow(", ", PLAIN * 2) if row.text and cell.text else Flow("", "")) + cell
    return row


def _last_list(blocks: list[Block]) -> Items:
    last = blocks[-1]
    assert isinstance(last, Items)  # noqa: S101 - a list item stands in a list
    return last


def flow_of(children: Sequence[Token], removed: set[str], image: Callable[[Token], str]) -> Flow:
    """Return the text of inline tokens with its emphasis."""
    flow, depth = Flow("", ""), {1: 0, 2: 0}
    for token in children:
        text = ""
        if token.type in _STYLE:
            step = _STYLE[token.type]
            depth[abs(step)] += 1 if step > 0 else -1
        elif token.type in {"softbreak", "hardbreak"}:
            text = "\n" if token.type == "softbreak" else BREAK
        elif token.type == "image":
            text = image(token)
        elif token.type not in {"link_open", "link_close"}:
            text = token.content
            if token.type not in {"text", "text_special"}:
                removed.add("markup_removed")
        flow += Flow(text, str((depth[1] > 0) + 2 * (depth[2] > 0)) * len(text))
    return flow


def write(blocks: Sequence[Block]) -> str:
    """Return the blocks as Markdown."""
    return "\n\n".join(filter(None, (_write_block(block) for block in _merged(blocks))))


def _write_block(block: Block) -> str:
    if isinstance(block, Items):
        return "\n".join(_write_items(block))
    lines = [(line, gap) for line, gap in _lines(block) if line]
    text = "".join(line + ("\\\n" if gap == BREAK else "\n") for line, gap in lines)
    return text.removesuffix("\n").removesuffix("\\") if lines and lines[-1][1] == BREAK else text.removesuffix("\n")


def _write_items(block: Items) -> Iterator[str]:
    number = block.first
    for item in block.items:
        parts = [(part, text) for part in _merged(item) if (text := _write_block(part))]
        if not parts:
            continue
        marker = "- " if number is None else f"{number}. "
        # Only a list of bullets may follow its paragraph without an empty line, whatever it starts with.
        tight = len(parts) == 2 and isinstance(parts[1][0], Items) and parts[1][0].first is None
        body = ("\n" if tight else "\n\n").join(text for _, text in parts)
        yield marker + re.sub(r"\n(?=[^\n])", "\n" + " " * len(marker), body)
        number = None if number is None else min(number + 1, 999_999_999)


def _merged(blocks: Sequence[Block]) -> list[Block]:
    """Two lists of one kind that follow each other are read as one."""
    result: list[Block] = []
    for block in blocks:
        last = result[-1] if result else None
        if isinstance(block, Flow) and not block.text.strip():
            continue
        if isinstance(block, Items) and isinstance(last, Items) and (block.first is None) == (last.first is None):
            result[-1] = Items(last.first, last.items + block.items)
        else:
            result.append(block)
    return result


def _lines(flow: Flow) -> Iterator[tuple[str, str]]:
    """Each line, and the break that ends it."""
    start = 0
    for match in re.finditer(r"[\n\v]|$", flow.text):
        yield _write_line(flow[start : match.start()]), match[0]
        start = match.end()


def _write_line(flow: Flow) -> str:
    spaces = [match.span() for match in re.finditer(r"^\s+|\s+$|(?<=\s)\s+", flow.text)]
    flow = flow.without(spaces)
    at, written = 0, []
    for mark, group in groupby(flow.marks):
        length = len(list(group))
        written.append(_write_run(flow, at, at + length, mark))
        at += length
    return _escape_start("".join(written))


def _write_run(flow: Flow, start: int, end: int, mark: str) -> str:
    text = flow.text[start:end]
    core = text.strip()
    if mark == PLAIN or not core:
        return _escape(text)
    lead, trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    # Between letters, or beside another emphasis, delimiters are read in more than one way: then there are none.
    beside = [flow.text[start - 1 : start] if not lead else " ", flow.text[end : end + 1] if not trail else " "]
    styled = [
        not lead and start > 0 and flow.marks[start - 1] != PLAIN,
        not trail and flow.marks[end : end + 1] > PLAIN,
    ]
    if any(styled) or any(char and not char.isspace() and not _PUNCTUATION.match(char) for char in beside):
        return _escape(text)
    return f"{lead}{_DELIMITER[mark]}{_escape(core)}{_DELIMITER[mark]}{trail}"


def _escape(text: str) -> str:
    # A line start is seen to when the line is whole; x keeps `escape` from seeing one here.
    return escape("x" + text)[1:].replace("|", "\\|")


def _escape_start(line: str) -> str:
    if match := re.match(r"([#+=-])|(\d{1,9})([.)])(?=\s|$)|:(?=-)", line):
        return f"{match[2]}\\{line[len(match[2]) :]}" if match[2] else "\\" + line
    return line
