"""Wakes a runner when Postgres says that there is work. Without it, or while it is away, the runner polls."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import psycopg
from pydantic import SecretStr

from agent_service.logging import get_logger

__all__ = ["CHANNEL", "listen"]

CHANNEL = "agent_jobs"


async def listen(url: SecretStr, wake: Callable[[], None], *, retry_min: float = 0.5, retry_max: float = 30.0) -> None:
    """Call `wake` at each notification and after each (re)connection, until cancelled. Never raises for the network."""
    log = get_logger()
    pause = retry_min
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                url.get_secret_value(),
                autocommit=True,
                connect_timeout=10,
                application_name="account-agent listener",
                # A connection that a firewall dropped in silence is noticed within half a minute.
                keepalives_idle=15,
                keepalives_interval=5,
                keepalives_count=3,
            ) as connection:
                await connection.execute(f"listen {CHANNEL}")
                log.info("listener.connected")
                pause = retry_min
                wake()  # whatever was queued while nobody listened
                async for _ in connection.notifies():
                    wake()
        except (psycopg.Error, OSError) as error:
            log.warning("listener.disconnected", error=error, delay_seconds=pause)
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
        pause = min(pause * 2, retry_max)
