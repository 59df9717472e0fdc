"""A worker that collects what the provider's batches have written and sends what can wait in new ones."""

from __future__ import annotations

import asyncio
import time

from agent_service.batching import Batching
from agent_service.errors import AgentError, RetryableError
from agent_service.logging import get_logger
from workers.runner import Summary

__all__ = ["BatchRunner"]

EVERY_SECONDS = 30.0


class BatchRunner:
    """Collects and sends each half minute until `stop`; with `once`, one round until nothing is due."""

    def __init__(self, batching: Batching, *, once: bool) -> None:
        self.summary = Summary()
        self._batching = batching
        self._once = once
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """Batches are for work that can wait: nothing is done sooner."""

    def stop(self) -> None:
        """End after the round that is going on; what is at the provider stays there."""
        self._stopping.set()

    async def run(self) -> Summary:
        """Work until stopped, or until one round is done."""
        started = time.monotonic()
        while not self._stopping.is_set() and await self._round() and not self._once:
            try:
                await asyncio.wait_for(self._stopping.wait(), EVERY_SECONDS)
            except TimeoutError:
                continue
        self.summary.ended = self._batching.ended
        self.summary.seconds = time.monotonic() - started
        return self.summary

    async def _round(self) -> bool:
        try:
            await self._batching.collect()
            while not self._stopping.is_set() and await self._batching.send():
                pass
        except RetryableError as error:
            get_logger().warning("batch.round_failed", error=error, status=error.status)
            if self._once:
                self.summary.fatal = error
        except AgentError as error:
            get_logger().error("batch.refused", error=error, status=error.status, detail_code=error.detail_code)
            self.summary.fatal = error
            return False
        return True
