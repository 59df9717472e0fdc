"""Reads PostgREST's query strings: select, filters, logic trees, order, columns and limits of one table.

A hand-written cursor, because the grammar is context-dependent in ways that generators stumble over (`or_date` is a
column, `"x"y` an unquoted value) and because clients show the column number of the error to people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar
from urllib.parse import unquote_plus

from agent_service.devstack.gateway.errors import RestError, not_implemented, nul_refused

__all__ = [
    "Condition",
    "Field",
    "GrammarError",
    "Logic",
    "Order",
    "Query",
    "SelectItem",
    "Step",
    "parse_query",
    "split_query",
]

T = TypeVar("T")

SPACES = re.compile(r"[ \t]*")
NAME = re.compile(r"[\w $]+(?:-(?!>)[\w $]+)*")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
QUOTED_ELEMENT = re.compile(QUOTED.pattern + r"(?=[,)]|\Z)", re.DOTALL)
ARRAY = re.compile(r"\{[^{}]*\}")
ELEMENT = re.compile(r"[^,)]*")
ARROW = re.compile(r"->>?")
INDEX = re.compile(r"-?[0-9]+(?=->|::|[.,]|\Z)")
KEY = re.compile(r"[^(\-:.,>)]+(?:-(?!>)[^(\-:.,>)]+)*")
CAST = re.compile(r"[\w ]+")  # PostgREST takes `$` too, which no type's name holds and which would open a dollar quote
OPERATION = re.compile(
    r"(?P<listed>in|isdistinct|is)\."
    r"|(?P<search>fts|plfts|phfts|wfts)(?:\((?P<language>\w*)\))?\."
    r"|(?P<simple>neq|cs|cd|ov|sl|sr|nxr|nxl|adj)\."
    r"|(?P<many>eq|gte|gt|lte|lt|like|ilike|match|imatch)(?:\((?P<quantifier>any|all)\))?\."
)
AGGREGATE = re.compile(r"\.(?:avg|count|max|min|sum)\(\)")
IS = re.compile(r"(?:not_null|null|true|false|unknown)(?=[,)]|\Z)", re.IGNORECASE)
DIRECTION = re.compile(r"\.(asc|desc)(?=[.,]|\s*\Z|\s*,)")
NULLS = re.compile(r"\.(nullsfirst|nullslast)")
LOGIC_OPEN = re.compile(r"(?P<negated>not\.)?(?P<operator>and|or)[ \t]*\([ \t]*")
INTEGER = re.compile(r"\s*-?[0-9]+\s*\Z")


class GrammarError(RestError):
    """A part of the query string does not parse; the message holds the line and column."""

    def __init__(self, message: str, details: str) -> None:
        super().__init__("PGRST100", message, details=details)


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow of a JSON path: `->key`, `->>key` or an index."""

    key: str | int
    as_text: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A column and the path into it."""

    name: str
    path: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectItem:
    """One item of `select`; no field means `*`."""

    field: Field | None
    alias: str | None = None
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One item of `order`, with SQL's words for direction and nulls."""

    field: Field
    direction: str = ""
    nulls: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; `values` is the list of `in`."""

    field: Field
    operator: str
    value: str = ""
    values: tuple[str, ...] = ()
    negated: bool = False
    quantifier: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Logic:
    """Conditions joined by `and` or `or`."""

    operator: str
    items: tuple[Condition | Logic, ...]
    negated: bool = False


@dataclass(slots=True)
class Query:
    """Everything a query string says; `arguments` are the parameters of a function called by GET."""

    select: tuple[SelectItem, ...] = (SelectItem(None),)
    filters: list[Condition | Logic] = field(default_factory=list)
    order: tuple[Order, ...] = ()
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
    limit: int | None = None
    offset: int = 0
    arguments: list[tuple[str, str]] = field(default_factory=list)


class _Cursor:
    def __init__(self, text: str, what: str, shown: str | None = None) -> None:
        self.text = text
        self.what = f"failed to parse {what} ({text if shown is None else shown})"
        self.at = 0

    def fail(self, expecting: str) -> NoReturn:
        found = f'"{self.text[self.at]}"' if self.at < len(self.text) else "end of input"
        line = self.text.count("\n", 0, self.at) + 1
        column = self.at - (self.text.rfind("\n", 0, self.at) + 1) + 1
        raise GrammarError(f'"{self.what}" (line {line}, column {column})', f"unexpected {found} expecting {expecting}")

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def sees(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def skip(self, token: str) -> bool:
        if not self.sees(token):
            return False
        self.at += len(token)
        return True

    def spaces(self) -> None:
        self.take(SPACES)

    def rest(self) -> str:
        start, self.at = self.at, len(self.text)
        return self.text[start:]

    def end(self, expecting: str) -> None:
        if self.at < len(self.text):
            self.fail(expecting)

    def separated(self, item: Callable[[], T]) -> tuple[T, ...]:
        items = [item()]
        while self.comma():
            items.append(item())
        return tuple(items)

    def comma(self) -> bool:
        self.spaces()
        found = self.skip(",")
        self.spaces()
        return found

    def name(self) -> str:
        if quoted := self.take(QUOTED):
            return _unescape(quoted[1])
        start = self.at
        found = self.take(NAME)
        name = "-".join(part.strip(" ") for part in found[0].split("-")) if found else ""
        if not name:
            self.at = start
            self.fail("field name (* or [a..z0..9_$])")
        return name

    def field(self) -> Field:
        self.spaces()
        name = self.name()
        return Field(name, self.path())

    def path(self) -> tuple[Step, ...]:
        steps = []
        while arrow := self.take(ARROW):
            as_text = arrow[0] == "->>"
            if index := self.take(INDEX):
                steps.append(Step(int(index[0][:20]), as_text))
            elif quoted := self.take(QUOTED):
                steps.append(Step(_unescape(quoted[1]), as_text))
            elif key := self.take(KEY):
                steps.append(Step(key[0], as_text))
            else:
                self.fail('"-", digit or a key')
        self.spaces()
        return tuple(steps)

    def select_item(self) -> SelectItem:
        self.spaces()
        if self.skip("*"):
            return SelectItem(None)
        if self.sees("..."):
            raise not_implemented("Spreading an embedded resource")
        start, alias = self.at, None
        name = self.name()
        if self.sees(":") and not self.sees("::"):
            self.skip(":")
            alias, start = name, self.at
        self.at = start
        found = self.field()
        self._refuse_what_joins(found)
        cast = None
        if self.skip("::"):
            typed = self.take(CAST)
            cast = typed[0].strip() if typed else ""
            if not cast:
                self.fail("a type name")
        self._refuse_what_joins(found)
        return SelectItem(found, alias, cast)

    def _refuse_what_joins(self, found: Field) -> None:
        if AGGREGATE.match(self.text, self.at) or (found == Field("count") and self.sees("()")):
            raise not_implemented("Aggregate functions")
        if self.sees("(") or self.sees("!"):
            raise not_implemented("Embedding another table")

    def order_item(self) -> Order:
        found = self.field()
        if self.sees("("):
            raise not_implemented("Ordering by another table")
        direction = self.take(DIRECTION)
        nulls = self.take(NULLS)
        return Order(found, direction[1] if direction else "", nulls[1].replace("nulls", "nulls ") if nulls else "")

    def condition(self, found: Field, value: Callable[[], str]) -> Condition:
        negated = self.skip("not.")
        operation = self.take(OPERATION)
        if operation is None:
            self.fail("operator (eq, gt, ...)" if negated else '"not" or operator (eq, gt, ...)')
        operator = operation["listed"] or operation["search"] or operation["simple"] or operation["many"]
        if operator == "in":
            return Condition(found, operator, values=self.elements(), negated=negated)
        if operator == "is":
            known = self.take(IS)
            if known is None:
                self.fail("null, not_null, true, false or unknown")
            return Condition(found, operator, known[0].lower(), negated=negated)
        quantifier, language = operation["quantifier"], operation["language"]
        return Condition(found, operator, value(), negated=negated, quantifier=quantifier, language=language)

    def elements(self) -> tuple[str, ...]:
        self.spaces()
        if not self.skip("("):
            self.fail('"("')
        self.spaces()
        items = [self.element()]
        while self.skip(","):
            items.append(self.element())
        if not self.skip(")"):
            self.fail('"," or ")"')
        self.spaces()
        return () if items == [""] else tuple(items)

    def element(self) -> str:
        if quoted := self.take(QUOTED_ELEMENT):
            return _unescape(quoted[1])
        plain = self.take(ELEMENT)
        return plain[0] if plain else ""

    def logic_value(self) -> str:
        if (quoted := QUOTED_ELEMENT.match(self.text, self.at)) is None and (array := self.take(ARRAY)):
            return array[0]
        return self.element() if quoted is None else _unescape(self.take(QUOTED)[1])  # type: ignore[index]

    def logic(self, depth: int = 0) -> Logic:
        opened = self.take(LOGIC_OPEN)
        if opened is None or depth > 100:
            self.fail('"("')
        items = self.separated(lambda: self.logic_item(depth))
        self.spaces()
        if not self.skip(")"):
            self.fail('"," or ")"')
        return Logic(opened["operator"], items, negated=opened["negated"] is not None)

    def logic_item(self, depth: int) -> Condition | Logic:
        if LOGIC_OPEN.match(self.text, self.at):
            return self.logic(depth + 1)
        found = self.field()
        if not self.skip("."):
            self.fail('"." or "->"')
        return self.condition(found, self.logic_value)


def split_query(text: str) -> list[tuple[str, str]]:
    """Decode a query string into pairs; what has no `=` is dropped, and a plus is a space."""
    parts = (part.partition("=") for part in re.split("[&;]", text))
    pairs = [(unquote_plus(name), unquote_plus(value)) for name, equals, value in parts if equals]
    if any("\0" in text for pair in pairs for text in pair):
        raise nul_refused()
    return pairs


def parse_query(pairs: Iterable[tuple[str, str]], *, takes_arguments: bool = False) -> Query:
    """Parse decoded pairs; with `takes_arguments` (a function called by GET) a value without operator is an argument.

    Raises GrammarError (PGRST100) and RestError for what needs another table.
    """
    query, seen = Query(), set()
    for name, value in pairs:
        last = name.rpartition(".")[2]
        if name in ("select", "columns", "on_conflict"):
            if name in seen:  # the first one counts
                continue
            seen.add(name)
            _parse_list(query, name, value)
        elif last in ("and", "or"):
            query.filters.append(_parse_logic(name, value))
        elif last in ("order", "limit", "offset"):
            _refuse_embedded(name.split(".")[:-1])
            _parse_range_or_order(query, last, value)
        elif (condition := _parse_filter(name, value, takes_arguments=takes_arguments)) is None:
            query.arguments.append((name, value))
        else:
            query.filters.append(condition)
    return query


def _parse_list(query: Query, name: str, value: str) -> None:
    cursor = _Cursor(value, f"{name} parameter")
    if name == "select":
        query.select = cursor.separated(cursor.select_item) if value.strip() else ()
        cursor.end('field name, "->", "::" or ","')
        return
    names = cursor.separated(cursor.name)
    cursor.end('field name or ","')
    setattr(query, name, tuple(dict.fromkeys(names)))


def _parse_range_or_order(query: Query, name: str, value: str) -> None:
    if name == "order":
        cursor = _Cursor(value, "order")
        items = cursor.separated(cursor.order_item)
        cursor.end('"->", "." or ","')
        query.order = query.order or items
    elif INTEGER.match(value) and len(value) < 25:
        setattr(query, name, int(value))


def _parse_logic(name: str, value: str) -> Logic:
    *path, operator = name.split(".")
    _refuse_embedded([part for part in path if part != "not"])
    cursor = _Cursor(("not." if path else "") + operator + value, "logic tree", value)
    return cursor.logic()


def _parse_filter(name: str, value: str, *, takes_arguments: bool) -> Condition | None:
    key = _Cursor(name, "tree path")
    names = [key.name()]
    while key.skip("."):
        names.append(key.name())
    found = Field(names[-1], key.path())
    key.end('"." or "->"')
    cursor = _Cursor(value, "filter")
    if takes_arguments and not value.startswith("not.") and not OPERATION.match(value):
        return None
    _refuse_embedded(names[:-1])
    return cursor.condition(found, cursor.rest)


def _refuse_embedded(path: list[str]) -> None:
    if path:
        raise RestError(
            "PGRST108",
            f"'{path[0]}' is not an embedded resource in this request",
            hint=f"Verify that '{path[0]}' is included in the 'select' query parameter.",
        )


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
