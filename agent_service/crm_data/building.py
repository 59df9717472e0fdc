"""From a checked export to the sample CRM's rows: ids, owners, dates moved to now, and what the mapping has us make."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from psycopg.types.json import Jsonb

from agent_service.crm_data.export import Activity, Deal, Export
from agent_service.crm_data.loading import SignIn
from agent_service.crm_data.mapping import Mapping

__all__ = ["build"]

NAMESPACE = uuid.UUID("0c1f2a52-6f1e-4f0c-9d43-0f6f3c1f7a35")
_EARLIEST = dt.datetime.min.replace(tzinfo=dt.UTC)
Row = dict[str, Any]


def build(
    export: Export, mapping: Mapping, *, newest_days_ago: int, today: dt.date
) -> tuple[list[SignIn], dict[str, list[Row]]]:
    """Return the people and the rows by table, parents before children. The same export gives the same ids."""
    builder = _Builder(export, mapping, newest_days_ago, today)
    return builder.people(), builder.tables()


class _Builder:
    def __init__(self, export: Export, mapping: Mapping, newest_days_ago: int, today: dt.date) -> None:
        self._export = export
        self._mapping = mapping
        self._today = today
        happened = [moment for moment in _happened(export) if moment is not None]
        self._newest = max(happened, default=dt.datetime.combine(today, dt.time(), dt.UTC))
        self._oldest = min(happened, default=self._newest)
        age = today - self._newest.date()
        self._shift = age - dt.timedelta(days=newest_days_ago) if happened else dt.timedelta()
        self._owners = self._find_owners()

    def people(self) -> list[SignIn]:
        """Everybody who can sign in, each with an address of their own."""
        taken = {person.email for person in self._export.people.values() if person.email is not None}
        addresses = _Addresses(self._mapping.people.made_email, taken)
        people = []
        for key, person in self._export.people.items():
            email = person.email or addresses.make(_slug(person.full_name, "."))
            people.append(SignIn(email=email, full_name=person.full_name, role=person.role, user_id=_id("user", key)))
        return people

    def tables(self) -> dict[str, list[Row]]:
        """The rows of every table."""
        return {
            "clients": list(self._clients()),
            "contacts": list(self._contacts()),
            "deals": [self._deal(deal) for deal in self._export.deals],
            "activities": list(self._activities()),
            "tasks": list(self._tasks()),
            "orders": list(self._orders()),
        }

    def _find_owners(self) -> dict[str, str | None]:
        """A client's owner is whom the export names, else the agent of its newest deal (of equals, the last row)."""
        newest: dict[str, dt.datetime] = {}
        owners = {key: client.owner for key, client in self._export.clients.items()}
        for deal in self._export.deals:
            client = deal.client
            if client is None or deal.owner is None or self._export.clients[client].owner is not None:
                continue
            opened = deal.opened_at or _EARLIEST
            if opened >= newest.get(client, _EARLIEST):
                newest[client], owners[client] = opened, deal.owner
        return owners

    def _owner_id(self, client: str) -> uuid.UUID | None:
        return _optional_id("user", self._owners[client])

    def _clients(self) -> Iterator[Row]:
        first: dict[str, dt.datetime] = {}
        dated = [(deal.client, deal.opened_at) for deal in self._export.deals]
        dated += [(activity.client, activity.occurred_at) for activity in self._export.activities]
        for key, moment in dated:
            if key is not None and moment is not None:
                first[key] = min(moment, first.get(key, moment))
        for key, client in self._export.clients.items():
            yield {
                "id": _id("client", key),
                "name": client.name,
                "company": client.company,
                "owner_id": self._owner_id(key),
                "tags": client.tags,
                "preferred_language": client.language,
                "contact_preferences": Jsonb({}),
                **self._made(first.get(key, self._oldest)),
            }

    def _contacts(self) -> Iterator[Row]:
        """Every name that a client's activities hold; whoever was spoken to last is the primary one."""
        section = self._mapping.contacts
        if section is None:
            return
        first: dict[tuple[str, str], dt.datetime] = {}
        last: dict[str, tuple[dt.datetime, str]] = {}
        for activity in self._export.activities:
            if activity.contact is not None:
                pair = activity.client, activity.contact
                first[pair] = min(activity.occurred_at, first.get(pair, activity.occurred_at))
                latest = activity.occurred_at, activity.contact
                last[activity.client] = max(latest, last.get(activity.client, latest))
        addresses = _Addresses(section.made_email or "")
        for (client, name), moment in first.items():
            email = None
            if section.made_email is not None:
                company = _slug(self._export.clients[client].name, "-")
                email = addresses.make(_slug(name, "."), client=company)
            yield {
                "id": _id("contact", client, name),
                "client_id": _id("client", client),
                "name": name,
                "email": email,
                "is_primary": last[client][1] == name,
                **self._made(moment),
            }

    def _deal(self, deal: Deal) -> Row:
        return {
            "id": _id("deal", deal.key),
            "client_id": _optional_id("client", deal.client),
            "owner_id": _optional_id("user", deal.owner),
            "title": self._title(deal),
            "product": deal.product,
            "stage": deal.stage,
            "amount": self._amount(deal),
            "currency": self._mapping.currency,
            "expected_close": self._expected_close(deal),
            "opened_at": self._moved(deal.opened_at),
            "closed_at": None if deal.is_open else self._moved(deal.closed_at),
            **self._made(deal.opened_at or deal.closed_at or self._oldest),
        }

    def _title(self, deal: Deal) -> str:
        if deal.title is not None:
            return deal.title
        section = self._mapping.deals
        assert section is not None  # noqa: S101 - it has deals
        fields = {"product": deal.product or "Deal", "key": deal.key}
        if deal.client is None:
            return section.made_title_without_client.format(**fields)
        return section.made_title.format(client=self._export.clients[deal.client].name, **fields)

    def _amount(self, deal: Deal) -> object:
        section = self._mapping.deals
        if deal.amount is None and deal.is_open and section is not None and section.price_if_open:
            return self._export.prices.get(deal.product or "")
        return deal.amount

    def _expected_close(self, deal: Deal) -> dt.date | None:
        section = self._mapping.deals
        if section is None or not deal.is_open:
            return None if deal.expected_close is None else (deal.expected_close + self._shift).date()
        close = deal.expected_close or deal.closed_at  # many CRMs export both as one column
        if close is None and deal.opened_at is not None and section.expected_close_after is not None:
            close = deal.opened_at + dt.timedelta(days=section.expected_close_after)
        if close is None:
            return None
        day = (close + self._shift).date()
        late = (self._today - day).days
        if section.push_by is not None and late > 0:
            day += dt.timedelta(days=-(-late // section.push_by) * section.push_by)
        return day

    def _activities(self) -> Iterator[Row]:
        section = self._mapping.activities
        for activity, activity_id in self._identified():
            assert section is not None  # noqa: S101 - it has activities
            yield {
                "id": activity_id,
                "client_id": _id("client", activity.client),
                "contact_id": self._contact_id(activity),
                "type": activity.type,
                "direction": activity.direction,
                "subject": activity.subject or self._phrase(section.made_subject, activity),
                "content": activity.content,
                "sentiment": activity.sentiment,
                "status": activity.status,
                "occurred_at": self._moved(activity.occurred_at),
                "created_by": self._owner_id(activity.client),
                **self._made(activity.occurred_at),
            }

    def _identified(self) -> Iterator[tuple[Activity, uuid.UUID]]:
        """Activities with their ids: by key, else by what they hold and how many of the kind came before."""
        seen: Counter[uuid.UUID] = Counter()
        for activity in self._export.activities:
            a = activity
            same = _id("activity", a.key or "", a.client, a.contact or "", a.type, a.occurred_at, a.subject, a.content)
            seen[same] += 1
            yield activity, same if seen[same] == 1 else _id("activity", same, seen[same])

    def _contact_id(self, activity: Activity) -> uuid.UUID | None:
        named = self._mapping.contacts is not None and activity.contact is not None
        return _id("contact", activity.client, activity.contact) if named else None

    def _tasks(self) -> Iterator[Row]:
        section = self._mapping.tasks
        if section is None:
            return
        for activity, activity_id in self._identified():
            if activity.status == "scheduled":
                yield {
                    "id": _id("task", activity_id),
                    "client_id": _id("client", activity.client),
                    "assigned_to": self._owner_id(activity.client),
                    "title": self._phrase(section.title, activity),
                    "priority": section.priority,
                    "status": "open",
                    "due_at": self._moved(activity.occurred_at + dt.timedelta(days=section.due_after)),
                    **self._made(activity.occurred_at),
                }

    def _orders(self) -> Iterator[Row]:
        section = self._mapping.orders
        if section is None:
            return
        for deal in self._export.deals:
            if deal.stage == "won" and deal.client is not None and deal.amount is not None:
                won = deal.closed_at or deal.opened_at or self._oldest
                yield {
                    "id": _id("order", deal.key),
                    "client_id": _id("client", deal.client),
                    "deal_id": _id("deal", deal.key),
                    "order_number": section.number.format(deal=deal.key),
                    "product": deal.product,
                    "status": "completed",
                    "total": deal.amount,
                    "currency": self._mapping.currency,
                    "ordered_at": self._moved(won),
                    **self._made(won),
                }

    def _phrase(self, template: str, activity: Activity) -> str:
        client = self._export.clients[activity.client].name
        phrase = template.format(type=activity.type, contact=activity.contact or client, client=client)
        return phrase[:1].upper() + phrase[1:]

    def _moved(self, moment: dt.datetime | None) -> dt.datetime | None:
        return None if moment is None else moment + self._shift

    def _made(self, moment: dt.datetime) -> Row:
        moved = min(moment, self._newest) + self._shift  # what is planned was entered before its day
        return {"created_at": moved, "updated_at": moved}


def _happened(export: Export) -> Iterator[dt.datetime | None]:
    """When things happened, the newest of which says how old the export is: what is planned or expected has not yet."""
    for deal in export.deals:
        yield deal.opened_at
        yield None if deal.is_open else deal.closed_at
    for activity in export.activities:
        yield None if activity.status == "scheduled" else activity.occurred_at


def _id(*parts: object) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, "\x1f".join(map(str, parts)))


def _optional_id(kind: str, key: str | None) -> uuid.UUID | None:
    return None if key is None else _id(kind, key)


def _slug(name: str, joint: str) -> str:
    """A name as part of an address: small ASCII letters and digits, at most 50."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return joint.join(re.findall("[a-z0-9]+", plain))[:50].strip(joint) or "somebody"


class _Addresses:
    """Hands out addresses that nobody else has."""

    def __init__(self, template: str, taken: Iterable[str] = ()) -> None:
        self._template = template
        self._taken = set(taken)
        self._numbers: Counter[str] = Counter()

    def make(self, name: str, **fields: str) -> str:
        first = self._template.format(name=name, **fields)
        address = first
        while address in self._taken:
            self._numbers[first] += 1
            address = self._template.format(name=f"{name}{self._numbers[first] + 1}", **fields)
        self._taken.add(address)
        return address
