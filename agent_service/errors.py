"""What can go wrong, in two kinds: what may work when tried again, and what will not.

AgentError
├── RetryableError
│   ├── ServerUnreachableError
│   ├── ServerFailedError
│   ├── RateLimitedError
│   ├── LeaseLostError
│   ├── MailDeferredError
│   └── ProviderError
│       ├── ProviderUnavailableError
│       ├── ProviderRateLimitedError
│       └── AnswerUnusableError
└── PermanentError
    ├── ConfigurationError
    ├── RequestRefusedError
    │   ├── KeyRefusedError
    │   │   └── TokenExpiredError
    │   ├── AccessDeniedError
    │   ├── NotFoundError
    │   └── ConflictError
    │       ├── StaleFenceError
    │       └── LeaseLimitError
    │   └── BudgetExhaustedError
    ├── UnexpectedAnswerError
    ├── InvalidOutputError
    ├── MailSetupError
    ├── MailNotSentError
    └── ProviderRefusedError
        ├── ProviderConfigurationError
        ├── AnswerRefusedError
        └── PromptTooLargeError

A class's docstring is its default message.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AccessDeniedError",
    "AgentError",
    "AnswerRefusedError",
    "AnswerUnusableError",
    "BudgetExhaustedError",
    "ConfigurationError",
    "ConflictError",
    "Fault",
    "InvalidOutputError",
    "KeyRefusedError",
    "LeaseLimitError",
    "LeaseLostError",
    "MailDeferredError",
    "MailNotSentError",
    "MailSetupError",
    "NotFoundError",
    "PermanentError",
    "PromptTooLargeError",
    "ProviderConfigurationError",
    "ProviderError",
    "ProviderRateLimitedError",
    "ProviderRefusedError",
    "ProviderUnavailableError",
    "RateLimitedError",
    "RequestRefusedError",
    "RetryableError",
    "ServerFailedError",
    "ServerUnreachableError",
    "StaleFenceError",
    "TokenExpiredError",
    "UnexpectedAnswerError",
]


class AgentError(Exception):
    """Something went wrong in the account manager.

    status: the HTTP status, if a server answered. code: the server's error code (`PGRST303`, `PT409`, a SQLSTATE).
    detail_code: the stable code our SQL puts first in `detail` (`stale_fence`); detail_value: what follows it, such as
    the id of the draft that is open. hint: what to do, for people.
    """

    def __init__(  # noqa: PLR0913 - what an answer says of itself
        self,
        message: str | None = None,
        *,
        status: int | None = None,
        code: str | None = None,
        detail_code: str | None = None,
        detail_value: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message or (inspect.getdoc(type(self)) or "").partition("\n")[0]
        self.status = status
        self.code = code
        self.detail_code = detail_code
        self.detail_value = detail_value
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        if not self.hint:
            return self.message
        return f"{self.message}{'' if self.message.endswith(('.', '!', '?')) else '.'} {self.hint}"


class RetryableError(AgentError):
    """This did not work now; it may later.

    retry_after: seconds the server asked us to wait, if it did.
    """

    retry_after: float | None = None


class ServerUnreachableError(RetryableError):
    """The Supabase project could not be reached."""


class ServerFailedError(RetryableError):
    """The Supabase project failed to answer this request."""


class RateLimitedError(RetryableError):
    """The Supabase project asks for fewer requests."""


class LeaseLostError(RetryableError):
    """The lease on this job has run out; another worker takes it."""


class MailDeferredError(RetryableError):
    """The mail server cannot be reached, or does not take the mail now."""


class ProviderError(RetryableError):
    """The model's provider could not answer this time.

    usage: the tokens that it cost; zeros where the request was turned away, None where nobody knows.
    """

    usage: Mapping[str, Any] | None = None


class ProviderUnavailableError(ProviderError):
    """The model's provider is away, or did not answer in time."""


class ProviderRateLimitedError(ProviderError):
    """The model's provider asks for fewer requests."""


class AnswerUnusableError(ProviderError):
    """The model's answer cannot be used; another one may be."""


class PermanentError(AgentError):
    """This will not work, however often it is tried."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the settings: which one, what is wrong, what to do."""

    field: str
    problem: str
    mend: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem} {self.mend}"


class ConfigurationError(PermanentError):
    """The settings cannot be used.

    faults: every one of them, so that they can be mended in one go.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(["The settings cannot be used:", *(f"  {fault}" for fault in self.faults)]))


class RequestRefusedError(PermanentError):
    """The Supabase project refused this request."""


class KeyRefusedError(RequestRefusedError):
    """The Supabase project does not accept this key or token."""


class TokenExpiredError(KeyRefusedError):
    """This token has expired."""


class AccessDeniedError(RequestRefusedError):
    """This key or token may not do that."""


class NotFoundError(RequestRefusedError):
    """The Supabase project does not have this, or does not show it to this token."""


class ConflictError(RequestRefusedError):
    """The request does not fit the state of the record."""


class StaleFenceError(ConflictError):
    """Another worker has this job, or it is closed: drop it, nothing was changed."""


class LeaseLimitError(ConflictError):
    """This job has been held for as long as one claim may last."""


class BudgetExhaustedError(RequestRefusedError):
    """The AI budget is used up."""


class UnexpectedAnswerError(PermanentError):
    """The server's answer is not what this version understands; are all migrations applied?"""


class InvalidOutputError(PermanentError):
    """What was written cannot become a draft."""


class MailSetupError(PermanentError):
    """The mail server does not let us in: its address, its certificate or our password is wrong."""


class MailNotSentError(PermanentError):
    """The mail was refused, or nobody knows whether it left; its record says which."""


class ProviderRefusedError(PermanentError):
    """The model's provider will not answer this, however often it is asked. usage: as in ProviderError."""

    usage: Mapping[str, Any] | None = None


class ProviderConfigurationError(ProviderRefusedError):
    """The model's provider does not accept the key, the model or the way it is asked, or is not paid."""


class AnswerRefusedError(ProviderRefusedError):
    """The model declined to write this."""


class PromptTooLargeError(ProviderRefusedError):
    """The prompt is larger than the model reads, or the answer longer than was allowed."""
