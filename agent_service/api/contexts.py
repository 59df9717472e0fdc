"""Contexts of clients, kept by user and client, and handed out again while Postgres says that nothing has moved."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from agent_service.api.auth import Caller
from agent_service.api.metrics import Metrics
from agent_service.errors import UnexpectedAnswerError
from agent_service.supabase import Supabase

__all__ = ["Contexts", "Loaded"]

MEMORY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """A context as JSON, and its version; body is None where the reader has it already."""

    version: str
    body: bytes | None


class Contexts:
    """One question to Postgres for each request: under the caller's rights, so that none are outlived by the memory."""

    def __init__(self, supabase: Supabase, metrics: Metrics, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._supabase = supabase
        self._metrics = metrics
        self._room = memory_bytes
        self._kept: OrderedDict[tuple[UUID, UUID, int], Loaded] = OrderedDict()

    async def load(self, caller: Caller, client_id: UUID, *, days: int, shown: str | None) -> Loaded:
        """Return the client's context as the caller sees it now. shown: the version that the reader has.

        Raises what `Supabase.rpc` raises: RateLimitedError where it is asked for too often.
        """
        key = (caller.user_id, client_id, days)
        kept = self._kept.get(key)
        answer = await self._supabase.rpc(
            "load_client_context",
            {
                "p_client_id": str(client_id),
                "p_days": days,
                "p_shown": shown,
                "p_kept": kept.version if kept is not None else None,
            },
            token=caller.token,
        )
        if not isinstance(answer, dict) or not isinstance(answer.get("version"), str):
            raise UnexpectedAnswerError
        version, context = answer["version"], answer.get("context")
        if version == shown:
            self._metrics.contexts.labels("unchanged").inc()
            return Loaded(version, None)
        if kept is not None and version == kept.version:
            if key in self._kept:  # others may have filled the room while we asked
                self._kept.move_to_end(key)
            self._metrics.contexts.labels("memory").inc()
            return kept
        self._metrics.contexts.labels("database").inc()
        return self._keep(key, Loaded(version, json.dumps(context, ensure_ascii=False, separators=(",", ":")).encode()))

    def _keep(self, key: tuple[UUID, UUID, int], loaded: Loaded) -> Loaded:
        old = self._kept.pop(key, None)
        self._room += _size(old) - _size(loaded)
        self._kept[key] = loaded
        while self._room < 0 and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._room += _size(oldest)
        return loaded


def _size(loaded: Loaded | None) -> int:
    return len(loaded.body or b"") + 500 if loaded is not None else 0
