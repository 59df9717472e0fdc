"""The content of a draft while its JSON is still being written."""

from __future__ import annotations

from pydantic_core import from_json

__all__ = ["ContentStream"]


class ContentStream:
    """Turns pieces of a DraftOutput's JSON into pieces of its `content`."""

    def __init__(self) -> None:
        self._json: list[str] = []
        self._shown = 0

    def feed(self, piece: str) -> str:
        """Return what this piece adds to the content; "" if nothing can be seen yet."""
        self._json.append(piece)
        try:
            read = from_json("".join(self._json), allow_partial="trailing-strings")
        except ValueError:
            return ""
        content = read.get("content") if isinstance(read, dict) else None
        if not isinstance(content, str):
            return ""
        new = content[self._shown :]
        self._shown = len(content)
        return new
