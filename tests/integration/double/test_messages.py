"""The Messages API as the official SDK sees it: answers, usage, prompt caching, structured output, and refusals."""

import asyncio
import json
import time
from typing import Literal

import anthropic
import httpx
import pytest
from anthropic import transform_schema
from pydantic import BaseModel, ConfigDict, Field

from tests.double import KEY, Pace
from tests.double.faults import Slow

both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@both
def test_an_answer_has_text_usage_and_a_request_id(double, ask, stream):
    message = ask(stream=stream)
    received = double.requests[-1]
    text = message.content[0].text
    assert (message.type, message.role, message.model) == ("message", "assistant", "claude-haiku-5-5")
    assert (message.stop_reason, message.stop_sequence, message.stop_details) == ("end_turn", None, None)
    assert message.usage.output_tokens == -(-len(text) // 4)
    assert message.usage.input_tokens == -(-len(received.prompt) // 4)
    assert (message.usage.cache_read_input_tokens, message.usage.cache_creation_input_tokens) == (0, 0)
    assert received.outcome == "answered"


def test_the_request_id_is_in_the_header(double, ask):
    assert ask()._request_id == double.requests[-1].id


def test_a_stream_has_the_events_in_their_order(double, usual):
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    answer = httpx.post(f"{double.url}/v1/messages", json=usual | {"stream": True}, headers=headers)
    lines = answer.text.split("\n")
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert names == [event["type"] for event in data]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert set(names[3:-3]) == {"content_block_delta"}
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert data[0]["message"]["content"] == []
    assert data[0]["message"]["usage"]["output_tokens"] == 1
    assert data[-2]["usage"]["output_tokens"] > 1


def test_a_longer_answer_than_max_tokens_is_cut(ask):
    message = ask(max_tokens=5)
    assert (message.stop_reason, message.usage.output_tokens, len(message.content[0].text)) == ("max_tokens", 5, 20)


def system(characters, ttl=None):
    mark = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    return [{"type": "text", "text": "s" * characters, "cache_control": mark}]


def counted(message):
    usage = message.usage
    return usage.cache_creation_input_tokens, usage.cache_read_input_tokens, usage.input_tokens


@both
def test_a_marked_block_is_written_once_and_read_afterwards(ask, stream):
    asked = {"stream": stream, "system": system(8000), "messages": [{"role": "user", "content": "q" * 400}]}
    assert counted(ask(**asked)) == (2000, 0, 100)
    assert counted(ask(**asked)) == (0, 2000, 100)
    assert counted(ask(**asked | {"model": "claude-sonnet-5-5"})) == (2000, 0, 100)
    assert counted(ask(**asked | {"system": system(8004)})) == (2001, 0, 100)


@pytest.mark.parametrize(("characters", "counts"), [(4092, (0, 0, 1023)), (4096, (1024, 0, 0))])
def test_what_is_shorter_than_the_minimum_is_not_cached(ask, characters, counts):
    assert counted(ask(system=system(characters), messages=[{"role": "user", "content": "q"}])) == (
        counts[0],
        counts[1],
        counts[2] + 1,
    )


def test_a_second_mark_writes_what_the_first_did_not(ask):
    turn = [{"type": "text", "text": "t" * 4000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    ask(system=system(8000), messages=[{"role": "user", "content": "q"}])
    usage = ask(system=system(8000), messages=[{"role": "user", "content": turn}]).usage
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.input_tokens) == (2000, 1000, 0)
    assert usage.cache_creation.ephemeral_1h_input_tokens == 1000
    assert usage.cache_creation.ephemeral_5m_input_tokens == 0


def test_tokens_are_counted_as_they_are_billed(connect, ask, usual):
    async def count():
        async with connect() as client:
            asked = {name: value for name, value in usual.items() if name != "max_tokens"}
            return (await client.messages.count_tokens(**asked, system=system(4001))).input_tokens

    assert asyncio.run(count()) == sum(counted(ask(system=system(4001))))


class Details(BaseModel):
    model_config = ConfigDict(extra="forbid")
    due_at: str | None
    priority: Literal["low", "high"] | None


class Written(BaseModel):
    model_config = ConfigDict(extra="forbid")
    subject: str = Field(min_length=1, max_length=200)
    content: str
    details: Details
    steps: list[Details]
    score: float


@both
def test_an_answer_fits_the_schema_that_was_asked_for(ask, stream):
    form = {"type": "json_schema", "schema": transform_schema(Written)}
    written = Written.model_validate_json(ask(stream=stream, output_config={"format": form}).content[0].text)
    assert written.subject == "Following up: Press line renewal"
    assert "Dana Whitfield" in written.content


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"extra_body": {"temperature": 0.2}}, anthropic.BadRequestError, "temperature"),
        ({"extra_body": {"top_p": 0.2}}, anthropic.BadRequestError, "top_p"),
        ({"extra_body": {"top_k": 5}}, anthropic.BadRequestError, "top_k"),
        ({"extra_body": {"colour": "red"}}, anthropic.BadRequestError, "colour: Extra inputs"),
        ({"model": "claude-2"}, anthropic.NotFoundError, "model: claude-2"),
        ({"max_tokens": 0}, anthropic.BadRequestError, "max_tokens"),
        ({"messages": []}, anthropic.BadRequestError, "at least one message"),
        ({"messages": [{"role": "user", "content": ""}]}, anthropic.BadRequestError, "non-empty content"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]}, None, "prefill"),
        ({"system": system(1) * 5}, anthropic.BadRequestError, "maximum of 4 blocks"),
        ({"output_config": {"format": {"type": "json_object"}}}, anthropic.BadRequestError, "json_schema"),
        ({"output_config": {"format": {"type": "json_schema"}}}, anthropic.BadRequestError, "schema: Field required"),
        ({"options": {"api_key": "another"}}, anthropic.AuthenticationError, "invalid x-api-key"),
        ({"options": {"default_headers": {"anthropic-version": "1999-01-01"}}}, None, "not a valid version"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_a_wrong_request_is_refused(double, ask, change, error, message):
    with pytest.raises(error or anthropic.BadRequestError, match=message):
        ask(**change)
    assert double.requests[-1].fault is None


def test_a_schema_that_the_api_does_not_take_is_refused(ask):
    form = {"type": "json_schema", "schema": Written.model_json_schema()}
    with pytest.raises(anthropic.BadRequestError, match=r"'(?:min|max)Length' is not supported"):
        ask(output_config={"format": form})
    open_ended = {"type": "object", "properties": {"a": {"type": "string"}}}
    with pytest.raises(anthropic.BadRequestError, match="'additionalProperties' must be explicitly set to false"):
        ask(output_config={"format": {"type": "json_schema", "schema": open_ended}})


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({"x-api-key": KEY}, 400), ({"x-api-key": "no", "anthropic-version": "x"}, 401)]
)
def test_key_and_version_are_needed(double, usual, headers, status):
    answer = httpx.post(f"{double.url}/v1/messages", json=usual, headers=headers)
    assert answer.status_code == status
    assert answer.json()["request_id"] == answer.headers["request-id"]


def test_keys_are_not_kept(double, ask):
    ask()
    assert KEY not in json.dumps(double.requests[-1].as_json())


def test_an_unknown_path_is_not_found(double):
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    assert httpx.get(f"{double.url}/v1/complete", headers=headers).json()["error"]["type"] == "not_found_error"


def test_a_slow_answer_keeps_its_pace(double, connect, usual):
    double.script(Slow(first=0.3, between=0.1, pieces=4))
    arrived = []

    async def read():
        async with connect() as client:
            began = time.monotonic()
            async with client.messages.stream(**usual) as stream:
                arrived.extend([time.monotonic() - began async for _ in stream.text_stream])

    asyncio.run(read())
    assert len(arrived) == 4
    assert arrived[0] >= 0.3
    assert arrived[-1] >= 0.6


def test_a_slow_answer_in_one_piece_takes_as_long(double, ask):
    double.pace = Pace.lasting(0.4)
    began = time.monotonic()
    ask()
    assert time.monotonic() - began >= 0.4


def test_it_is_seen_when_the_reader_leaves(double, connect, usual):
    double.pace = Pace(between=0.1, pieces=100)

    async def leave():
        async with connect() as client, client.messages.stream(**usual) as stream:
            async for _ in stream.text_stream:
                return

    asyncio.run(leave())
    deadline = time.monotonic() + 10
    while double.requests[-1].outcome is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert double.requests[-1].outcome == "client left"


def test_two_hundred_slow_answers_are_given_at_once(double, connect, usual):
    double.pace = Pace.lasting(4, pieces=8)

    async def all_at_once():
        async with connect(timeout=60) as client:

            async def one():
                async with client.messages.stream(**usual) as stream:
                    return (await stream.get_final_message()).stop_reason

            return await asyncio.gather(*[one() for _ in range(200)])

    assert asyncio.run(all_at_once()) == ["end_turn"] * 200
    moments = [request.started for request in double.requests]
    under_way = [sum(r.started <= moment < r.ended for r in double.requests) for moment in moments]
    assert max(under_way) >= 100


@pytest.mark.parametrize("length", [0, 1, 19, 20, 21, 399])
def test_a_text_is_cut_into_as_many_pieces_as_asked(length):
    pieces = Pace(pieces=20).split("x" * length)
    assert "".join(pieces) == "x" * length
    assert len(pieces) == min(20, length)
    assert all(pieces)
