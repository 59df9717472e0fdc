"""The place where a page ends, as text that clients hand back as they got it."""

from __future__ import annotations

import base64
import json
from typing import Any

from agent_service.api.problems import ProblemError

__all__ = ["read_cursor", "write_cursor"]


def write_cursor(place: dict[str, Any] | None) -> str | None:
    """Return the place as base64url of JSON, or None for none."""
    return None if place is None else base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read_cursor(text: str | None, *, field: str) -> dict[str, Any] | None:
    """Return the place. Raises ProblemError, which names the field, for what is no place."""
    if text is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        place = None
    if not isinstance(place, dict):
        raise ProblemError(400, "invalid_argument", f"{field} is not the next of a page.", hint="Leave it out.")
    return place
