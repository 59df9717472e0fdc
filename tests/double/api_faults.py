"""Errors instead of an answer, in the API's shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from starlette.responses import JSONResponse

from tests.double.fault import Fault


@dataclass(frozen=True)
class ApiFault(Fault):
    """An error in the API's shape; the message is what a person would read."""

    message: str = "Something went wrong."
    status: ClassVar[int] = 500
    type: ClassVar[str] = "api_error"

    def headers(self) -> dict[str, str]:
        return {}

    def details(self) -> dict[str, Any] | None:
        return None

    def body(self, request_id: str) -> dict[str, Any]:
        error: dict[str, Any] = {"type": self.type, "message": self.message}
        if (details := self.details()) is not None:
            error["details"] = details
        return {"type": "error", "error": error, "request_id": request_id}

    def response(self, request_id: str) -> JSONResponse:
        return JSONResponse(self.body(request_id), self.status, {"request-id": request_id, **self.headers()})


class ApiError(Exception):
    """Raised where a request is refused; the endpoint answers with its fault."""

    def __init__(self, fault: ApiFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True)
class RateLimited(ApiFault):
    """429 with a Retry-After in seconds (None: without the header, which happens too)."""

    message: str = "This request would exceed your organization's rate limit."
    retry_after: float | None = 1
    status: ClassVar[int] = 429
    type: ClassVar[str] = "rate_limit_error"

    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"retry-after": f"{self.retry_after:g}"}


@dataclass(frozen=True)
class SpendLimitReached(ApiFault):
    """429 as well, but the month's spend is used up: no Retry-After, and the cause only in `error.details`."""

    message: str = "Your organization has crossed its monthly API usage threshold."
    status: ClassVar[int] = 429
    type: ClassVar[str] = "rate_limit_error"

    def details(self) -> dict[str, Any]:
        return {"error_code": "enforced_spend_limit_reached"}


@dataclass(frozen=True)
class OwnSpendLimitReached(ApiFault):
    """400: the limit that the organization set itself. Only the message tells it from a wrong request."""

    message: str = (
        "You have reached your specified API usage limits. You will regain access on 2099-01-01 at 00:00 UTC."
    )
    status: ClassVar[int] = 400
    type: ClassVar[str] = "invalid_request_error"


@dataclass(frozen=True)
class Overloaded(ApiFault):
    """529: too many requests from everybody."""

    message: str = "Overloaded"
    status: ClassVar[int] = 529
    type: ClassVar[str] = "overloaded_error"


@dataclass(frozen=True)
class ServerError(ApiFault):
    """500."""

    message: str = "Internal server error"
    status: ClassVar[int] = 500
    type: ClassVar[str] = "api_error"


@dataclass(frozen=True)
class InvalidRequest(ApiFault):
    """400: the request itself is wrong, and stays wrong."""

    message: str = "messages.0.content: Input should be a valid list"
    status: ClassVar[int] = 400
    type: ClassVar[str] = "invalid_request_error"


@dataclass(frozen=True)
class PromptTooLong(ApiFault):
    """400: only the message says that a shorter prompt would do."""

    message: str = "prompt is too long: 210000 tokens > 200000 maximum"
    status: ClassVar[int] = 400
    type: ClassVar[str] = "invalid_request_error"


@dataclass(frozen=True)
class Unauthenticated(ApiFault):
    """401: a wrong or revoked key."""

    message: str = "invalid x-api-key"
    status: ClassVar[int] = 401
    type: ClassVar[str] = "authentication_error"


@dataclass(frozen=True)
class PaymentRequired(ApiFault):
    """402: something is wrong with the billing."""

    message: str = "There is an issue with your billing or payment information."
    status: ClassVar[int] = 402
    type: ClassVar[str] = "billing_error"


@dataclass(frozen=True)
class Forbidden(ApiFault):
    """403: the key may not use this."""

    message: str = "Your API key does not have permission to use the specified resource."
    status: ClassVar[int] = 403
    type: ClassVar[str] = "permission_error"


@dataclass(frozen=True)
class NotFound(ApiFault):
    """404: no such model, batch or path."""

    message: str = "Not found"
    status: ClassVar[int] = 404
    type: ClassVar[str] = "not_found_error"


@dataclass(frozen=True)
class TooLarge(ApiFault):
    """413: more bytes than the API takes. It comes from before the API's servers."""

    message: str = "Request exceeds the maximum size"
    status: ClassVar[int] = 413
    type: ClassVar[str] = "request_too_large"
