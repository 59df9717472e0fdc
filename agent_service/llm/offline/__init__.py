"""The offline writer. It invents nothing, understands nothing, and asks nobody."""

from __future__ import annotations

from agent_service.llm.offline._provider import OfflineProvider
from agent_service.llm.offline._writer import FALLBACK_LANGUAGE, LANGUAGES, MODEL, PROVIDER, OfflineWriter

__all__ = ["FALLBACK_LANGUAGE", "LANGUAGES", "MODEL", "PROVIDER", "OfflineProvider", "OfflineWriter"]
