"""What holds for every query string: only the parser's own error, quoting that survives, and one statement of SQL."""

from __future__ import annotations

from collections.abc import Callable

import pglast
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agent_service.devstack.gateway.catalog import Column, Table
from agent_service.devstack.gateway.errors import RestError
from agent_service.devstack.gateway.grammar import Condition, Logic, Query, parse_query, split_query
from agent_service.devstack.gateway.statements import Body, Shape, Statement

# The machine may be busy with other tests.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TABLE = Table(
    "public",
    'odd "table',
    {
        "id": Column("id", "integer", default="nextval('a%s;b'::regclass)"),
        "data": Column("data", "jsonb", is_json=True),
        "words": Column("words", "tsvector", is_tsvector=True),
        'we"ird; --': Column('we"ird; --', "text", default="'%'::text"),
    },
    ("id",),
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


KEYS = (
    "id",
    "data->a",
    "data->>0",
    "or",
    "and",
    "not.or",
    "select",
    "order",
    "columns",
    "limit",
    "offset",
    '"q""',
    "a.b",
)
PIECES = (
    *(
        "(",
        ")",
        ",",
        ".",
        '"',
        "\\",
        "{",
        "}",
        "->",
        "->>",
        "::",
        ":",
        "*",
        "-",
        "%",
        "$",
        "$$",
        ";",
        "--",
        "/*",
        "'",
        " ",
    ),
    *(
        "eq",
        "in",
        "is",
        "not",
        "or",
        "and",
        "any",
        "all",
        "fts",
        "null",
        "id",
        "data",
        "desc",
        "nullsfirst",
        "1",
        "é",
        "\0",
    ),
)
CLAUSES = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)
PAIRS = st.lists(st.tuples(st.sampled_from(KEYS) | CLAUSES, CLAUSES), max_size=4)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = TEXT.filter(bool)
FIELDS = st.builds(
    "".join,
    st.tuples(NAMES.map(quoted), st.sampled_from(["", "->0", "->>-1"]) | NAMES.map(lambda n: f"->>{quoted(n)}")),
)
OPERATIONS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "not."]),
        st.sampled_from(["eq.", "like.", "in.(", "is.null", "fts(english).", "eq(any).", "cs.", "isdistinct."]),
    ),
)


def completed(operation: str, value: str) -> str:
    if operation.endswith("null"):
        return operation
    return f"{operation}{quoted(value)})" if operation.endswith("(") else f"{operation}{quoted(value)}"


VALUES = st.builds(completed, OPERATIONS, TEXT)
HOSTILE = (
    st.tuples(FIELDS, VALUES)
    | st.tuples(st.sampled_from(["or", "not.and"]), st.builds("({}.{},{}.{})".format, FIELDS, VALUES, FIELDS, VALUES))
    | st.tuples(st.just("order"), st.builds("{}.desc.nullslast".format, FIELDS))
    | st.tuples(st.just("select"), st.builds("{}:{}::text,*".format, NAMES.map(quoted), FIELDS))
)


def refusal(parse: Callable[[], object]) -> RestError | None:
    try:
        parse()
    except RestError as error:
        return error
    return None


def only(query: Query) -> Condition | Logic:
    [found] = query.filters
    return found


@unhurried
@given(PAIRS, st.booleans())
def test_nothing_but_the_parsers_own_error_comes_out(pairs: list[tuple[str, str]], takes_arguments: bool) -> None:
    refused = refusal(lambda: parse_query(pairs, takes_arguments=takes_arguments))
    assert refused is None or (refused.code in {"PGRST100", "PGRST108", "PGRST127"} and refused.status == 400)


@unhurried
@given(st.binary(max_size=60))
@example(b"id=eq.%00")
@example(b"%00=eq.1")
@example(b"id=eq.%ff%ed%a0%80")
def test_any_bytes_are_split_and_parsed_or_refused(raw: bytes) -> None:
    refused = refusal(lambda: parse_query(split_query(raw.decode("latin-1"))))
    assert refused is None or refused.status == 400


@unhurried
@given(NAMES, TEXT)
def test_a_quoted_name_is_any_name_and_a_plain_value_any_value(name: str, value: str) -> None:
    found = only(parse_query([(quoted(name), f"eq.{value}")]))
    assert isinstance(found, Condition)
    assert (found.field.name, found.value) == (name, value)


@unhurried
@given(st.lists(NAMES, min_size=1, max_size=5))
def test_quoted_elements_of_a_list_survive(values: list[str]) -> None:
    found = only(parse_query([("id", f"in.({','.join(map(quoted, values))})")]))
    assert isinstance(found, Condition)
    assert list(found.values) == values


@unhurried
@given(NAMES, TEXT, TEXT)
def test_quoted_values_survive_in_logic(name: str, first: str, second: str) -> None:
    tree = only(
        parse_query([("or", f"({quoted(name)}.eq.{quoted(first)},and({quoted(name)}.not.gt.{quoted(second)}))")])
    )
    assert isinstance(tree, Logic)
    left, right = tree.items
    assert isinstance(left, Condition)
    assert isinstance(right, Logic)
    [inner] = right.items
    assert isinstance(inner, Condition)
    assert (left.field.name, left.value) == (name, first)
    assert (inner.field.name, inner.value, inner.negated) == (name, second, True)


@unhurried
@given(NAMES, NAMES)
def test_quoted_names_survive_in_select_and_order(name: str, alias: str) -> None:
    query = parse_query([("select", f"{quoted(alias)}:{quoted(name)}"), ("order", f"{quoted(name)}.desc")])
    assert [(item.alias, item.field and item.field.name) for item in query.select] == [(alias, name)]
    assert [(item.field.name, item.direction) for item in query.order] == [(name, "desc")]


@unhurried
@given(st.lists(HOSTILE | st.tuples(st.sampled_from(KEYS), CLAUSES), max_size=5))
def test_what_parses_becomes_exactly_one_statement(pairs: list[tuple[str, str]]) -> None:
    try:
        query = parse_query(pairs)
    except RestError:
        return
    assert_one_statement_each(query)


@unhurried
@given(st.lists(HOSTILE, max_size=5))
def test_hostile_names_paths_and_values_parse_and_become_exactly_one_statement(pairs: list[tuple[str, str]]) -> None:
    assert_one_statement_each(parse_query(pairs))


def assert_one_statement_each(query: Query) -> None:
    body = Body("[]", list(TABLE.columns.values()), fills_defaults=True)
    for statement in (
        Statement.on(TABLE).read(query, Shape(), counts=True),
        Statement.on(TABLE).insert(body, query, ["*"], Shape(), conflict=("id",), merges=True),
        Statement.on(TABLE).update(body, query, ["id"], Shape(is_single=True)),
        Statement.on(TABLE).delete(query, None, Shape()),
    ):
        try:
            assert len(pglast.parse_sql(statement.query.as_string().replace("\0", "\1"))) == 1
        except pglast.parser.ParseError:
            # A cast takes words that need not be a type. Postgres says so, as it does behind PostgREST.
            assert any(item.cast for item in query.select)


@unhurried
@given(TEXT, NAMES)
def test_values_are_parameters_and_never_text_of_the_statement(value: str, name: str) -> None:
    marked = f"«{value}»"
    query = parse_query(
        [
            ("id", f"eq.{marked}"),
            ("or", f"({quoted(name)}.eq.{quoted(marked)})"),
            ("data->>s", f"in.({quoted(marked)})"),
        ]
    )
    statement = Statement.on(TABLE).read(query, Shape(), counts=True)
    assert marked not in statement.query.as_string()
    assert statement.parameters.count(marked) == 4  # two conditions, in the page and in the count


@pytest.mark.parametrize("depth", [10, 200])
def test_deep_trees_are_read_or_refused(depth: int) -> None:
    tree = "(" + "and(" * depth + "id.eq.1" + ")" * depth + ")"
    if depth == 10:
        assert parse_query([("or", tree)]).filters
        return
    with pytest.raises(RestError) as refused:
        parse_query([("or", tree)])
    assert refused.value.code == "PGRST100"
