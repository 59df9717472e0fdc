"""Reading a whole answer as what was asked for."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from agent_service.errors import AnswerUnusableError
from agent_service.llm.protocol import Completion

__all__ = ["structured_output"]

M = TypeVar("M", bound=BaseModel)


def structured_output(completion: Completion, output: type[M]) -> M:
    """Return the completion's text as `output`. Raises AnswerUnusableError with what the answer cost."""
    try:
        return output.model_validate_json(completion.text)
    except ValidationError:
        # From None: pydantic's text quotes the answer.
        error = AnswerUnusableError()
        error.usage = dataclasses.asdict(completion.usage)
        raise error from None
