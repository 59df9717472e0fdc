"""What any worker does once a minute for all: close what was left open, and pass alerts on."""

from __future__ import annotations

import asyncio
import random

import httpx
from pydantic import SecretStr

from agent_service.errors import AgentError
from agent_service.jobs import Jobs
from agent_service.logging import get_logger

__all__ = ["maintain", "tend"]

EVERY_SECONDS = 60.0
WEBHOOK_SECONDS = 10.0


async def maintain(jobs: Jobs, webhook: SecretStr | None) -> None:
    """Tend to it each minute, until cancelled."""
    while True:
        await tend(jobs, webhook)
        await asyncio.sleep(EVERY_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret


async def tend(jobs: Jobs, webhook: SecretStr | None) -> None:
    """Sweep, and hand new alerts to the webhook, at least once each. Trouble is logged, never raised."""
    log = get_logger()
    try:
        await jobs.sweep()
        if webhook is not None and (alerts := await jobs.alerts()):
            await _post(webhook, alerts)
            await jobs.alerts([str(alert["id"]) for alert in alerts])
    except AgentError as error:
        log.warning("maintenance.failed", error=error, status=error.status, detail_code=error.detail_code)
    except httpx.HTTPError as error:
        log.warning("webhook.failed", error=type(error).__name__)  # its text has the URL, which is a secret


async def _post(webhook: SecretStr, alerts: list[dict[str, object]]) -> None:
    """As most chat services take it: `text` is what people read, `alerts` is for programs."""
    text = "\n".join(f"{alert['severity']}: {alert['message']}" for alert in alerts)
    async with httpx.AsyncClient(timeout=WEBHOOK_SECONDS, follow_redirects=False) as http:
        answer = await http.post(webhook.get_secret_value(), json={"text": text, "alerts": alerts})
        answer.raise_for_status()
