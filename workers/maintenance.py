"""What any worker does once a minute for all: close what was left open, and pass alerts and anchors on."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import httpx
from pydantic import SecretStr

from agent_service.errors import AgentError
from agent_service.jobs import Jobs
from agent_service.logging import get_logger

__all__ = ["maintain", "tend"]

EVERY_SECONDS = 60.0
WEBHOOK_SECONDS = 10.0


async def maintain(jobs: Jobs, webhook: SecretStr | None, anchor_file: Path | None = None) -> None:
    """Tend to it each minute, until cancelled."""
    while True:
        await tend(jobs, webhook, anchor_file)
        await asyncio.sleep(EVERY_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret


async def tend(jobs: Jobs, webhook: SecretStr | None, anchor_file: Path | None = None) -> None:
    """Sweep, and hand on new alerts and anchors, at least once each. Trouble is logged, never raised."""
    log = get_logger()
    try:
        await jobs.sweep()
        if webhook is not None and (alerts := await jobs.alerts()):
            text = "\n".join(f"{alert['severity']}: {alert['message']}" for alert in alerts)
            await _post(webhook, {"text": text, "alerts": alerts})
            await jobs.alerts([str(alert["id"]) for alert in alerts])
        if (webhook is not None or anchor_file is not None) and (anchors := await jobs.anchors()):
            if anchor_file is not None:
                _append(anchor_file, anchors)
            if webhook is not None:
                await _post(webhook, {"text": "\n".join(map(_sentence, anchors)), "anchors": anchors})
            await jobs.anchors([str(anchor["id"]) for anchor in anchors])
    except AgentError as error:
        log.warning("maintenance.failed", error=error, status=error.status, detail_code=error.detail_code)
    except OSError as error:
        log.warning("anchors.failed", error=type(error).__name__)
    except httpx.HTTPError as error:
        log.warning("webhook.failed", error=type(error).__name__)  # its text has the URL, which is a secret


def _append(path: Path, anchors: list[dict[str, object]]) -> None:
    """One JSON object a line, as `account-agent audit verify --anchor` reads it."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(anchor) + "\n" for anchor in anchors)


def _sentence(anchor: dict[str, object]) -> str:
    return f"audit log: {anchor['count']} rows, ending with {anchor['head_hash']} ({anchor['created_at']})"


async def _post(webhook: SecretStr, told: dict[str, object]) -> None:
    """As most chat services take it: `text` is what people read, the rest is for programs."""
    async with httpx.AsyncClient(timeout=WEBHOOK_SECONDS, follow_redirects=False) as http:
        answer = await http.post(webhook.get_secret_value(), json=told)
        answer.raise_for_status()
