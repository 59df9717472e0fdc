"""The HTTP API: what the CRM frontend calls. It adds no rights; the caller's own JWT is what reaches Supabase."""

from __future__ import annotations

from agent_service.api.app import ApiOptions, Tick, create_app

__all__ = ["ApiOptions", "Tick", "create_app"]
