"""The public keys that Auth signs users' tokens with, fetched from its JWKS."""

from __future__ import annotations

import asyncio
import time

import httpx
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWKSetError, PyJWTError

from agent_service.errors import ServerUnreachableError
from agent_service.logging import get_logger

__all__ = ["ALGORITHMS", "KeySet"]

ALGORITHMS = ("ES256", "RS256")


class KeySet:
    """The keys by their `kid`. An unknown one makes it ask again, at most once a minute whoever names how many.

    A key that was taken out is forgotten within `max_age` seconds; while Auth is away the keys that are known hold.
    """

    min_interval = 60.0
    retry_interval = 5.0
    max_age = 600.0

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self._keys: dict[str, PyJWK] = {}
        self._next_at = 0.0
        self._stale_at = 0.0
        self._asking = asyncio.Lock()

    async def find(self, kid: str) -> PyJWK | None:
        """Return the key, or None if Auth has none of that name. Raises ServerUnreachableError."""
        if kid not in self._keys or time.monotonic() >= self._stale_at:
            async with self._asking:
                await self._refresh(kid)
        return self._keys.get(kid)

    async def _refresh(self, kid: str) -> None:
        now = time.monotonic()
        if now < self._next_at or (kid in self._keys and now < self._stale_at):
            return  # somebody else has just asked
        self._next_at = now + self.min_interval
        try:
            answer = await self._http.get(self._url)
            answer.raise_for_status()
            found = answer.json()
            self._keys = _usable(found)
            self._stale_at = now + self.max_age
        except (httpx.HTTPError, ValueError) as error:
            self._next_at = now + self.retry_interval
            get_logger().warning("api.keys_unreachable", error=error)
            if not self._keys:
                raise ServerUnreachableError("The keys of Supabase Auth could not be read.") from error


def _usable(found: object) -> dict[str, PyJWK]:
    """By kid, those of an algorithm of ours. A shared secret is never published, and not used if it is."""
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError("The answer is no key set.")  # noqa: TRY004 - of a value, not of an argument
    try:
        keys = PyJWKSet.from_dict({"keys": listed}).keys if listed else []
    except (PyJWKSetError, PyJWTError):
        keys = []
    return {key.key_id: key for key in keys if key.key_id and key.algorithm_name in ALGORITHMS}
