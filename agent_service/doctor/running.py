"""All checks that the settings allow for, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from agent_service.doctor.catalog import examine_database
from agent_service.doctor.findings import Finding, skipped
from agent_service.doctor.gateway import examine_gateway
from agent_service.doctor.outside import examine_mail, examine_model
from agent_service.settings import Settings

__all__ = ["examine"]


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what is found. Nothing is written, sent or paid for."""
    if settings.database_url is None:
        yield skipped(
            "database", "Without DATABASE_URL nothing is known of the database itself.", Settings.MENDS["database_url"]
        )
    else:
        yield from examine_database(settings.database_url.get_secret_value())
    if settings.supabase_url is None or settings.supabase_publishable_key is None:
        mend = f"{Settings.MENDS['supabase_url']} {Settings.MENDS['supabase_publishable_key']}"
        yield skipped(
            "gateway", "Without SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY nothing is known of PostgREST and Auth.", mend
        )
    else:
        yield from examine_gateway(settings.supabase_url, settings.supabase_publishable_key, settings.agent_worker_key)
    yield asyncio.run(examine_model(settings))
    yield asyncio.run(examine_mail(settings))
