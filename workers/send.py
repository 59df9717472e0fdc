"""Jobs of kind `send`."""

from __future__ import annotations

from agent_service.execution import Handler
from agent_service.jobs import Jobs
from agent_service.mail import MailServer, send_handler

__all__ = ["KIND", "make_handler"]

KIND = "send"


def make_handler(jobs: Jobs, server: MailServer) -> Handler:
    """Return the handler of send jobs, with the mail server of this installation."""
    return send_handler(jobs, server)
