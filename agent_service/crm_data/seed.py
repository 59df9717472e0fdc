"""A small, believable CRM for trying things: the same for the same seed and day."""

from __future__ import annotations

import datetime as dt
import random
import secrets
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from agent_service.crm_data.loading import AlreadyLoadedError, SignIn, load_rows
from agent_service.devstack.users import hash_password

__all__ = ["SeedResult", "seed"]

NAMESPACE = uuid.UUID("6f0c6a43-7a0f-4c55-9d5d-6a9f3f0c8a11")
Row = dict[str, Any]


@dataclass(frozen=True)
class SeedResult:
    """What was made: rows by table, who can sign in, the password of them all, and whose clients are whose."""

    counts: dict[str, int]
    sign_ins: list[SignIn]
    password: str
    owned: dict[uuid.UUID, list[uuid.UUID]]


def seed(
    database_url: str,
    *,
    seed: int = 1,
    newest_days_ago: int = 0,
    password: str | None = None,
    today: dt.date | None = None,
) -> SeedResult:
    """Fill an empty sample CRM.

    seed: another number gives other ids, times of day and amounts (within 10 %). newest_days_ago: moves everything
    into the past. password: of every person; random if not given. Raises AlreadyLoadedError if there are clients.
    """
    chosen = password or secrets.token_urlsafe(12)
    maker = _Maker(seed, (today or dt.datetime.now(dt.UTC).date()) - dt.timedelta(days=newest_days_ago))
    sample = tomllib.loads((files(__package__) / "sample.toml").read_text("utf-8"))
    people = maker.people(sample["people"])
    tables = maker.tables(sample)
    with psycopg.connect(database_url) as connection:
        if connection.execute("select exists (select from public.clients)").fetchone() == (True,):
            raise AlreadyLoadedError
        counts = load_rows(connection, people, tables, encrypted_password=hash_password(chosen))
    owned = {p.user_id: [c["id"] for c in tables["clients"] if c["owner_id"] == p.user_id] for p in people}
    return SeedResult(counts, people, chosen, owned)


class _Maker:
    """Turns the sample's description into rows; every random choice comes from the seed."""

    def __init__(self, seed: int, today: dt.date) -> None:
        self._seed = seed
        self._today = today
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self._user_ids: dict[str, uuid.UUID] = {}

    def people(self, described: list[Row]) -> list[SignIn]:
        """The people, and from here on their ids by address."""
        made = [
            SignIn(
                email=p["email"], full_name=p["name"], role=p.get("role", "user"), user_id=self._id("user", p["email"])
            )
            for p in described
        ]
        self._user_ids = {person.email: person.user_id for person in made}
        return made

    def tables(self, sample: Row) -> dict[str, list[Row]]:
        """Rows by table, parents before children."""
        tables: dict[str, list[Row]] = {
            name: [] for name in ("clients", "contacts", "deals", "activities", "tasks", "orders")
        }
        for described in sample["clients"]:
            for table, row in self._client(described):
                tables[table].append(row)
        for described in sample["orphan_deals"]:
            deal = self._deal(described, None, self._user_ids[described["owner"]])
            tables["deals"].append(deal | self._made(described["opened"]))
        return tables

    def _client(self, described: Row) -> Iterator[tuple[str, Row]]:
        client_id = self._id("client", described["name"])
        owner_id = self._user_ids.get(described.get("owner", ""))
        client = {
            "id": client_id,
            "name": described["name"],
            "company": described["name"],
            "owner_id": owner_id,
            "tags": described["tags"],
            "preferred_language": described.get("language"),
            "contact_preferences": Jsonb(described.get("preferences", {})),
        }
        children: list[tuple[str, Row]] = [
            *(("contacts", self._contact(c, client_id)) for c in described["contacts"]),
            *(("deals", self._deal(d, client_id, owner_id)) for d in described.get("deals", [])),
            *(("activities", self._activity(a, client_id, owner_id)) for a in described.get("activities", [])),
            *(("tasks", self._task(t, client_id, owner_id)) for t in described.get("tasks", [])),
            *(("orders", self._order(o, client_id)) for o in described.get("orders", [])),
        ]
        made = self._made(max((d["opened"] for d in described.get("deals", [])), default=400) + 30)
        yield "clients", client | made
        for table, row in children:
            yield table, row | made

    def _contact(self, described: Row, client_id: uuid.UUID) -> Row:
        return {
            "id": self._id("contact", client_id, described["name"]),
            "client_id": client_id,
            "name": described["name"],
            "email": described.get("email"),
            "title": described.get("title"),
            "is_primary": described.get("primary", False),
        }

    def _deal(self, described: Row, client_id: uuid.UUID | None, owner_id: uuid.UUID | None) -> Row:
        amount = described.get("amount")
        return {
            "id": self._id("deal", client_id, described["title"]),
            "client_id": client_id,
            "owner_id": owner_id,
            "title": described["title"],
            "product": described["product"],
            "stage": described["stage"],
            "amount": None if amount is None else self._about(amount),
            "currency": described.get("currency", "USD"),
            "expected_close": self._day(described["closes"]) if "closes" in described else None,
            "opened_at": self._moment(described["opened"]),
            "closed_at": self._moment(described["closed"]) if "closed" in described else None,
        }

    def _activity(self, described: Row, client_id: uuid.UUID, owner_id: uuid.UUID | None) -> Row:
        return {
            "id": self._id("activity", client_id, described["subject"], described["days"]),
            "client_id": client_id,
            "contact_id": self._child("contact", client_id, described.get("contact")),
            "deal_id": self._child("deal", client_id, described.get("deal")),
            "type": described["type"],
            "direction": described.get("direction"),
            "subject": described["subject"],
            "content": described["content"],
            "sentiment": described.get("sentiment"),
            "status": described.get("status", "completed"),
            "occurred_at": self._moment(described["days"]),
            "created_by": owner_id,
        }

    def _task(self, described: Row, client_id: uuid.UUID, owner_id: uuid.UUID | None) -> Row:
        return {
            "id": self._id("task", client_id, described["title"]),
            "client_id": client_id,
            "deal_id": self._child("deal", client_id, described.get("deal")),
            "assigned_to": owner_id,
            "title": described["title"],
            "description": described.get("description"),
            "priority": described["priority"],
            "status": "done" if "done" in described else "open",
            "due_at": self._moment(described["due"], hour=9),
            "completed_at": self._moment(described["done"]) if "done" in described else None,
        }

    def _order(self, described: Row, client_id: uuid.UUID) -> Row:
        return {
            "id": self._id("order", described["number"]),
            "client_id": client_id,
            "deal_id": self._child("deal", client_id, described.get("deal")),
            "order_number": described["number"],
            "product": described["product"],
            "status": "completed",
            "total": self._about(described["total"]),
            "currency": described.get("currency", "USD"),
            "ordered_at": self._moment(described["days"]),
        }

    def _made(self, days_ago: int) -> Row:
        """One of the defects of real CRMs: updated_at says when the row was made, because nothing ever moves it."""
        moment = self._moment(days_ago)
        return {"created_at": moment, "updated_at": moment}

    def _id(self, *parts: object) -> uuid.UUID:
        return uuid.uuid5(NAMESPACE, ":".join(map(str, (self._seed, *parts))))

    def _child(self, kind: str, client_id: uuid.UUID, name: str | None) -> uuid.UUID | None:
        return None if name is None else self._id(kind, client_id, name)

    def _about(self, amount: int) -> int:
        """Within 10 % of the amount, in steps of 50; seed 1 keeps it."""
        return amount if self._seed == 1 else round(amount * self._random.uniform(0.9, 1.1) / 50) * 50

    def _day(self, days_ago: int) -> dt.date:
        return self._today - dt.timedelta(days=days_ago)

    def _moment(self, days_ago: int, hour: int | None = None) -> dt.datetime:
        """A moment of that day; of today, one that has already been."""
        at = dt.time(
            self._random.randint(8, 16) if hour is None else hour, 0 if hour else self._random.choice((0, 15, 30, 45))
        )
        return dt.datetime.combine(self._day(days_ago), at, dt.UTC)
