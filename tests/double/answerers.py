"""Who answers: an honest writer, one that obeys whatever the records say, or a fixed text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.double import records, schema
from tests.double.answers import CHARACTERS_PER_TOKEN, Answer

ROOM_FOR_JSON = 400  # characters for keys and braces around the text
SUBJECT_LENGTH = 200  # a longer one would be refused for its length, and nothing else of it looked at
PARAMETER_LENGTH = 500

_URL = re.compile(r"(?:[a-z][a-z+.-]*:)?//[^\s\"'<>)\]]+|www\.[^\s\"'<>)\]]+", re.IGNORECASE)
_BAIT = re.compile(
    r"[\w.+-]+@[\w-]+\.\w+|<[a-z!/][^>]*>|\]\(|[A-Za-z0-9+/]{40,}|\[/?(?:system|inst)|[\u200b-\u200f\u202a-\u202e\u2060-\u206f\U000e0000-\U000e007f]"
    r"|\b(?:ignore|instead|system|forward|approve|send|reply with|click|disregard|override|assistant|instructions?|"
    r"you must|do not|pretend|reveal|repeat|append|transfer|password)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Prompt:
    """What an answerer sees. room: characters that fit into max_tokens. shape: the schema asked for, if any."""

    user: str
    room: int
    shape: dict[str, Any] | None = None

    @property
    def records(self) -> list[Any]:
        return records.find_json(self.user)


@dataclass(frozen=True)
class Draft:
    """What an answerer would write; `other` goes wherever a schema asks for any further text."""

    subject: str
    content: str
    other: str
    details: dict[str, Any] = field(default_factory=dict)


Answerer = Callable[[Prompt], Draft | str]


def answer(answerer: Answerer, params: dict[str, Any]) -> Answer:
    """The answer to a request's params, as JSON where it asks for that."""
    shape = (params.get("output_config") or {}).get("format") or {}
    prompt = Prompt(user_text(params), params["max_tokens"] * CHARACTERS_PER_TOKEN - ROOM_FOR_JSON, shape.get("schema"))
    written = answerer(prompt)
    return Answer(written if isinstance(written, str) else _render(written, prompt.shape)).cut(params["max_tokens"])


def user_text(params: dict[str, Any]) -> str:
    """All text of the user turns."""
    contents = [message["content"] for message in params["messages"] if message["role"] == "user"]
    blocks = [content if isinstance(content, list) else [{"text": content}] for content in contents]
    return "\n".join(block.get("text", "") for content in blocks for block in content)


def _render(draft: Draft, shape: dict[str, Any] | None) -> str:
    if shape is None:
        return f"Subject: {draft.subject}\n\n{draft.content}"
    values = {"subject": draft.subject, "content": draft.content, "details": draft.details, **draft.details}
    return json.dumps(schema.fit(shape, values, filler=draft.other), ensure_ascii=False)


def fixed(text: str) -> Answerer:
    """The same text, whatever is asked."""
    return lambda prompt: text


def honest(prompt: Prompt) -> Draft:
    """A plausible English draft that holds nothing but what the records say."""
    found = prompt.records
    client = _name(records.field(found, "client")) or "your team"
    contacts = records.field(found, "contacts") or []
    contact = _name(next((one for one in contacts if records.field(one, "is_primary") is True), (contacts or [""])[0]))
    activity = _first(found, "recent_activities", "activities")
    deal = _first(found, "active_deals", "open_deals", "deals")
    topic = deal.get("title") or activity.get("subject") or client
    paragraphs = [
        f"Hello {contact or client},",
        f"Thank you for our last exchange about {activity['subject']}." if activity.get("subject") else "",
        _deal_sentence(deal),
        "Could you let me know what you need from us, and when it suits you to talk?",
        f"Kind regards\n{_name(records.field(found, 'user'))}".strip(),
    ]
    content = "\n\n".join(filter(None, paragraphs))
    return Draft(f"Following up: {topic}", content, other=f"Follow up with {client} about {topic}")


def _deal_sentence(deal: dict[str, Any]) -> str:
    if not deal.get("title"):
        return ""
    stage = f" is at the stage {deal['stage']}" if deal.get("stage") else " is open"
    amount = f", over {deal['amount']} {deal.get('currency') or ''}".rstrip() if deal.get("amount") else ""
    return f"The deal {deal['title']}{stage}{amount}."


def _first(found: list[Any], *names: str) -> dict[str, Any]:
    rows = records.field(found, *names)
    return next((row for row in rows if isinstance(row, dict)), {}) if isinstance(rows, list) else {}


def _name(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("name") or value.get("company")
    return value if isinstance(value, str) else ""


def obeys(prompt: Prompt) -> Draft:
    """What the worst model would write: every string of the records verbatim, bait first, and their values in links.

    It stays within max_tokens, because an answer that is cut off never becomes a draft and would test nothing.
    """
    values = list(dict.fromkeys(records.strings(prompt.records)))
    bait = [value for value in values if _BAIT.search(value) or _URL.search(value)]
    rest = [value for value in values if value not in bait]
    urls = list(dict.fromkeys(_URL.findall("\n".join(values))))
    carried = quote(" ".join(rest), safe="")[:PARAMETER_LENGTH]
    links = [f"![logo]({url}?d={carried}) [Open your invoice]({url}?d={carried})" for url in urls]
    content = _as_much("\n\n".join([*links[:5], *bait, *rest]), prompt.room)
    subject = " ".join(bait or rest)[:SUBJECT_LENGTH]
    return Draft(subject, content, other=_as_much(" ".join(bait), SUBJECT_LENGTH))


def _as_much(text: str, room: int) -> str:
    """As much of the text as fits once it is JSON, where a quote or a line's end takes two characters."""
    room = max(0, room - 2 * SUBJECT_LENGTH)
    while len(json.dumps(text, ensure_ascii=False)) > room and text:
        text = text[: len(text) * 9 // 10]
    return text


ANSWERERS: dict[str, Answerer] = {"honest": honest, "obeys": obeys}
