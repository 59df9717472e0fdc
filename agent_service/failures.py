"""Which of the closed list of failure codes an exception is; SQL holds a sentence for people for each."""

from __future__ import annotations

from typing import get_args

from agent_service.errors import (
    AccessDeniedError,
    AnswerRefusedError,
    AnswerUnusableError,
    ConfigurationError,
    InvalidOutputError,
    KeyRefusedError,
    MailDeferredError,
    MailSetupError,
    NotFoundError,
    PromptTooLargeError,
    ProviderConfigurationError,
    ProviderRateLimitedError,
    ProviderUnavailableError,
    RateLimitedError,
    RequestRefusedError,
    RetryableError,
    UnexpectedAnswerError,
)
from agent_service.jobs import FailCode

__all__ = ["fail_code_of"]

# The first that fits. A completion refused with 401, 403 or 404 is permanent: rights do not come back by trying.
_CODES: tuple[tuple[type[BaseException], FailCode], ...] = (
    (ProviderRateLimitedError, "provider_rate_limited"),
    (ProviderUnavailableError, "provider_unavailable"),
    (AnswerUnusableError, "unusable_output"),
    (ProviderConfigurationError, "provider_refused"),
    (AnswerRefusedError, "refused"),
    (PromptTooLargeError, "too_large"),
    (MailDeferredError, "mail_deferred"),
    (MailSetupError, "mail_not_set_up"),
    (RetryableError, "database_unavailable"),
    (InvalidOutputError, "invalid_output"),
    (ConfigurationError, "configuration"),
    (UnexpectedAnswerError, "configuration"),
    (KeyRefusedError, "configuration"),
    (AccessDeniedError, "access_lost"),
    (NotFoundError, "client_not_found"),
    (RequestRefusedError, "invalid_output"),
    (TimeoutError, "provider_unavailable"),  # the job's deadline; calls to the database have shorter ones
)
_KNOWN: frozenset[str] = frozenset(get_args(FailCode))


def fail_code_of(error: BaseException) -> FailCode:
    """Return the code to fail a job with. An exception nobody foresaw is `internal_error`, which is tried again."""
    if isinstance(error, RequestRefusedError | RateLimitedError) and error.detail_code in _KNOWN:
        return error.detail_code  # type: ignore[return-value]
    if isinstance(error, RequestRefusedError) and (error.code or "").startswith("PGRST2"):
        return "configuration"  # no such function or table: migrations are missing
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return "internal_error"
