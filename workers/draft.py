"""Jobs of kind `draft`."""

from __future__ import annotations

from agent_service.drafts import draft_handler
from agent_service.execution import Handler
from agent_service.jobs import Jobs
from agent_service.writing import Providers

__all__ = ["KIND", "make_handler"]

KIND = "draft"


def make_handler(jobs: Jobs, providers: Providers) -> Handler:
    """Return the handler of draft jobs, with those who write in this installation."""
    return draft_handler(jobs, providers)
