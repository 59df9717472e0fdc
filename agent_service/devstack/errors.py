"""What can go wrong with the local stack."""

from __future__ import annotations

from agent_service.errors import PermanentError

__all__ = ["DevstackError"]


class DevstackError(PermanentError):
    """The local stack could not be started or stopped; the message says why and what to do."""
