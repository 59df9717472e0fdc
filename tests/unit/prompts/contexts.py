"""Contexts for tests: any that the model accepts, and full ones whose every text is known."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st

from agent_service.context import ClientContext
from agent_service.llm.protocol import DraftBrief

INSTRUCTIONS = "Write an email to the contact named as recipient. " * 8
CHARACTERS = st.one_of(st.sampled_from('<>"\\\n\r\t{}[]é中🙂\u200b\u202e\ud800\x00\U000e0041＜'), st.characters())
TEXTS = st.none() | st.builds(lambda text, times: text * times, st.text(CHARACTERS, max_size=40), st.integers(1, 120))
DAYS = st.none() | st.dates(dt.date(2024, 1, 1), dt.date(2027, 12, 31)).map(dt.date.isoformat)
AMOUNTS = st.none() | st.decimals(allow_nan=True, allow_infinity=True).map(str)
COUNTS = st.integers(0, 500)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(CHARACTERS, max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(CHARACTERS, max_size=10), inner, max_size=4),
    max_leaves=12,
)


def _row(letter: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    rows = st.lists(st.fixed_dictionaries(fields), max_size=12)
    return rows.map(lambda rows: [row | {"id": f"{letter}{place}"} for place, row in enumerate(rows)])


CONTEXTS = st.fixed_dictionaries(
    {
        "client": st.fixed_dictionaries({"name": TEXTS, "company": TEXTS, "tags": st.lists(TEXTS, max_size=30)}),
        "contacts": _row("contact", name=TEXTS, email=TEXTS, title=TEXTS, isPrimary=st.booleans()),
        "recentActivities": _row(
            "activity", type=TEXTS, direction=st.sampled_from(["inbound", "Outbound", None]), subject=TEXTS,
            content=TEXTS, sentiment=TEXTS, status=st.sampled_from(["completed", "scheduled", None]),
            occurredAt=DAYS, contactName=TEXTS, dealId=st.sampled_from(["deal0", "deal7", None]),
        ),
        "activeDeals": _row(
            "deal", title=TEXTS, product=TEXTS, stage=TEXTS, amount=AMOUNTS, currency=TEXTS, expectedClose=DAYS,
            openedAt=DAYS, stageSince=DAYS,
        ),
        "pendingTasks": _row(
            "task", title=TEXTS, description=TEXTS, priority=TEXTS, dueAt=DAYS, overdue=st.booleans(),
            dealId=st.sampled_from(["deal0", None]),
        ),
        "orderHistory": _row(
            "order", orderNumber=TEXTS, product=TEXTS, status=TEXTS, total=AMOUNTS, currency=TEXTS, orderedAt=DAYS
        ),
        "contactPreferences": JSON,
        "lastInteraction": DAYS,
        "user": st.fixed_dictionaries({"name": TEXTS}),
        "today": st.just("2026-11-23"),
        "omitted": JSON | st.fixed_dictionaries(
            {
                "activities": COUNTS,
                "contacts": COUNTS,
                "contactPreferences": st.booleans(),
                "deals": st.fixed_dictionaries({"count": COUNTS, "amounts": st.dictionaries(TEXTS.map(str), AMOUNTS)}),
                "tasks": st.fixed_dictionaries({"count": COUNTS, "overdue": COUNTS}),
                "orders": st.fixed_dictionaries({"count": COUNTS, "totals": st.dictionaries(TEXTS.map(str), AMOUNTS)}),
            }
        ),
    }
)  # fmt: skip
BRIEFS = st.builds(
    DraftBrief,
    draft_type=st.sampled_from(["email", "note", "task", "memo"]),
    purpose=st.sampled_from(["follow_up", "check_in", "deal_update", "task_reminder", "custom"]),
    language=st.sampled_from(["en", "pt-BR", "nonsense"]),
    context=CONTEXTS.map(ClientContext.model_validate),
    hints=st.none() | st.text(CHARACTERS, max_size=100).map(lambda text: (text * 20)[:2048]),
    contact_id=st.sampled_from([None, "contact0", "contact3"]),
    deal_id=st.sampled_from([None, "deal0", "deal5"]),
    task_id=st.sampled_from([None, "task0", "task5"]),
)


def full_context(say: Any, *, rows: int = 3) -> dict[str, Any]:
    """A context with `say(field)` in every text field, `rows` records in every section, newest first."""
    day = dt.date(2026, 11, 20)

    def days(place: int) -> str:
        return (day - dt.timedelta(days=place)).isoformat()

    return {
        "client": {"id": "k", "name": say("client"), "company": say("company"), "tags": [say("tag")]},
        "contacts": [
            {"id": f"contact{n}", "name": say("name"), "email": f"{say('email')}@example.com", "title": say("title"),
             "isPrimary": n == 0}
            for n in range(rows)
        ],
        "recentActivities": [
            {"id": f"activity{n}", "type": "email", "direction": "outbound" if n % 3 else "inbound",
             "subject": say("subject"), "content": say("content"), "sentiment": say("sentiment"),
             "status": "completed", "occurredAt": days(n), "contactName": say("who"), "dealId": "deal0"}
            for n in range(rows)
        ],
        "activeDeals": [
            {"id": f"deal{n}", "title": say("deal"), "product": say("product"), "stage": say("stage"),
             "amount": 1000 * (n + 1), "currency": "EUR", "expectedClose": days(-n), "openedAt": days(90)}
            for n in range(rows)
        ],
        "pendingTasks": [
            {"id": f"task{n}", "title": say("task"), "description": say("description"), "priority": say("priority"),
             "dueAt": days(n - 1), "overdue": n > 1, "dealId": "deal1"}
            for n in range(rows)
        ],
        "orderHistory": [
            {"id": f"order{n}", "orderNumber": say("number"), "product": say("ordered"), "status": say("status"),
             "total": 100 + n, "currency": "EUR", "orderedAt": days(n)}
            for n in range(rows)
        ],
        "contactPreferences": {say("key"): say("preference")},
        "lastInteraction": "2026-11-20",
        "user": {"id": "u", "name": say("user")},
        "today": "2026-11-23",
        "days": 366,
        "omitted": {},
    }  # fmt: skip
