"""A client's context, as `get_client_context` returns it, in Python's names.

Records come from any CRM: every value may be null, unknown fields are let pass, and a date that is none is read as null
(Postgres has `infinity` and years that Python has not) rather than costing the user the draft.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

__all__ = ["Activity", "Client", "ClientContext", "Contact", "Deal", "Order", "Task", "User"]

T = TypeVar("T")


def _day(value: object) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < Decimal("1e15") else None


def _flag(value: object) -> bool:
    return value is True


def _rows(value: object) -> object:
    return [row for row in value if row is not None] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


Day = Annotated[dt.date | None, BeforeValidator(_day)]
Amount = Annotated[Decimal | None, BeforeValidator(_amount)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Rows = Annotated[list[T], BeforeValidator(_rows)]
Text = Annotated[str | None, BeforeValidator(_text)]


class _Record(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class Client(_Record):
    """Who the client is."""

    id: Text = None
    name: Text = None
    company: Text = None
    tags: Rows[Text] = Field(default_factory=list)
    preferred_language: Text = None


class Contact(_Record):
    """A person at the client."""

    id: Text = None
    name: Text = None
    email: Text = None
    title: Text = None
    is_primary: Flag = False


class Activity(_Record):
    """An exchange with the client, or a note about it."""

    id: Text = None
    type: Text = None
    direction: Text = None
    subject: Text = None
    content: Text = None
    sentiment: Text = None
    status: Text = None
    occurred_at: Day = None
    contact_name: Text = None
    deal_id: Text = None


class Deal(_Record):
    """An open deal."""

    id: Text = None
    title: Text = None
    product: Text = None
    stage: Text = None
    amount: Amount = None
    currency: Text = None
    expected_close: Day = None
    opened_at: Day = None
    stage_since: Day = None


class Task(_Record):
    """A task that is still to be done."""

    id: Text = None
    title: Text = None
    description: Text = None
    priority: Text = None
    due_at: Day = None
    overdue: Flag = False
    deal_id: Text = None


class Order(_Record):
    """An order the client has placed."""

    id: Text = None
    order_number: Text = None
    product: Text = None
    status: Text = None
    total: Amount = None
    currency: Text = None
    ordered_at: Day = None


class User(_Record):
    """The person the draft is written for."""

    id: Text = None
    name: Text = None


def _record(value: object) -> object:
    return value if value is not None else {}


class ClientContext(_Record):
    """Everything one draft may rest on. Activities and orders come newest first."""

    client: Annotated[Client, BeforeValidator(_record)] = Field(default_factory=Client)
    contacts: Rows[Contact] = Field(default_factory=list)
    recent_activities: Rows[Activity] = Field(default_factory=list)
    active_deals: Rows[Deal] = Field(default_factory=list)
    pending_tasks: Rows[Task] = Field(default_factory=list)
    order_history: Rows[Order] = Field(default_factory=list)
    contact_preferences: Any = None
    last_interaction: Day = None
    user: Annotated[User, BeforeValidator(_record)] = Field(default_factory=User)
    today: Day = None
    days: int | None = None
    omitted: Any = None
    context_version: Text = None
