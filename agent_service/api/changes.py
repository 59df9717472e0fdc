"""The caller's own changes as a stream: drafts and requests that moved, by a cursor over (updated_at, id).

A row's updated_at is when its transaction began, and it is seen when that ends: one that took longer shows up behind
the cursor. Each look therefore starts a few seconds before it, and what was told already is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agent_service.api.auth import Caller
from agent_service.api.problems import ProblemError, problem_of
from agent_service.api.services import Services
from agent_service.api.sse import format_event
from agent_service.errors import AgentError, RetryableError, UnexpectedAnswerError

__all__ = ["Changes", "Cursor"]

LOOK_EVERY = 1.0
LOOK_BACK = dt.timedelta(seconds=5)
PAGE = 500
STREAMS_PER_USER = 10
_EVENT_ID = re.compile(r"([0-9T:.-]{19,26}\+00:00)/([0-9a-f-]{36})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the caller's changes. id None: behind all of that moment."""

    at: dt.datetime
    id: str | None = None

    @classmethod
    def parse(cls, event_id: str) -> Cursor:
        """Read the id of an event. Raises ProblemError."""
        if (match := _EVENT_ID.fullmatch(event_id)) is not None:
            with contextlib.suppress(ValueError, OverflowError):
                return cls(dt.datetime.fromisoformat(match[1]).astimezone(dt.UTC), str(UUID(match[2])))
        hint = "Send the id of the last event, or leave it out."
        raise ProblemError(400, "invalid_argument", "Last-Event-ID is not an id of ours.", hint=hint)

    def back(self) -> Cursor:
        """A place some seconds before."""
        with contextlib.suppress(OverflowError):
            return Cursor(self.at - LOOK_BACK)
        return self

    def __str__(self) -> str:
        return f"{self.at.isoformat()}/{self.id}"


@dataclass(slots=True)
class Changes:
    """One stream of one caller, until their token or the process ends."""

    services: Services
    caller: Caller
    cursor: Cursor | None = None
    every: float = LOOK_EVERY
    _told: dict[str, str] = field(default_factory=dict)

    async def open(self) -> None:
        """Take the stream's place. Raises ProblemError where the caller has too many, AgentError as `Supabase.rpc`."""
        if self.services.listeners[self.caller.user_id] >= STREAMS_PER_USER:
            sentence = f"You have {STREAMS_PER_USER} streams open."
            raise ProblemError(429, "too_many_streams", sentence, hint="Close one.", retry_after=30)
        self.services.listeners[self.caller.user_id] += 1
        try:
            if self.cursor is None:
                now = (await self._page(None))["now"]
                self.cursor = Cursor(dt.datetime.fromisoformat(now))
                await self._look()  # what is there already is no news
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the place back."""
        self.services.listeners[self.caller.user_id] -= 1
        if self.services.listeners[self.caller.user_id] <= 0:
            del self.services.listeners[self.caller.user_id]

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield an event for each change."""
        yield format_event("ready", {}, event_id=str(self.cursor) if self.cursor and self.cursor.id else None)
        while not self.services.stopping.is_set():
            if time.time() >= self.caller.expires_at:
                refusal = ProblemError(401, "token_expired", "Your sign-in has run out.", hint="Refresh the session.")
                yield _problem(refusal)
                return
            try:
                found = await self._look()
            except RetryableError:
                found = []
            except AgentError as error:
                yield _problem(problem_of(error))
                return
            for event in found:
                yield event
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.services.stopping.wait(), self.every)

    async def _look(self) -> list[bytes]:
        assert self.cursor is not None  # noqa: S101 - open has been called
        after, events = self.cursor.back(), []
        while True:
            items = (await self._page(after))["items"]
            for item in items:
                after = Cursor(dt.datetime.fromisoformat(item["updated_at"]).astimezone(dt.UTC), item["id"])
                if self._told.get(item["id"]) == item["updated_at"]:
                    continue
                self._told[item["id"]] = item["updated_at"]
                if (after.at, after.id) > (self.cursor.at, self.cursor.id or ""):
                    self.cursor = after
                events.append(format_event(item["kind"], _camel(item), event_id=str(self.cursor)))
            if len(items) < PAGE:
                break
        self._forget()
        return events

    async def _page(self, after: Cursor | None) -> dict[str, Any]:
        params: dict[str, Any] = {"p_limit": PAGE}
        if after is not None:
            params |= {"p_after": after.at.isoformat(), "p_after_id": after.id}
        page = await self.services.supabase.rpc("list_changes", params, token=self.caller.token)
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise UnexpectedAnswerError
        return page

    def _forget(self) -> None:
        """What lies further back than we look cannot come again."""
        assert self.cursor is not None  # noqa: S101
        oldest = self.cursor.back().at - LOOK_BACK
        self._told = {key: at for key, at in self._told.items() if dt.datetime.fromisoformat(at) >= oldest}


def _problem(error: ProblemError) -> bytes:
    return format_event("problem", error.problem.model_dump(by_alias=True, exclude_none=True))


def _camel(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": item["id"],
        "clientId": item["client_id"],
        "state": item["state"],
        "requestId": item["request_id"],
        "version": item["version"],
        "sentAt": item["sent_at"],
        "updatedAt": item["updated_at"],
    }
