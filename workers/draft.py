"""Jobs of kind `draft`."""

from __future__ import annotations

from agent_service.drafts import draft_handler
from agent_service.execution import Handler
from agent_service.jobs import Jobs
from agent_service.llm.offline import OfflineWriter

__all__ = ["KIND", "make_handler"]

KIND = "draft"


def make_handler(jobs: Jobs) -> Handler:
    """Return the handler of draft jobs, with the writer that this installation has."""
    return draft_handler(jobs, OfflineWriter())
