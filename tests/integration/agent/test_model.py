"""The adapter of the model, with the official SDK against a server that speaks its API."""

import asyncio
import contextlib
import json
import time

import pytest
from pydantic import BaseModel, SecretStr

from agent_service.errors import AnswerUnusableError, ProviderConfigurationError
from agent_service.llm.anthropic import AnthropicProvider
from agent_service.llm.partial import ContentStream
from agent_service.llm.protocol import Completion, DraftOutput, Prompt
from tests.double import KEY, Double, Pace, fixed

MODEL = "claude-sonnet-5-5"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["subject", "content"],
    "properties": {"subject": {"type": "string"}, "content": {"type": "string"}},
}
ANSWER = {"subject": "Hello", "content": 'First line.\n\nSecond "line" — with more.'}


@pytest.fixture
def double():
    with Double(answerer=fixed(json.dumps(ANSWER))) as double:
        yield double


def ask(function, double, **options):
    async def main():
        provider = AnthropicProvider(SecretStr(KEY), base_url=double.url, **options)
        try:
            return await function(provider)
        finally:
            await provider.aclose()

    return asyncio.run(asyncio.wait_for(main(), 30))


def prompt(**more):
    return Prompt(**{"model": MODEL, "system": "Be brief.", "user": "Write.", "schema": SCHEMA} | more)


def test_a_whole_answer_with_what_it_cost(double):
    completion = ask(lambda provider: provider.complete(prompt(), deadline=5), double)
    assert json.loads(completion.text) == ANSWER
    assert (completion.provider, completion.model) == ("anthropic", MODEL)
    (received,) = double.requests
    assert completion.usage.input_tokens == received.usage["input_tokens"] > 0
    assert completion.usage.output_tokens == received.usage["output_tokens"] > 0
    assert completion.usage.request_id == received.id
    assert 0 <= completion.usage.time_to_first_token_ms <= completion.usage.latency_ms
    assert received.body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert not {"temperature", "top_p", "top_k"} & received.body.keys()


def test_an_answer_as_it_comes(double):
    async def read(provider):
        return [piece async for piece in provider.stream(prompt(), deadline=5)]

    *pieces, completion = ask(read, double)
    assert isinstance(completion, Completion)
    assert len(pieces) > 3
    assert "".join(pieces) == completion.text
    shown = ContentStream()
    assert "".join(shown.feed(piece) for piece in pieces) == ANSWER["content"]


def test_an_answer_as_what_was_asked_for(double):
    output, _ = ask(lambda provider: provider.structured(prompt(), DraftOutput, deadline=5), double)
    assert (output.subject, output.content) == (ANSWER["subject"], ANSWER["content"])


def test_without_a_schema_the_models_own_is_sent(double):
    asked = prompt(schema=None)
    output, _ = ask(lambda provider: provider.structured(asked, DraftOutput, deadline=5), double)
    assert output.content == ANSWER["content"]
    schema = double.requests[-1].body["output_config"]["format"]["schema"]
    assert set(schema["properties"]) == set(DraftOutput.model_fields)
    assert schema["additionalProperties"] is False


def test_an_answer_that_is_something_else_says_what_it_cost_and_not_what_it_was(double):
    class Other(BaseModel):
        number: int

    with pytest.raises(AnswerUnusableError) as caught:
        ask(lambda provider: provider.structured(prompt(), Other, deadline=5), double)
    assert caught.value.usage["output_tokens"] > 0
    assert "First line" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_tokens_are_counted_by_the_provider(double):
    counted = ask(lambda provider: provider.count_tokens(prompt(user="word " * 400)), double)
    assert (
        counted
        == ask(lambda provider: provider.complete(prompt(user="word " * 400), deadline=5), double).usage.input_tokens
    )


def test_a_long_stable_part_is_cached_and_a_short_one_is_not(double):
    stable = prompt(system="A rule that never changes. " * 400)

    async def twice(provider):
        return [(await provider.complete(stable, deadline=5)).usage for _ in range(2)]

    first, second = ask(twice, double)
    assert first.cache_write_tokens > 1024
    assert first.cache_read_tokens == 0
    assert second.cache_read_tokens == first.cache_write_tokens
    ask(lambda provider: provider.complete(prompt(), deadline=5), double)
    assert "cache_control" not in json.dumps(double.requests[-1].body)


def test_leaving_ends_the_call(double):
    double.pace = Pace.lasting(20)

    async def leave(provider):
        async with contextlib.aclosing(provider.stream(prompt(), deadline=30)) as pieces:
            async for _ in pieces:
                break

    ask(leave, double)
    assert _outcome(double) == "client left"


def test_a_cancelled_call_is_left(double):
    double.pace = Pace.lasting(20)

    async def cancel(provider):
        task = asyncio.create_task(provider.complete(prompt(), deadline=30))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    ask(cancel, double)
    assert _outcome(double) == "client left"


def test_a_deadline_ends_the_call_and_leaves_the_cost_unknown(double):
    double.pace = Pace.lasting(20)
    started = time.monotonic()
    with pytest.raises(Exception, match="did not answer in time") as caught:
        ask(lambda provider: provider.complete(prompt(), deadline=0.5), double)
    assert time.monotonic() - started < 5
    assert caught.value.usage is None


def _outcome(double):
    limit = time.monotonic() + 5
    while double.requests[-1].outcome is None and time.monotonic() < limit:
        time.sleep(0.01)
    return double.requests[-1].outcome


def test_the_sdk_is_not_imported_before_it_is_needed():
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    code = "import sys, agent_service.cli, workers.draft; sys.exit('anthropic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_test_asks_a_real_model():
    async def main():
        await AnthropicProvider(SecretStr(KEY)).complete(prompt(), deadline=1)

    with pytest.raises(ProviderConfigurationError, match="No real model"):
        asyncio.run(main())


def test_a_real_model_writes_a_draft(real_model):
    """A smoke test with a real key: one short draft, for a fraction of a cent."""
    key = SecretStr(real_model["ANTHROPIC_API_KEY"])

    async def main():
        provider = AnthropicProvider(key, base_url=real_model["ANTHROPIC_BASE_URL"])
        asked = prompt(
            model="claude-haiku-5-5",
            user="Write an email of two sentences that thanks Dana for the visit.",
            max_output_tokens=300,
        )
        try:
            return await provider.structured(asked, DraftOutput, deadline=60)
        finally:
            await provider.aclose()

    output, completion = asyncio.run(main())
    assert "Dana" in output.content
    assert completion.usage.output_tokens > 0
