"""Turns parsed requests into one SQL statement each, in PostgREST's shape: a source, a page of it, and its JSON.

Identifiers and keywords go through psycopg.sql. Every value is a parameter of unknown type, so that Postgres reads it
as the column's own type and words the error when it cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.sql import SQL, Composable, Composed, Identifier

from agent_service.devstack.gateway.catalog import Column, Function, Table
from agent_service.devstack.gateway.grammar import Condition, Field, Logic, Order, Query, SelectItem

__all__ = ["Arguments", "Body", "Shape", "Statement", "array_literal"]

COMPARISONS = {
    "eq": "=",
    "gte": ">=",
    "gt": ">",
    "lte": "<=",
    "lt": "<",
    "neq": "<>",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "imatch": "~*",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
    "isdistinct": "is distinct from",
}
SEARCHES = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}
STATES = {"null": "null", "not_null": "not null", "true": "true", "false": "false", "unknown": "unknown"}
SOURCE = Identifier("pgrst_source")
# Rows inserted: up by one for each row of the body, down by one for each that turned into an update.
INSERTED = "coalesce(nullif(current_setting('pgrst.inserted', true), '')::int, 0)"
COUNT_INSERTED = SQL(f"set_config('pgrst.inserted', ({INSERTED} + 1)::text, true) is not null")
COUNT_UPDATED = SQL(f"set_config('pgrst.inserted', ({INSERTED} - 1)::text, true) is not null")
EVERYTHING = (SelectItem(None),)


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows become JSON: as an array unless `is_single`, as bare values if `is_scalar`."""

    is_single: bool = False
    is_scalar: bool = False
    strips_nulls: bool = False

    def sql(self) -> Composable:
        """Return the expression over pgrst_page."""
        rows: Composable = SQL("json_agg(pgrst_page.pgrst_scalar)" if self.is_scalar else "json_agg(pgrst_page)")
        if self.is_single and not self.is_scalar:
            # A function that returns a null row gives a row of nulls here.
            rows += SQL(" filter (where not (pgrst_page is null))")
        if self.strips_nulls:
            rows = SQL("json_strip_nulls({})").format(rows)
        if self.is_single:
            return SQL("coalesce(({} -> 0)::text, 'null')").format(rows)
        return SQL("coalesce({}, '[]')::text").format(rows)


@dataclass(frozen=True, slots=True)
class Body:
    """A request's JSON text and the columns taken from it; `fills_defaults` where a row leaves one out."""

    text: str
    columns: Sequence[Column]
    fills_defaults: bool = False


Arguments = Body | Sequence[tuple[str, str]]


class Statement:
    """One statement under construction; build it with one of the public methods, then read `query` and `parameters`."""

    def __init__(self, relation: Composable, columns: Mapping[str, Column] | None = None) -> None:
        self.query: SQL | Composed = SQL("")
        self.parameters: list[str] = []
        self._relation = relation
        self._columns = columns or {}

    @classmethod
    def on(cls, table: Table) -> Statement:
        """Start a statement about a table."""
        return cls(Identifier(table.schema, table.name), table.columns)

    @classmethod
    def calling(cls, columns: Mapping[str, Column]) -> Statement:
        """Start a call of a function whose rows have these columns, as far as is known."""
        return cls(SOURCE, columns)

    def read(self, query: Query, shape: Shape, *, counts: bool) -> Statement:
        """Select rows; with `counts`, all that the filters admit are counted too."""
        page = self._page(query)
        self._finish(page, SQL("select * from pgrst_source"), shape, self._count(query) if counts else None)
        return self

    def call(self, function: Function, arguments: Arguments, query: Query, shape: Shape, *, counts: bool) -> Statement:
        """Call a function with a JSON body, or with (name, value) pairs."""
        self._finish(self._call(function, arguments), self._page(query), shape, self._count(query) if counts else None)
        return self

    def insert(  # noqa: PLR0913 - what a write and its conflict need
        self,
        body: Body,
        query: Query,
        returned: Iterable[str] | None,
        shape: Shape,
        *,
        conflict: Sequence[str] = (),
        merges: bool = False,
    ) -> Statement:
        """Insert the body's rows; on `conflict` of these columns update or, unless `merges`, skip."""
        if body.columns:
            names = _names(body.columns)
            rows = SQL("insert into {} ({}) select {} from {} as pgrst_body").format(
                self._relation, names, _names(body.columns, "pgrst_body"), self._rows(body)
            )
        else:
            rows = SQL("insert into {} select from {} as pgrst_body").format(self._relation, self._array(body))
        if conflict:
            rows += self._on_conflict(body, conflict, merges=merges)
        self._write(rows, query, returned, shape)
        return self

    def update(self, body: Body, query: Query, returned: Iterable[str] | None, shape: Shape) -> Statement:
        """Update what the filters admit with the first row of the body; a body without keys changes nothing."""
        if body.columns:
            values = SQL(", ").join(
                SQL("{0} = pgrst_body.{0}").format(Identifier(column.name)) for column in body.columns
            )
            rows = SQL("update {} set {} from (select * from {} as _ limit 1) as pgrst_body{}").format(
                self._relation, values, self._rows(body), self._where(query)
            )
            self._write(rows, query, returned, shape)
        else:
            nothing = SQL("select {} from {} where false").format(self._returning(returned), self._relation)
            self._finish(nothing, self._page_of_returned(query, returned), shape, None)
        return self

    def delete(self, query: Query, returned: Iterable[str] | None, shape: Shape) -> Statement:
        """Delete what the filters admit."""
        self._write(SQL("delete from {}{}").format(self._relation, self._where(query)), query, returned, shape)
        return self

    def _write(self, rows: Composable, query: Query, returned: Iterable[str] | None, shape: Shape) -> None:
        rows += SQL(" returning {}").format(self._returning(returned))
        self._finish(rows, self._page_of_returned(query, returned), shape, None)

    def _page_of_returned(self, query: Query, returned: Iterable[str] | None) -> Composable:
        if returned is None:
            return SQL("select * from pgrst_source")
        self._relation = SOURCE
        return self._page(Query(select=query.select, order=query.order))

    def _returning(self, returned: Iterable[str] | None) -> Composable:
        columns = list(returned or ())
        if not columns:
            return SQL("1")
        return SQL(", ").join(
            self._relation + SQL(".") + (SQL("*") if name == "*" else Identifier(name)) for name in columns
        )

    def _finish(self, source: Composable, page: Composable, shape: Shape, count: Composable | None) -> None:
        counted = SQL(", pgrst_count as ({})").format(count) if count else SQL("")
        total = SQL("(select count(*) from pgrst_count)" if count else "null::bigint")
        self.query = SQL(
            "with pgrst_source as ({source}){counted} "
            "select {total}, count(*), {body}, nullif(current_setting('response.headers', true), ''), "
            "nullif(current_setting('response.status', true), ''), "
            "nullif(current_setting('pgrst.inserted', true), '')::int from ({page}) as pgrst_page"
        ).format(source=source, counted=counted, total=total, body=shape.sql(), page=page)

    def _count(self, query: Query) -> Composable:
        return SQL("select from {}{}").format(self._relation, self._where(query))

    def _page(self, query: Query) -> Composable:
        items = SQL(", ").join([self._item(item) for item in query.select])
        page = SQL("select {} from {}{}").format(items, self._relation, self._where(query))
        if query.order:
            page += SQL(" order by ") + SQL(", ").join([self._ordered(item) for item in query.order])
        if query.limit is not None:
            page += SQL(" limit ") + self._bind(str(query.limit))
        if query.offset:
            page += SQL(" offset ") + self._bind(str(query.offset))
        return page

    def _item(self, item: SelectItem) -> Composable:
        if item.field is None:
            return self._relation + SQL(".*")
        value = self._field(item.field)
        if item.cast:
            value = SQL("cast({} as {})").format(value, SQL(item.cast))
        keys = [step.key for step in item.field.path if isinstance(step.key, str)]
        name = item.alias or (keys[-1] if keys else item.field.name)
        return value if name == item.field.name and not item.field.path else value + SQL(" as ") + Identifier(name)

    def _ordered(self, item: Order) -> Composable:
        return SQL("{} {} {}").format(self._field(item.field), SQL(item.direction), SQL(item.nulls))

    def _field(self, field: Field) -> Composable:
        value: Composable = self._relation + SQL(".") + Identifier(field.name)
        if not field.path:
            return value
        column = self._columns.get(field.name)
        if column is not None and not column.is_json:
            value = SQL("to_jsonb({})").format(value)
        for step in field.path:
            key = sql.Literal(step.key) if isinstance(step.key, int) else self._bind(step.key)
            value += SQL(" ->> " if step.as_text else " -> ") + key
        return SQL("({})").format(value)

    def _where(self, query: Query) -> Composable:
        if not query.filters:
            return SQL("")
        return SQL(" where ") + SQL(" and ").join([self._filter(item) for item in query.filters])

    def _filter(self, item: Condition | Logic) -> Composable:
        if isinstance(item, Logic):
            joined = SQL(f" {item.operator} ").join([self._filter(part) for part in item.items])
            test: Composable = SQL("({})").format(joined)
        else:
            test = SQL("({})").format(self._condition(item))
        return SQL("not ") + test if item.negated else test

    def _condition(self, item: Condition) -> Composable:
        field = self._field(item.field)
        if item.operator == "in":
            return SQL("{} = any ({})").format(field, self._bind(array_literal(item.values)))
        if item.operator == "is":
            return SQL("{} is {}").format(field, SQL(STATES[item.value]))
        if item.operator in SEARCHES:
            return self._search(item, field)
        value = item.value.replace("*", "%") if item.operator in ("like", "ilike") else item.value
        bound = self._bind(value)
        if item.quantifier:
            bound = SQL("{} ({})").format(SQL(item.quantifier), bound)
        return SQL("{} {} {}").format(field, SQL(COMPARISONS[item.operator]), bound)

    def _search(self, item: Condition, field: Composable) -> Composable:
        language: Composable = SQL("")
        if item.language:
            language = SQL("{}::regconfig, ").format(self._bind(item.language))
        column = self._columns.get(item.field.name)
        if column is not None and (item.field.path or not column.is_tsvector):
            field = SQL("to_tsvector({}{})").format(language, field)
        query = SQL(SEARCHES[item.operator])
        return SQL("{} @@ {}({}{})").format(field, query, language, self._bind(item.value))

    def _call(self, function: Function, arguments: Arguments) -> Composable:
        name = Identifier(function.schema, function.name)
        source: Composable = SQL("")
        if function.takes_whole_body and isinstance(arguments, Body):
            given: Composable = self._bind(arguments.text)
        elif isinstance(arguments, Body):
            known = {column.name for column in arguments.columns}
            parameters = [parameter for parameter in function.parameters if parameter.name in known]
            values = [SQL("pgrst_body.") + Identifier(parameter.name) for parameter in parameters]
            given = _arguments(function, dict(zip([p.name for p in parameters], values, strict=True)))
            if parameters:
                source = SQL("(select * from {} as _ limit 1) as pgrst_body, lateral ").format(self._rows(arguments))
        else:
            given = _arguments(function, {key: self._bind(value) for key, value in arguments})
        if function.is_row:
            return SQL("select pgrst_call.* from {}{}({}) as pgrst_call").format(source, name, given)
        return SQL("select pgrst_call.* from {}(select {}({}) as pgrst_scalar) as pgrst_call").format(
            source, name, given
        )

    def _rows(self, body: Body) -> Composable:
        definitions = SQL(", ").join(SQL("{} {}").format(Identifier(c.name), SQL(c.type)) for c in body.columns)
        if body.fills_defaults:
            defaults = SQL(", ").join(
                SQL("{}::text, {}").format(sql.Literal(column.name), SQL(column.default))
                for column in body.columns
                if column.default is not None
            )
            return SQL(
                "(select pgrst_row.* from {} as pgrst_element(value), "
                "lateral jsonb_to_record(jsonb_build_object({}) || pgrst_element.value::jsonb) as pgrst_row ({}))"
            ).format(self._array(body), defaults, definitions)
        return SQL(
            "(select pgrst_row.* from {} as pgrst_element(value), "
            "lateral json_to_record(pgrst_element.value) as pgrst_row ({}))"
        ).format(self._array(body), definitions)

    def _array(self, body: Body) -> Composable:
        """Return the body's elements; one object counts as an array of one."""
        return SQL(
            "json_array_elements((select case json_typeof(j.body) when 'array' then j.body "
            "else json_build_array(j.body) end from (select {}::json as body) as j))"
        ).format(self._bind(body.text))

    def _on_conflict(self, body: Body, conflict: Sequence[str], *, merges: bool) -> Composable:
        target = SQL(", ").join([Identifier(name) for name in conflict])
        if not merges or not body.columns:
            return SQL(" on conflict ({}) do nothing").format(target)
        values = SQL(", ").join(SQL("{0} = excluded.{0}").format(Identifier(column.name)) for column in body.columns)
        return SQL(" where {} on conflict ({}) do update set {} where {}").format(
            COUNT_INSERTED, target, values, COUNT_UPDATED
        )

    def _bind(self, value: str) -> Composable:
        self.parameters.append(value)
        return SQL(f"${len(self.parameters)}")


def _names(columns: Sequence[Column], *prefix: str) -> Composable:
    return SQL(", ").join([Identifier(*prefix, column.name) for column in columns])


def _arguments(function: Function, values: Mapping[str, Composable]) -> Composable:
    variadic = {parameter.name for parameter in function.parameters if parameter.is_variadic}
    return SQL(", ").join(
        SQL("{}{} := {}").format(SQL("variadic " if name in variadic else ""), Identifier(name), value)
        for name, value in values.items()
    )


def array_literal(values: Iterable[str]) -> str:
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"
