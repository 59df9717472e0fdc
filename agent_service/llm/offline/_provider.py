"""The offline writer as a provider: it answers from the brief and reads no prompt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import TypeVar

from pydantic import BaseModel

from agent_service.errors import ProviderConfigurationError
from agent_service.llm.offline._writer import PROVIDER, OfflineWriter
from agent_service.llm.protocol import BatchAnswer, Completion, DraftOutput, Prompt, TaskDetails, Writer

__all__ = ["OfflineProvider"]

M = TypeVar("M", bound=BaseModel)


class OfflineProvider:
    """A Provider that asks nobody and costs nothing; it can only write drafts."""

    name = PROVIDER

    def __init__(self, writer: Writer | None = None) -> None:
        self._writer = writer or OfflineWriter()

    async def complete(self, prompt: Prompt, *, deadline: float) -> Completion:  # noqa: ARG002 - it takes no time
        """Return the draft that the brief asks for, as the JSON of a DraftOutput."""
        if prompt.brief is None:
            raise ProviderConfigurationError("Without a model only drafts can be written.")
        text = await self._writer.write(prompt.brief)
        output = DraftOutput(subject=text.subject, content=text.content, details=TaskDetails(**text.details))
        return Completion(
            text=output.model_dump_json(exclude_none=True),
            provider=text.provider,
            model=text.model,
            usage=text.usage,
            facts=text.facts,
            notes=text.notes,
            language=text.language,
        )

    async def structured(self, prompt: Prompt, output: type[M], *, deadline: float) -> tuple[M, Completion]:
        """Return the draft as `output`."""
        completion = await self.complete(prompt, deadline=deadline)
        return output.model_validate_json(completion.text), completion

    async def stream(self, prompt: Prompt, *, deadline: float) -> AsyncGenerator[str | Completion, None]:
        """Yield the whole text at once, then the completion."""
        completion = await self.complete(prompt, deadline=deadline)
        yield completion.text
        yield completion

    async def count_tokens(self, prompt: Prompt) -> int:  # noqa: ARG002
        """Nothing is read, so nothing is counted."""
        return 0

    async def start_batch(self, prompts: Mapping[str, Prompt]) -> str:  # noqa: ARG002
        """There is nobody to hand a batch to."""
        raise ProviderConfigurationError("Batches need a model: set ANTHROPIC_API_KEY.")

    async def read_batch(self, batch_id: str) -> list[BatchAnswer] | None:  # noqa: ARG002
        """There is nobody to hand a batch to."""
        raise ProviderConfigurationError("Batches need a model: set ANTHROPIC_API_KEY.")

    async def aclose(self) -> None:
        """Nothing is open."""
