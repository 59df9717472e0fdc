"""What a writer is given, what it hands back. A writer knows nothing of jobs, tokens or the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agent_service.context import ClientContext

__all__ = ["DraftBrief", "DraftText", "DraftType", "Fact", "Purpose", "Usage", "Writer"]

DraftType = Literal["email", "note", "task", "memo"]
Purpose = Literal["follow_up", "check_in", "deal_update", "task_reminder", "custom"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftBrief:
    """What to write, for whom, and the records it may rest on.

    language: a BCP 47 tag. contact_id, deal_id, task_id: what the user asked about, where they said so.
    model: the model that the project's routing chose; a writer with one of its own may ignore it.
    """

    draft_type: DraftType
    purpose: Purpose
    language: str
    context: ClientContext
    hints: str | None = None
    contact_id: str | None = None
    deal_id: str | None = None
    task_id: str | None = None
    model: str | None = None
    max_output_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class Fact:
    """One record that the text rests on: kind (client, contact, activity, deal, task, order), id and a short label."""

    kind: str
    id: str | None
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What one attempt cost. Tokens are 0 where no model was asked."""

    input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    latency_ms: int | None = None
    time_to_first_token_ms: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftText:
    """A draft: `content` is Markdown of paragraphs, lists and emphasis; `subject` is one plain line.

    language: the one it is really written in. details: of a task, `due_at` (ISO 8601 with zone) and `priority`.
    notes: stable codes of what the reader should know, e.g. `language_unavailable`.
    """

    subject: str
    content: str
    language: str
    provider: str
    model: str
    details: Mapping[str, Any] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)


class Writer(Protocol):
    """Anything that can write a draft: the offline templates, or a model."""

    async def write(self, brief: DraftBrief, /) -> DraftText:
        """Write one draft. Raises InvalidOutputError, WriterUnavailableError or WriterRateLimitedError."""
        ...
