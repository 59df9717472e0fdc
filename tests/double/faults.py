"""Everything that can be scripted to befall a request, one class each.

`RateLimited(retry_after=120)` is `{"fault": "RateLimited", "retry_after": 120}` where it goes to another process.
"""

from __future__ import annotations

from tests.double.answer_faults import (
    Canceled,
    ContextWindowExceeded,
    EmptyTurn,
    Expired,
    MaxTokens,
    Missing,
    NotJson,
    RefusalAfterText,
    RefusalBeforeText,
    Says,
    StopsWith,
)
from tests.double.api_faults import (
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    OwnSpendLimitReached,
    PaymentRequired,
    PromptTooLong,
    RateLimited,
    ServerError,
    SpendLimitReached,
    TooLarge,
    Unauthenticated,
)
from tests.double.connection_faults import (
    ConnectionClosed,
    ConnectionReset,
    EndsEarly,
    ErrorEvent,
    NoAnswer,
    ResetMidStream,
    Slow,
    Stall,
    TruncatedChunk,
)

__all__ = [
    "Canceled",
    "ConnectionClosed",
    "ConnectionReset",
    "ContextWindowExceeded",
    "EmptyTurn",
    "EndsEarly",
    "ErrorEvent",
    "Expired",
    "Forbidden",
    "InvalidRequest",
    "MaxTokens",
    "Missing",
    "NoAnswer",
    "NotFound",
    "NotJson",
    "Overloaded",
    "OwnSpendLimitReached",
    "PaymentRequired",
    "PromptTooLong",
    "RateLimited",
    "RefusalAfterText",
    "RefusalBeforeText",
    "ResetMidStream",
    "Says",
    "ServerError",
    "Slow",
    "SpendLimitReached",
    "Stall",
    "StopsWith",
    "TooLarge",
    "TruncatedChunk",
    "Unauthenticated",
]
