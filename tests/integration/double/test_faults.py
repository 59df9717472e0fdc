"""What the official SDK makes of every fault: the table that our own handling is written against."""

import asyncio
import json

import anthropic
import httpx2
import pytest

from tests.double import faults
from tests.double.fault import FAULTS, from_json
from tests.double.faults import (
    ConnectionClosed,
    ConnectionReset,
    ContextWindowExceeded,
    EmptyTurn,
    EndsEarly,
    ErrorEvent,
    Forbidden,
    InvalidRequest,
    MaxTokens,
    NoAnswer,
    NotFound,
    NotJson,
    Overloaded,
    OwnSpendLimitReached,
    PaymentRequired,
    PromptTooLong,
    RateLimited,
    RefusalAfterText,
    RefusalBeforeText,
    ResetMidStream,
    Says,
    ServerError,
    Slow,
    SpendLimitReached,
    Stall,
    StopsWith,
    TooLarge,
    TruncatedChunk,
    Unauthenticated,
)

PATIENCE = 0.5  # seconds until the client's read timeout
BATCH_ONLY = {"Expired", "Canceled", "Missing"}

ERRORS = [
    (RateLimited(), anthropic.RateLimitError, 429, "rate_limit_error"),
    (SpendLimitReached(), anthropic.EnforcedSpendLimitReachedError, 429, "rate_limit_error"),
    (OwnSpendLimitReached(), anthropic.BadRequestError, 400, "invalid_request_error"),
    (Overloaded(), anthropic.OverloadedError, 529, "overloaded_error"),
    (ServerError(), anthropic.InternalServerError, 500, "api_error"),
    (InvalidRequest(), anthropic.BadRequestError, 400, "invalid_request_error"),
    (PromptTooLong(), anthropic.BadRequestError, 400, "invalid_request_error"),
    (Unauthenticated(), anthropic.AuthenticationError, 401, "authentication_error"),
    (PaymentRequired(), anthropic.PaymentRequiredError, 402, "billing_error"),
    (Forbidden(), anthropic.PermissionDeniedError, 403, "permission_error"),
    (NotFound(), anthropic.NotFoundError, 404, "not_found_error"),
    (TooLarge(), anthropic.ContentTooLargeError, 413, "request_too_large"),
]

# fault, in one piece, as a stream
BROKEN = [
    (ConnectionClosed(), anthropic.APIConnectionError, anthropic.APIConnectionError),
    (ConnectionReset(), anthropic.APIConnectionError, anthropic.APIConnectionError),
    (NoAnswer(), anthropic.APITimeoutError, anthropic.APITimeoutError),
    (Stall(), anthropic.APITimeoutError, httpx2.ReadTimeout),
    (ResetMidStream(), anthropic.APIConnectionError, httpx2.ReadError),
    (TruncatedChunk(), anthropic.APIConnectionError, httpx2.RemoteProtocolError),
]

# fault, stop reason, whether there is text, output tokens where the fault decides them
ANSWERED = [
    (Says("Hello"), "end_turn", True, 2),
    (StopsWith("pause_turn"), "pause_turn", True, None),
    (MaxTokens(), "max_tokens", True, None),
    (ContextWindowExceeded(), "model_context_window_exceeded", True, None),
    (RefusalBeforeText(), "refusal", False, 1),
    (RefusalAfterText(), "refusal", True, None),
    (EmptyTurn(), "end_turn", False, 2),
    (EmptyTurn(block=True), "end_turn", False, 2),
    (NotJson(), "end_turn", True, None),
    (Slow(), "end_turn", True, None),
]

both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def named(table):
    return [pytest.param(row, id=row[0].name) for row in table]


@both
@pytest.mark.parametrize("row", named(ERRORS))
def test_an_api_error_is_an_exception_of_its_status(double, ask, stream, row):
    fault, error, status, kind = row
    double.script(fault)
    with pytest.raises(error) as raised:
        ask(stream=stream)
    assert type(raised.value) is error
    assert (raised.value.status_code, raised.value.type) == (status, kind)
    assert raised.value.api_message == fault.message
    assert raised.value.request_id == raised.value.body["request_id"] == double.requests[-1].id
    assert double.requests[-1].outcome == kind


@pytest.mark.parametrize(("seconds", "header"), [(1, "1"), (120, "120"), (0.5, "0.5"), (None, None)])
def test_a_rate_limit_says_when_to_come_back(double, ask, seconds, header):
    double.script(RateLimited(retry_after=seconds))
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask()
    assert raised.value.response.headers.get("retry-after") == header


def test_the_months_spend_is_told_from_a_rate_limit_by_its_code_alone(double, ask):
    double.script(SpendLimitReached(), RateLimited())
    with pytest.raises(anthropic.RateLimitError) as spent:
        ask()
    with pytest.raises(anthropic.RateLimitError) as limited:
        ask()
    assert (spent.value.error_code, limited.value.error_code) == ("enforced_spend_limit_reached", None)
    assert "retry-after" not in spent.value.response.headers


@both
@pytest.mark.parametrize("row", named(BROKEN))
def test_a_broken_connection_raises(double, ask, stream, row):
    fault, whole, streamed = row
    expected = streamed if stream else whole
    double.script(fault)
    with pytest.raises(expected) as raised:
        ask(stream=stream, options={"timeout": PATIENCE})
    assert type(raised.value) is expected
    assert double.requests[-1].outcome == fault.name


def test_text_before_the_break_has_arrived(double, connect, usual):
    double.script(ResetMidStream(after=3))
    texts = []

    async def read():
        async with connect() as client, client.messages.stream(**usual) as stream:
            async for text in stream.text_stream:
                texts.append(text)  # noqa: PERF401  what came before the error is wanted

    with pytest.raises(httpx2.ReadError):
        asyncio.run(read())
    assert len(texts) == 3


def test_a_refused_connection_is_told_from_one_that_was_closed(double, ask):
    with double.refusing(), pytest.raises(anthropic.APIConnectionError) as refused:
        ask()
    double.script(ConnectionClosed())
    with pytest.raises(anthropic.APIConnectionError) as closed:
        ask()
    assert isinstance(refused.value.__cause__, httpx2.ConnectError)
    assert isinstance(closed.value.__cause__, httpx2.RemoteProtocolError)
    assert ask().stop_reason == "end_turn"


def test_overload_in_a_stream_has_status_200(double, ask):
    double.script(ErrorEvent())
    with pytest.raises(anthropic.APIStatusError) as raised:
        ask(stream=True)
    assert (raised.value.status_code, raised.value.type) == (200, "overloaded_error")


def test_a_stream_that_ends_early_raises_nothing(double, ask):
    double.script(EndsEarly())
    message = ask(stream=True)
    assert (message.stop_reason, message.usage.output_tokens) == (None, 1)
    assert message.content[0].text


@pytest.mark.parametrize("fault", [ErrorEvent(), EndsEarly()])
def test_what_only_a_stream_can_do_is_refused_otherwise(double, ask, fault):
    double.script(fault)
    with pytest.raises(anthropic.BadRequestError, match="without `stream`"):
        ask()


@both
@pytest.mark.parametrize("row", named(ANSWERED))
def test_an_answer_ends_as_scripted(double, ask, stream, row):
    fault, stop_reason, has_text, output = row
    double.script(fault)
    message = ask(stream=stream)
    assert message.stop_reason == stop_reason
    assert bool("".join(block.text for block in message.content)) is has_text
    assert output in {None, message.usage.output_tokens}
    assert message.usage.output_tokens == double.requests[-1].usage["output_tokens"]


@both
def test_a_refusal_says_of_what_kind(double, ask, stream):
    double.script(RefusalAfterText(category="bio"))
    message = ask(stream=stream)
    assert (message.stop_details.type, message.stop_details.category) == ("refusal", "bio")


def test_a_cut_off_answer_is_half_of_the_whole(double, ask):
    double.script(None, MaxTokens())
    whole, half = ask().content[0].text, ask().content[0].text
    assert half == whole[: len(whole) // 2]


def test_every_fault_is_tried_here_or_in_a_batch():
    tried = {row[0].name for row in [*ERRORS, *BROKEN, *ANSWERED]} | {"ErrorEvent", "EndsEarly"}
    assert tried | BATCH_ONLY == set(faults.__all__)


@pytest.mark.parametrize("row", [*ERRORS, *BROKEN, *ANSWERED, (Says({"subject": "S"}),)], ids=lambda row: row[0].name)
def test_a_fault_can_be_sent_to_another_process(row):
    sent = json.loads(json.dumps(row[0].as_json()))
    assert from_json(sent) == row[0]


def test_an_unknown_fault_is_named():
    with pytest.raises(ValueError, match="No fault is called 'Earthquake'"):
        from_json({"fault": "Earthquake"})
    with pytest.raises(ValueError, match=r"RateLimited: .*unexpected keyword argument 'after'"):
        from_json({"fault": "RateLimited", "after": 1})


def test_only_faults_that_do_something_have_a_name_to_send():
    assert set(faults.__all__) <= FAULTS.keys()
