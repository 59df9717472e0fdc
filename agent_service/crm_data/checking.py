"""From the files of an export to its checked rows: every fault of every file in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from agent_service.crm_data.cells import Keys, Row
from agent_service.crm_data.export import Activity, Client, Deal, Export, Person
from agent_service.crm_data.faults import Fault
from agent_service.crm_data.mapping import Activities, Deals, Mapping, Products
from agent_service.crm_data.reading import SourceFile, large_cells

__all__ = ["check_folder"]

T = TypeVar("T")
Advance = Callable[[str, int], None]
_MAX_NAME = 200


def check_folder(
    directory: Path, mapping: Mapping, *, skip_bad_rows: bool = False, advance: Advance | None = None
) -> Export:
    """Read and check all files of an export. Nothing that is in them raises.

    skip_bad_rows: also report the rows that need a bad one. advance: called with a file's name and the bytes just read.
    """
    with large_cells():
        return _Checker(directory, mapping, skip_bad_rows, advance or (lambda _name, _count: None)).check()


class _Checker:
    def __init__(self, directory: Path, mapping: Mapping, skipping: bool, advance: Advance) -> None:  # noqa: FBT001
        self._directory = directory
        self._mapping = mapping
        self._advance = advance
        self._skipping = skipping
        self._export = Export()
        self._people: Keys[Person] = Keys(unknown="unknown_person", skipping=skipping)
        self._clients: Keys[Client] = Keys(unknown="unknown_client", skipping=skipping)
        self._products: Keys[Decimal | None] = Keys(
            unknown="unknown_product",
            skipping=skipping,
            spellings=mapping.deals.product_spellings if mapping.deals else {},
        )

    def check(self) -> Export:
        export, mapping = self._export, self._mapping
        self._check_people()
        self._check_clients()
        if mapping.products is not None:
            self._check_products(mapping.products)
        if mapping.deals is not None:
            self._check_deals(mapping.deals)
        if mapping.activities is not None:
            self._check_activities(mapping.activities)
        export.people, export.clients, export.prices = self._people.rows, self._clients.rows, self._products.rows
        return export

    def _rows(self, file: str, columns: Sequence[str | None], keys: Keys[T]) -> Iterator[Row]:
        """Yield a file's rows; when the caller is done with a bad one, it is counted and its key is left out."""
        source = SourceFile(
            self._directory / file,
            columns=[column for column in columns if column is not None],
            mapping=self._mapping,
            faults=self._export.faults,
            advance=lambda count: self._advance(file, count),
        )
        keys.file = file
        for record in source.records():
            row = Row(source, record, self._mapping)
            yield row
            if row.bad:
                self._export.skipped += 1
                if row.own_key is not None:
                    keys.left_out.setdefault(row.own_key, row.line)
        keys.complete = source.usable
        self._export.usable &= source.usable

    def _check_people(self) -> None:
        section, keys = self._mapping.people, self._people
        addresses: Keys[None] = Keys()
        managers: dict[str, None] = {}
        for row in self._rows(section.file, [section.key, section.full_name, section.manager, section.email], keys):
            key = row.key(section.key, keys)
            name = row.text(section.full_name, required=True, limit=_MAX_NAME)
            manager = row.text(section.manager, limit=_MAX_NAME)
            email = row.email(section.email)
            if email is not None and section.email is not None:
                row.key(section.email, addresses)
            if key is not None and name is not None and not row.bad:
                keys.rows[key] = Person(full_name=name, email=email, role=section.role)
                if manager is not None:
                    managers[manager] = None
        key_of = {person.full_name: key for key, person in keys.rows.items()}
        for manager in managers:
            key = manager if manager in keys.rows else key_of.get(manager, manager)
            own = keys.rows.get(key) or Person(full_name=manager, email=None, role=section.role)
            keys.rows[key] = replace(own, role=section.manager_role)

    def _check_clients(self) -> None:
        section, keys = self._mapping.clients, self._clients
        columns = [section.key, section.name, section.company, section.owner, section.language, *section.tags]
        for row in self._rows(section.file, columns, keys):
            key = row.key(section.key, keys)
            name = row.text(section.name, required=True)
            company = row.text(section.company)
            owner = row.lookup(section.owner, self._people)
            language = row.text(section.language) or section.constant_language
            tags = [tag for tag in map(row.text, section.tags) if tag is not None]
            if key is not None and name is not None and not row.bad:
                keys.rows[key] = Client(name=name, company=company, owner=owner, tags=tags, language=language)
        if keys.complete and not keys.rows and (self._skipping or not keys.left_out):
            problem, mend = "The file has no row that can be loaded.", "Mend its rows, or export it again."
            fault = Fault(file=section.file, line=None, column=None, kind="no_clients", problem=problem, mend=mend)
            self._export.faults.append(fault)
            self._export.usable = False

    def _check_products(self, section: Products) -> None:
        for row in self._rows(section.file, [section.name, section.price], self._products):
            name = row.key(section.name, self._products)
            price = row.number(section.price)
            if name is not None and not row.bad:
                self._products.rows[name] = price

    def _check_deals(self, section: Deals) -> None:
        keys: Keys[None] = Keys()
        s = section
        columns = [s.key, s.client, s.owner, s.title, s.product, s.stage, s.amount, s.opened_at, s.closed_at]
        for row in self._rows(s.file, [*columns, s.expected_close], keys):
            key = row.key(s.key, keys)
            stage = row.word(s.stage, s.stages, required=True)
            client = row.lookup(s.client, self._clients)
            owner = row.lookup(s.owner, self._people)
            product = self._product(row, s)
            title = row.text(s.title)
            amount = row.number(s.amount)
            opened_at, closed_at = row.moment(s.opened_at), row.moment(s.closed_at)
            expected_close = row.moment(s.expected_close)
            if key is not None and stage is not None and not row.bad:
                deal = Deal(
                    key=key,
                    client=client,
                    owner=owner,
                    title=title,
                    product=product,
                    stage=stage,
                    amount=amount,
                    opened_at=opened_at,
                    closed_at=closed_at,
                    expected_close=expected_close,
                )
                self._export.deals.append(deal)

    def _product(self, row: Row, section: Deals) -> str | None:
        if self._mapping.products is not None:
            return row.lookup(section.product, self._products)
        name = row.text(section.product)
        return section.product_spellings.get(name, name) if name else None

    def _check_activities(self, section: Activities) -> None:
        keys: Keys[None] = Keys()
        s = section
        columns = [s.key, s.client, s.contact, s.type, s.status, s.direction, s.sentiment, s.subject, s.content]
        for row in self._rows(s.file, [*columns, s.occurred_at], keys):
            key = row.key(s.key, keys) if s.key else None
            client = row.lookup(s.client, self._clients, required=True)
            kind = row.word(s.type, s.types, required=True)
            status = row.word(s.status, s.statuses) or "completed"
            direction, sentiment = row.word(s.direction, s.directions), row.word(s.sentiment, s.sentiments)
            contact = row.text(s.contact, limit=_MAX_NAME)
            subject, content = row.text(s.subject), row.text(s.content)
            occurred_at = row.moment(s.occurred_at, required=True)
            if client is not None and kind is not None and occurred_at is not None and not row.bad:
                activity = Activity(
                    key=key,
                    client=client,
                    contact=contact,
                    type=kind,
                    status=status,
                    direction=direction,
                    sentiment=sentiment,
                    subject=subject,
                    content=content,
                    occurred_at=occurred_at,
                )
                self._export.activities.append(activity)
