"""From a model's answer to a draft: hostile until it was cleaned, unproven until it was grounded."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable

from agent_service.errors import AnswerUnusableError
from agent_service.grounding import Grounding, clean_markdown, ground
from agent_service.grounding.language import is_in_language
from agent_service.llm.answers import structured_output
from agent_service.llm.plain_text import clean
from agent_service.llm.protocol import Completion, DraftBrief, DraftOutput, DraftText, TaskDetails

__all__ = ["checked_draft"]

SUBJECT_LENGTH = 150
CONTENT_LENGTH = 20_000
# Schemes that need no slashes, and what is left of a tag that was cut off: the database refuses them as well.
_SCHEME = re.compile(r"\b(javascript|vbscript|data|mailto|tel|sms):(?=\S)", re.IGNORECASE)
_OPENS_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ADDRESS = re.compile(r"[\w.+%\\-]+@[\w\\-]+(?:\.[\w\\-]+)+")
NO_SUBJECT = "[Subject]"
GAP = "[address removed]"
MARKDOWN_GAP = r"\[address removed\]"
PRIORITIES = ("low", "medium", "high")


def checked_draft(completion: Completion, brief: DraftBrief) -> DraftText:
    """Return the draft with links, images and markup taken out and what the records do not hold flagged.

    Raises AnswerUnusableError, with what the answer cost, for what can be no draft: no JSON, no text, another language.
    """
    output = structured_output(completion, DraftOutput)
    cleaned = clean_markdown(output.content)
    subject = _OPENS_TAG.sub("", _SCHEME.sub(r"\1 ", clean(output.subject, limit=SUBJECT_LENGTH)))
    content = _SCHEME.sub(r"\1 ", cleaned.text).strip()
    if brief.draft_type in {"email", "task"}:
        subject = subject or NO_SUBJECT  # a gap that a person has to fill
    if not content or len(content) > CONTENT_LENGTH:
        raise _unusable(completion, "The model's answer has no text that can be a draft.")
    if is_in_language(content, brief.language) is False:
        raise _unusable(completion, "The model wrote in another language than it was asked to.")
    draft = DraftText(
        subject=subject,
        content=content,
        language=brief.language,
        provider=completion.provider,
        model=completion.model,
        details=_details(output.details) if brief.draft_type == "task" else {},
        usage=completion.usage,
    )
    codes = set(cleaned.removed)
    found = _ground(draft, brief)
    if (known := _without_strangers(draft, found, brief)) != draft:
        draft, found = known, _ground(known, brief)
        codes.add("address_removed")
    return dataclasses.replace(draft, grounding=found.with_codes(codes).as_json())


def _ground(draft: DraftText, brief: DraftBrief) -> Grounding:
    return ground(
        draft,
        brief.context,
        hints=brief.hints,
        today=brief.context.today or dt.datetime.now(dt.UTC).date(),
        user_name=brief.context.user.name,
    )


def _without_strangers(draft: DraftText, found: Grounding, brief: DraftBrief) -> DraftText:
    """Put a gap for a person to fill where an address stands that is not the client's: it never gets into a table."""
    ours = {contact.email.strip().lower() for contact in brief.context.contacts if contact.email}
    known = []
    for name, text, gap in (("subject", draft.subject, GAP), ("content", draft.content, MARKDOWN_GAP)):
        spans = {(span.start, span.end) for span in found.spans if span.field == name and span.kind == "address"}
        spans |= {match.span() for match in _ADDRESS.finditer(text) if match[0].replace("\\", "").lower() not in ours}
        known.append(_replace(text, spans, gap))
    return dataclasses.replace(draft, subject=known[0], content=known[1])


def _replace(text: str, spans: Iterable[tuple[int, int]], gap: str) -> str:
    """Put `gap` once for spans that overlap."""
    parts, at = [], 0
    for start, end in sorted(spans):
        if start >= at:
            parts += [text[at:start], gap]
        at = max(at, end)
    return "".join([*parts, text[at:]])


def _details(details: TaskDetails) -> dict[str, str]:
    """Keep what a task can use: a due time with its zone, a priority that exists."""
    kept = {}
    if details.priority in PRIORITIES:
        kept["priority"] = str(details.priority)
    try:
        due = dt.datetime.fromisoformat(details.due_at or "")
    except ValueError:
        return kept
    if due.tzinfo is not None:
        kept["due_at"] = due.isoformat(timespec="seconds")
    return kept


def _unusable(completion: Completion, message: str) -> AnswerUnusableError:
    error = AnswerUnusableError(message)
    error.usage = dataclasses.asdict(completion.usage)
    return error
