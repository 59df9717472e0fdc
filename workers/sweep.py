"""Jobs of kind `sweep`."""

from __future__ import annotations

from agent_service.execution import Handler
from agent_service.jobs import Jobs
from agent_service.sweeping import sweep_handler

__all__ = ["KIND", "make_handler"]

KIND = "sweep"


def make_handler(jobs: Jobs) -> Handler:
    """Return the handler of sweep jobs: they need no model and no mail server."""
    return sweep_handler(jobs)
