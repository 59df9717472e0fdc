"""What a prompt leaves out and what nobody knows, in sentences: a model that is told asks, one that is not invents."""

from __future__ import annotations

from collections.abc import Mapping

from agent_service.context import Contact
from agent_service.llm.protocol import DraftBrief
from agent_service.prompts.choosing import Focus
from agent_service.prompts.records import Key, Piece, RecordBook, text_within
from agent_service.prompts.totals import omitted_count

__all__ = ["all_cut", "count_cut", "find_missing", "tell_cut", "tell_missing"]

_NOUNS = {
    "contacts": ("contact", "contacts"),
    "activities": ("older activity", "older activities"),
    "deals": ("open deal", "open deals"),
    "tasks": ("open task", "open tasks"),
    "orders": ("older order", "older orders"),
    "preferences": ("record of contact preferences", "records of contact preferences"),
    "examples": ("earlier draft", "earlier drafts"),
}
_SECTIONS = {
    "contacts": "contacts",
    "recentActivities": "activities",
    "activeDeals": "deals",
    "pendingTasks": "tasks",
    "orderHistory": "orders",
    "contactPreferences": "preferences",
}
_MISSING = {
    "client_name": "The client's name is not known.",
    "user_name": "The salesperson's name is not known.",
    "contact": "No contact at the client is known.",
    "recipient": "It is not known which of the contacts is meant.",
    "contact_email": "No e-mail address of this contact is known.",
    "asked_contact": "The contact that was asked for is not among the records.",
    "asked_deal": "The deal that was asked about is not among the open ones.",
    "asked_task": "The task that was asked about is not among the open ones.",
    "deal": "There is no open deal.",
    "task": "There is no open task.",
    "activity": "Nothing was said or done in the days that these records cover.",
    "inbound": "No message from the client is among the records.",
    "order": "There is no order.",
}


def count_cut(book: RecordBook, brief: DraftBrief, pieces: Mapping[Key, Piece]) -> dict[str, int]:
    """Return how many records of each section are not shown, by the database's choice or ours, and shortened texts."""
    omitted = brief.context.omitted
    cut = {
        name: len(book.sections[section]) - sum(key[0] == section for key in pieces) + omitted_count(omitted, name)
        for section, name in _SECTIONS.items()
    }
    cut["preferences"] += book.preferences_too_long
    cut["texts"] = sum(piece.shortened for piece in pieces.values())
    return cut


def all_cut(book: RecordBook, brief: DraftBrief) -> dict[str, int]:
    """Return the most that `count_cut` can ever count, for the room that its sentences need at most."""
    return count_cut(book, brief, {}) | {"texts": sum(len(rows) for rows in book.sections.values()), "hints": 1}


def tell_cut(cut: Mapping[str, int]) -> list[str]:
    """Return a sentence for each count that is not 0."""
    told = [
        f"{count} {one} was left out." if count == 1 else f"{count} {many} were left out."
        for name, (one, many) in _NOUNS.items()
        if (count := cut.get(name, 0))
    ]
    if cut.get("texts"):
        told.append(f'In {cut["texts"]} of the records a text was shortened; it ends in "…".')
    if cut.get("hints"):
        told.append("The end of the salesperson's hints was left out.")
    return told


def find_missing(brief: DraftBrief, focus: Focus) -> list[str]:
    """Return the stable codes of what the records do not tell."""
    context, omitted = brief.context, brief.context.omitted
    contact = context.contacts[focus.contact[1]] if focus.contact else None
    found = {
        "client_name": context.client.name or context.client.company,
        "user_name": context.user.name,
        "contact": context.contacts,
        "recipient": contact or not context.contacts,
        "contact_email": contact is None or _has_email(contact),
        "asked_contact": _found(brief.contact_id, contact),
        "asked_deal": focus.deal or not brief.deal_id,
        "asked_task": focus.task or not brief.task_id,
        "deal": context.active_deals or omitted_count(omitted, "deals"),
        "task": context.pending_tasks or omitted_count(omitted, "tasks"),
        "activity": context.recent_activities,
        "inbound": focus.inbound or not context.recent_activities,
        "order": context.order_history or omitted_count(omitted, "orders"),
    }
    return [code for code, value in found.items() if not value]


def tell_missing(codes: list[str]) -> list[str]:
    """Return a sentence for each code."""
    return [_MISSING[code] for code in codes]


def _has_email(contact: Contact) -> bool:
    address = text_within(contact.email or "", characters=200, size=1200)
    return "@" in address and not address.endswith("…")


def _found(asked: str | None, contact: Contact | None) -> bool:
    return not asked or (contact is not None and contact.id == asked)
