"""Settings from the environment, checked together: every fault is reported at once, and no secret is ever printed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent_service._jwt import unverified_claims
from agent_service.errors import ConfigurationError, Fault

__all__ = ["CLIENT_FIELDS", "PERSON_FIELDS", "WORKER_FIELDS", "Settings", "load_settings"]

CLIENT_FIELDS = ("supabase_url", "supabase_publishable_key")
WORKER_FIELDS = (*CLIENT_FIELDS, "agent_worker_key")
PERSON_FIELDS = (*CLIENT_FIELDS, "agent_user_token")


class Settings(BaseSettings):
    """All settings of all commands; each command asks `load_settings` for those it cannot do without."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True)

    supabase_url: str | None = None
    # Anyone may know this key, but a secret key put here by mistake must not end in a log.
    supabase_publishable_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY")
    )
    agent_worker_key: SecretStr | None = None
    agent_user_token: SecretStr | None = None
    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: str | None = None
    agent_listen_url: SecretStr | None = None
    agent_alert_webhook: SecretStr | None = None
    agent_anchor_file: Path | None = None
    database_url: SecretStr | None = None
    smtp_url: SecretStr | None = None
    agent_cors_origins: str = ""
    agent_jwt_issuer: str | None = None

    @property
    def cors_origins(self) -> list[str]:
        """The origins whose pages may call the API."""
        return [origin.strip() for origin in self.agent_cors_origins.split(",") if origin.strip()]

    @property
    def issuer(self) -> str:
        """What users' tokens name as their `iss`."""
        return self.agent_jwt_issuer or f"{(self.supabase_url or '').rstrip('/')}/auth/v1"

    @property
    def has_model(self) -> bool:
        """Whether a model is set up: by a key, or by the URL of a server of one's own that may need none."""
        return self.anthropic_api_key is not None or self.anthropic_base_url is not None

    MENDS: ClassVar[dict[str, str]] = {
        "supabase_url": "Set it to the project's URL, e.g. https://abc.supabase.example.",
        "supabase_publishable_key": "Set it to the publishable key, or SUPABASE_ANON_KEY to the anon key.",
        "agent_worker_key": "Let a database administrator run: select agent.mint_worker_key('name', 90).",
        "agent_user_token": "Set it to the Supabase access token of the person who asks; it ends after an hour.",
        "anthropic_api_key": "Set it to an API key of Anthropic.",
        "anthropic_base_url": "Set it to an http or https URL, or leave it out.",
        "agent_listen_url": "Set it to postgresql://agent_listener:...@host:5432/postgres, or leave it out to poll.",
        "agent_alert_webhook": "Set it to the http or https URL that alerts are sent to, or leave it out.",
        "agent_anchor_file": "Set it to a file that anchors of the audit log are added to, or leave it out.",
        "agent_cors_origins": "Set it to the origins of the frontend, e.g. https://crm.example, with commas between.",
        "agent_jwt_issuer": "Set it to the `iss` of users' tokens where that is not SUPABASE_URL/auth/v1.",
        "database_url": "Set it to postgresql://postgres:...@host:5432/postgres.",
        "smtp_url": "Set it to smtp://user:password@host:587, or leave it out.",
    }


def load_settings(required: Iterable[str] = ()) -> Settings:
    """Read the environment.

    Raises ConfigurationError with one fault for each required field that is missing and each field that is wrong.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise ConfigurationError([_shape_fault(item) for item in error.errors(include_input=False)]) from None
    faults = [
        Fault(name.upper(), "is not set.", Settings.MENDS[name]) for name in required if getattr(settings, name) is None
    ]
    faults += _url_faults(settings)
    faults += _origin_faults(settings)
    faults += _key_faults(settings)
    if faults:
        raise ConfigurationError(faults)
    return settings


def _shape_fault(item: ErrorDetails) -> Fault:
    name = str(item["loc"][0]).lower()
    return Fault(name.upper(), f"cannot be read ({item['msg']}).", Settings.MENDS.get(name, "Correct it."))


def _url_faults(settings: Settings) -> Iterable[Fault]:
    schemes = {
        "supabase_url": ("https", "http"),
        "anthropic_base_url": ("https", "http"),
        "agent_listen_url": ("postgresql", "postgres"),
        "agent_alert_webhook": ("https", "http"),
        "database_url": ("postgresql", "postgres"),
        "smtp_url": ("smtp", "smtps"),
    }
    for name, allowed in schemes.items():
        value = getattr(settings, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and not _is_url(text, allowed):
            yield Fault(name.upper(), f"is not a {allowed[0]}:// URL with a host.", Settings.MENDS[name])


def _origin_faults(settings: Settings) -> Iterable[Fault]:
    for origin in settings.cors_origins:
        # An origin has no path; "*" would let any page on the net act with the token it is given.
        if not _is_url(origin, ("https", "http")) or origin.count("/") != 2:
            yield Fault("AGENT_CORS_ORIGINS", "has an item that is no origin.", Settings.MENDS["agent_cors_origins"])


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in schemes
            and (bool(parts.hostname) or parts.scheme.startswith("postgres"))
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        return False


def _key_faults(settings: Settings) -> Iterable[Fault]:
    publishable = settings.supabase_publishable_key
    if publishable is not None:
        text = publishable.get_secret_value()
        if text.startswith("sb_secret_") or unverified_claims(text).get("role") == "service_role":
            yield Fault(
                "SUPABASE_PUBLISHABLE_KEY",
                "is a secret key, which passes every row-level rule.",
                "Use the publishable (anon) key; nothing here needs more.",
            )
    worker = settings.agent_worker_key
    if worker is not None:
        claims = unverified_claims(worker.get_secret_value())
        expires = claims.get("exp")
        if claims.get("role") != "agent_worker":
            problem = "is not a worker's key (a token whose role is agent_worker)."
        elif isinstance(expires, int | float) and expires < time.time():
            problem = "has expired."
        else:
            return
        yield Fault("AGENT_WORKER_KEY", problem, Settings.MENDS["agent_worker_key"])
