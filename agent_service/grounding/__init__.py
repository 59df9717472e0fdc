"""The checks on what a model wrote: its markup, its claims against the client's records, its language."""

from __future__ import annotations

from agent_service.grounding.checking import ground
from agent_service.grounding.markup import Cleaned, clean_markdown, to_html, to_text
from agent_service.grounding.spans import Grounding, Span

__all__ = ["Cleaned", "Grounding", "Span", "clean_markdown", "ground", "to_html", "to_text"]
