"""What a provider is given, what it hands back. A provider knows nothing of jobs, tokens or the database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from agent_service.context import ClientContext

__all__ = [
    "BatchAnswer",
    "Completion",
    "DraftBrief",
    "DraftOutput",
    "DraftText",
    "DraftType",
    "Fact",
    "Prompt",
    "Provider",
    "Purpose",
    "TaskDetails",
    "Usage",
    "Writer",
]

DraftType = Literal["email", "note", "task", "memo"]
Purpose = Literal["follow_up", "check_in", "deal_update", "task_reminder", "custom"]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftBrief:
    """What to write, for whom, and the records it may rest on.

    language: a BCP 47 tag. contact_id, deal_id, task_id: what the user asked about, where they said so.
    """

    draft_type: DraftType
    purpose: Purpose
    language: str
    context: ClientContext
    hints: str | None = None
    contact_id: str | None = None
    deal_id: str | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """One record that the text rests on: kind (client, contact, activity, deal, task, order), id and a short label."""

    kind: str
    id: str | None
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What one attempt cost. Tokens are 0 where no model was asked; input_tokens are those not cached."""

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
    notes: stable codes of what the reader should know, e.g. `language_unavailable`. grounding: what the checks found.
    """

    subject: str
    content: str
    language: str
    provider: str
    model: str
    details: Mapping[str, Any] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    grounding: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)


class Writer(Protocol):
    """Anything that can write a draft without a model: the offline templates."""

    async def write(self, brief: DraftBrief, /) -> DraftText:
        """Write one draft. Raises InvalidOutputError."""
        ...


class TaskDetails(BaseModel):
    """What a task needs beside its text."""

    model_config = ConfigDict(extra="ignore")

    due_at: str | None = None
    priority: str | None = None


class DraftOutput(BaseModel):
    """The JSON that a model writes for a draft."""

    model_config = ConfigDict(extra="ignore")

    subject: str = Field(max_length=2000)
    content: str = Field(min_length=1, max_length=60000)
    details: TaskDetails = Field(default_factory=TaskDetails)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """One question to a provider.

    system: ours, the same for all clients. user: the one turn, with the records. schema: JSON schema of the answer, or
    none for plain text. brief: what `user` was built from, for a provider that reads no prompts. input_tokens: an
    estimate that is not too low.
    """

    model: str
    system: str
    user: str
    max_output_tokens: int = 1024
    input_tokens: int = 0
    schema: Mapping[str, Any] | None = None
    brief: DraftBrief | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """A whole answer: it ended by itself (`end_turn`) and has text; anything else is an error.

    facts, notes and language: where the provider knows what it used; a model does not.
    """

    text: str
    provider: str
    model: str
    usage: Usage
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    language: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchAnswer:
    """One result of a batch: a completion, or the error that stands for it."""

    custom_id: str
    completion: Completion | None = None
    error: Exception | None = None


class Provider(Protocol):
    """A model, or what stands in for one.

    Every method raises the errors of `agent_service.errors` that say whether the provider is away (ProviderError, its
    `usage` None where it may have cost something that nobody told us) or the answer is of no use.
    deadline: seconds until the call is given up.
    """

    name: str

    async def complete(self, prompt: Prompt, *, deadline: float) -> Completion:
        """Return the whole answer."""
        ...

    def stream(self, prompt: Prompt, *, deadline: float) -> AsyncGenerator[str | Completion, None]:
        """Yield the text as it comes and the completion last. Leaving the iteration ends the call."""
        ...

    async def structured(self, prompt: Prompt, output: type[M], *, deadline: float) -> tuple[M, Completion]:
        """Return the answer as `output`, whose JSON schema the provider was held to."""
        ...

    async def count_tokens(self, prompt: Prompt) -> int:
        """Return how many tokens the prompt has for its model."""
        ...

    async def start_batch(self, prompts: Mapping[str, Prompt]) -> str:
        """Hand in prompts by custom id, to be answered within a day at half the price; return the batch's id."""
        ...

    async def read_batch(self, batch_id: str) -> list[BatchAnswer] | None:
        """Return the results, in any order and perhaps not all; None while the batch runs."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
