"""How much there is of everything, shown or not: a sum over the deals that were shown would be a wrong sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from agent_service.context import Amount, ClientContext
from agent_service.llm.plain_text import clean

__all__ = ["amount_text", "omitted_count", "omitted_flag", "totals_of"]

_AMOUNT: TypeAdapter[Decimal | None] = TypeAdapter(Amount)
# More currencies than this are a fault of the data, and then no sum is right.
_CURRENCIES = 4


def amount_text(amount: Decimal) -> str:
    """Return an amount in plain digits, to a ten-thousandth."""
    return f"{amount.quantize(Decimal('0.0001')).normalize():f}"


def omitted_count(omitted: object, name: str) -> int:
    """Return how many records of a kind the database left out of a context; 0 for what is no number."""
    value = _field(omitted, name)
    count = _field(value, "count") if isinstance(value, Mapping) else value
    return count if isinstance(count, int) and not isinstance(count, bool) and 0 < count < 10**9 else 0


def omitted_flag(omitted: object, name: str) -> bool:
    """Return whether the database says that it left this out."""
    return _field(omitted, name) is True


def totals_of(context: ClientContext) -> dict[str, Any]:
    """Return the counts and sums over all records of a client, those included that the database left out."""
    omitted = context.omitted
    overdue = _field(_field(omitted, "tasks"), "overdue")
    deals = ((row.currency, row.amount) for row in context.active_deals)
    orders = ((row.currency, row.total) for row in context.order_history)
    return {
        "openDeals": len(context.active_deals) + omitted_count(omitted, "deals"),
        "openDealAmounts": _sums(deals, _field(_field(omitted, "deals"), "amounts")),
        "pendingTasks": len(context.pending_tasks) + omitted_count(omitted, "tasks"),
        "overdueTasks": sum(row.overdue for row in context.pending_tasks) + omitted_count({"tasks": overdue}, "tasks"),
        "orders": len(context.order_history) + omitted_count(omitted, "orders"),
        "orderTotals": _sums(orders, _field(_field(omitted, "orders"), "totals")),
    }


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else None


def _sums(rows: Iterable[tuple[str | None, Decimal | None]], left_out: object) -> dict[str, str]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    more = (
        ((code, _AMOUNT.validate_python(value)) for code, value in left_out.items())
        if isinstance(left_out, Mapping)
        else ()
    )
    for code, amount in (*rows, *more):
        sums[clean(code, limit=10) or "no currency"] += amount or 0
    return {code: amount_text(amount) for code, amount in sums.items()} if len(sums) <= _CURRENCIES else {}
