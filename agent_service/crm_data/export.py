"""An export's people, clients, deals and activities, checked. They name each other by the export's own keys."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal

from agent_service.crm_data.faults import Fault
from agent_service.crm_data.mapping import ActivityType, Direction, Role, Sentiment, Stage, Status

__all__ = ["Activity", "Client", "Deal", "Export", "Person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who owns clients and deals, or manages who does."""

    full_name: str
    email: str | None
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An account; owner is a person's key."""

    name: str
    company: str | None
    owner: str | None
    tags: list[str]
    language: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """A deal; client and owner are keys, None where the export names none."""

    key: str
    client: str | None
    owner: str | None
    title: str | None
    product: str | None
    stage: Stage
    amount: Decimal | None
    opened_at: dt.datetime | None
    closed_at: dt.datetime | None
    expected_close: dt.datetime | None

    @property
    def is_open(self) -> bool:
        return self.stage not in ("won", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What happened, or was to happen, with the client of that key."""

    key: str | None
    client: str
    contact: str | None
    type: ActivityType
    status: Status
    direction: Direction | None
    sentiment: Sentiment | None
    subject: str | None
    content: str | None
    occurred_at: dt.datetime


@dataclass(kw_only=True)
class Export:
    """What a folder holds, without its bad rows.

    prices: the list price by product. skipped: how many rows are bad. usable: False if a file as a whole is bad, so
    that not even its other rows can be loaded.
    """

    people: dict[str, Person] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    prices: dict[str, Decimal | None] = field(default_factory=dict)
    deals: list[Deal] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    skipped: int = 0
    usable: bool = True
