"""The model's provider and the mail server: reached and signed in to; nothing is asked that costs or leaves."""

from __future__ import annotations

import httpx

from agent_service.doctor.findings import Finding, fault, ok, skipped
from agent_service.errors import AgentError
from agent_service.settings import Settings

__all__ = ["examine_mail", "examine_model"]


async def examine_model(settings: Settings) -> Finding:
    """Ask for the list of models."""
    if not settings.has_model:
        return skipped(
            "model", "None is set up: the offline templates write.", "Set ANTHROPIC_API_KEY to let a model write."
        )
    url = (settings.anthropic_base_url or "https://api.anthropic.com").rstrip("/")
    key = settings.anthropic_api_key
    headers = {"anthropic-version": "2023-06-01"} | ({"x-api-key": key.get_secret_value()} if key else {})
    try:
        async with httpx.AsyncClient(timeout=10) as http:
            status = (await http.get(f"{url}/v1/models?limit=1", headers=headers)).status_code
    except httpx.HTTPError:
        return fault("model", "The provider cannot be reached.", "Check ANTHROPIC_BASE_URL, proxy and firewall.")
    if status in (401, 403):
        return fault("model", "The provider refuses the key.", "Set ANTHROPIC_API_KEY to a valid one.")
    if status >= 500:
        return fault("model", f"The provider answers {status}.", "Look at its status page; templates write meanwhile.")
    if status == 200:
        return ok("model", "The provider takes the key.")
    return ok("model", f"The server answers, and lists no models ({status}).")


async def examine_mail(settings: Settings) -> Finding:
    """Connect and sign in; nothing is sent."""
    if settings.smtp_url is None:
        return skipped("mail", "No server is set up: people send by mailto links.", "Set SMTP_URL to send.")
    from agent_service.mail.server import server_of  # noqa: PLC0415

    try:
        async with server_of(settings.smtp_url).session():
            return ok("mail", "The server lets us in.")
    except AgentError as error:
        return fault("mail", str(error), "Check SMTP_URL: host, port, user and password (docs/sending.md).")
