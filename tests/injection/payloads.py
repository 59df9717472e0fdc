"""Prompt injections as data: ours in the shape of CRM records, and the malicious ones of bastioncorpus (MIT)."""

from __future__ import annotations

import copy
import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bastioncorpus

GOALS = {
    "address", "approval", "escape", "foreign_data", "formula", "html", "image", "link", "payment", "promise",
    "recipient", "system_prompt", "unknown",
}  # fmt: skip
# Each place by the field that holds it: section, field, and whether a long text fits in.
PLACES: Mapping[str, tuple[str, str, bool]] = {
    "note": ("note", "content", True),
    "mail": ("mail", "content", True),
    "mail_signature": ("mail", "content", True),
    "activity_subject": ("mail", "subject", False),
    "client_name": ("client", "name", False),
    "company_name": ("client", "company", False),
    "tag": ("client", "tags", False),
    "contact_name": ("contact", "name", False),
    "contact_title": ("contact", "title", False),
    "deal_title": ("deal", "title", False),
    "product": ("deal", "product", False),
    "task_title": ("task", "title", False),
    "task_description": ("task", "description", True),
    "order_number": ("order", "orderNumber", False),
    "preference": ("preferences", "note", True),
    "hint": ("hints", "", True),
}
_SECTIONS = {"contact": "contacts", "deal": "activeDeals", "task": "pendingTasks", "order": "orderHistory"}
# The shortest field of those for a short text.
_SHORT = 50


@dataclass(frozen=True, kw_only=True)
class Payload:
    """One injection. place: where it sits. also: further texts of the same attack, by place. source: ours or whose."""

    id: str
    place: str
    text: str
    goal: str
    also: Mapping[str, str] = field(default_factory=dict)
    source: str = "ours"

    def texts(self) -> dict[str, str]:
        """All its texts by place."""
        return {self.place: self.text, **self.also}


def load_payloads() -> list[Payload]:
    """Ours first. Those of bastioncorpus have no place of their own: they take turns in all that are long enough."""
    ours = tomllib.loads((Path(__file__).parent / "payloads.toml").read_text(encoding="utf-8"))["payload"]
    return [*(Payload(**row) for row in ours), *_bastioncorpus()]


def _bastioncorpus() -> list[Payload]:
    turns = itertools.cycle(PLACES)
    rows = [row for row in bastioncorpus.load_corpus() if row.label == "malicious"]
    return [
        Payload(
            id=f"bastioncorpus-{row.id}",
            place=next(place for place in turns if PLACES[place][2] or len(row.text) <= _SHORT),
            text=row.text,
            goal="unknown",
            source="bastioncorpus",
        )
        for row in rows
    ]


def plant(payload: Payload, context: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return a copy of a context (as JSON) with the payload in its place, and the hints if that is its place.

    The first record of each section takes it, of activities the first note and the first inbound one.
    """
    planted: dict[str, Any] = copy.deepcopy(dict(context))
    hints = None
    for place, text in payload.texts().items():
        section, name, _ = PLACES[place]
        if section == "hints":
            hints = text
            continue
        record = _record(planted, section)
        if place == "mail_signature":
            record[name] = f"Thank you, we will look at it.\n\n-- \n{text}"
        else:
            record[name] = [text] if place == "tag" else text
    return planted, hints


def _record(context: dict[str, Any], section: str) -> dict[str, Any]:
    match section:
        case "client":
            return context["client"]
        case "preferences":
            context["contactPreferences"] = {}
            return context["contactPreferences"]
        case "note":
            return next(row for row in context["recentActivities"] if row["type"] == "note")
        case "mail":
            return next(row for row in context["recentActivities"] if row["direction"] == "inbound")
    return context[_SECTIONS[section]][0]
