"""The model: Anthropic's Messages API, or any server that speaks it, through the official SDK.

No other module imports `anthropic`; that takes over a second, so it happens at the first call and off the event loop.
The SDK never retries here: it sends no idempotency key, so every retry is an attempt that has to be paid for.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from agent_service.errors import (
    AgentError,
    AnswerRefusedError,
    AnswerUnusableError,
    PromptTooLargeError,
    ProviderConfigurationError,
    ProviderError,
    ProviderRateLimitedError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from agent_service.llm.answers import structured_output
from agent_service.llm.protocol import BatchAnswer, Completion, Prompt, Usage

__all__ = ["AnthropicProvider"]

M = TypeVar("M", bound=BaseModel)
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 60.0  # between two pieces of an answer
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# Idle connections are dropped before the other end does it: gateways on uvicorn or Node close theirs after 5 s, and a
# request that meets this is lost, at a cost that nobody told us.
IDLE_SECONDS = 3.0
MOST_CONNECTIONS = 1000
NOTHING = dataclasses.asdict(Usage())
# Shorter prompts are not cached, whatever is asked: tokens by the family in the model's name.
CACHED_FROM = {"haiku": 4096, "sonnet": 1024, "opus": 4096}
# Tests set this to False, so that none of them can spend money by mistake: then only loopback is asked.
ALLOW_REAL_REQUESTS = True
SPEND_LIMIT = "enforced_spend_limit_reached"
TOO_LONG = ("prompt is too long", "context window", "request_too_large")


class AnthropicProvider:
    """A Provider. base_url: of a gateway or a local server that speaks the same API."""

    name = "anthropic"

    def __init__(
        self, api_key: SecretStr, *, base_url: str | None = None, silence_seconds: float = SILENCE_SECONDS
    ) -> None:
        self._key = api_key
        self._base_url = base_url
        self._silence = silence_seconds
        self._made: Any = None
        self._making = asyncio.Lock()

    def __repr__(self) -> str:
        return f"AnthropicProvider({self._base_url or 'default'!r})"

    async def _client(self) -> Any:  # noqa: ANN401 - the SDK's client, imported late
        async with self._making:
            if self._made is None:
                if not ALLOW_REAL_REQUESTS and urlsplit(self._base_url or "").hostname not in LOOPBACK:
                    raise ProviderConfigurationError("No real model is asked here: ALLOW_REAL_REQUESTS is False.")
                sdk = await asyncio.to_thread(importlib.import_module, "anthropic")
                self._made = sdk.AsyncAnthropic(
                    api_key=self._key.get_secret_value(),
                    base_url=self._base_url,
                    max_retries=0,
                    timeout=sdk.Timeout(self._silence, connect=CONNECT_SECONDS),
                    http_client=sdk.DefaultAsyncHttpxClient(limits=_limits()),
                )
            return self._made

    async def aclose(self) -> None:
        """Close the connections."""
        if self._made is not None:
            await self._made.close()

    async def complete(self, prompt: Prompt, *, deadline: float) -> Completion:
        """Return the whole answer. It is streamed all the same: a lost connection shows at once."""
        async with contextlib.aclosing(self.stream(prompt, deadline=deadline)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Completion):
                    return piece
        raise ProviderUnavailableError

    async def structured(self, prompt: Prompt, output: type[M], *, deadline: float) -> tuple[M, Completion]:
        """Return the answer as `output`, held to the prompt's schema, or to that of the model itself if it has none."""
        if prompt.schema is None:
            await self._client()  # the SDK, off the event loop
            schema = importlib.import_module("anthropic").transform_schema(output)
            prompt = dataclasses.replace(prompt, schema=schema)
        completion = await self.complete(prompt, deadline=deadline)
        return structured_output(completion, output), completion

    async def stream(self, prompt: Prompt, *, deadline: float) -> AsyncGenerator[str | Completion, None]:
        """Yield the text as it comes and the completion last."""
        client = await self._client()
        started = time.monotonic()
        answer = _Answer(self.name, prompt.model)
        ends_at = asyncio.get_running_loop().time() + deadline
        try:
            async with asyncio.timeout_at(ends_at):
                stream = await client.messages.create(**_request(prompt), stream=True)
            async with stream:
                answer.request_id = stream.response.headers.get("request-id")
                async for event in _within(ends_at, aiter(stream)):
                    if text := answer.take(event, started):
                        yield text
        except TimeoutError as error:
            raise _away("The model did not answer in time.", usage=None) from error
        except Exception as error:
            raise _translated(error) from error
        yield answer.finish(round((time.monotonic() - started) * 1000))

    async def count_tokens(self, prompt: Prompt) -> int:
        """Return how many tokens the prompt has for its model."""
        client = await self._client()
        request = {key: value for key, value in _request(prompt).items() if key not in {"max_tokens"}}
        try:
            counted = await client.messages.count_tokens(**request)
        except Exception as error:
            raise _translated(error) from error
        return int(counted.input_tokens)

    async def start_batch(self, prompts: Mapping[str, Prompt]) -> str:
        """Hand in prompts by custom id; return the batch's id."""
        client = await self._client()
        requests = [{"custom_id": key, "params": _request(prompt)} for key, prompt in prompts.items()]
        try:
            batch = await client.messages.batches.create(requests=requests)
        except Exception as error:
            raise _translated(error) from error
        return str(batch.id)

    async def read_batch(self, batch_id: str) -> list[BatchAnswer] | None:
        """Return the results, in any order and perhaps not all; None while the batch runs."""
        client = await self._client()
        try:
            batch = await client.messages.batches.retrieve(batch_id)
            if batch.processing_status != "ended":
                return None
            return [self._batch_answer(item) async for item in await client.messages.batches.results(batch_id)]
        except Exception as error:
            raise _translated(error) from error

    def _batch_answer(self, item: Any) -> BatchAnswer:  # noqa: ANN401
        kind = item.result.type
        if kind == "succeeded":
            message = item.result.message
            answer = _Answer(self.name, message.model)
            answer.stop_reason = message.stop_reason
            answer.text = ["".join(block.text for block in message.content if block.type == "text")]
            answer.note_usage(message.usage)
            try:
                return BatchAnswer(custom_id=item.custom_id, completion=answer.finish(None))
            except AgentError as error:
                return BatchAnswer(custom_id=item.custom_id, error=error)
        if kind == "errored" and item.result.error.error.type == "invalid_request_error":
            refused = ProviderConfigurationError()
            refused.usage = NOTHING
            return BatchAnswer(custom_id=item.custom_id, error=refused)
        # Errored, expired and canceled requests are not billed.
        return BatchAnswer(custom_id=item.custom_id, error=_away(f"The batch's request is {kind}.", usage=NOTHING))


class _Answer:
    """An answer while it comes in."""

    def __init__(self, provider: str, model: str) -> None:
        self.provider, self.model = provider, model
        self.text: list[str] = []
        self.stop_reason: str | None = None
        self.request_id: str | None = None
        self.counts: dict[str, int] = {}
        self.first_ms: int | None = None

    def take(self, event: Any, started: float) -> str | None:  # noqa: ANN401
        """Note what an event says; return the text that it brings."""
        if event.type == "message_start":
            self.note_usage(event.message.usage)
        elif event.type == "message_delta":
            self.stop_reason = event.delta.stop_reason or self.stop_reason
            self.note_usage(event.usage)
        elif event.type == "content_block_delta" and event.delta.type == "text_delta":
            if self.first_ms is None:
                self.first_ms = round((time.monotonic() - started) * 1000)
            self.text.append(event.delta.text)
            return str(event.delta.text)
        return None

    def note_usage(self, usage: Any) -> None:  # noqa: ANN401
        """Counts are cumulative: the newest one holds."""
        names = {
            "input_tokens": "input_tokens",
            "cache_creation_input_tokens": "cache_write_tokens",
            "cache_read_input_tokens": "cache_read_tokens",
            "output_tokens": "output_tokens",
        }
        for theirs, ours in names.items():
            if (count := getattr(usage, theirs, None)) is not None:
                self.counts[ours] = count

    def finish(self, latency_ms: int | None) -> Completion:
        """Return the completion, or raise what its end means."""
        usage = Usage(
            **self.counts, latency_ms=latency_ms, time_to_first_token_ms=self.first_ms, request_id=self.request_id
        )
        text = "".join(self.text)
        error: ProviderError | ProviderRefusedError | None = None
        if self.stop_reason is None:
            # The stream was cut off between two events: nobody told us what it cost.
            raise _away("The model's answer ended too early.", usage=None)
        if self.stop_reason == "refusal":
            error = AnswerRefusedError()
        elif self.stop_reason in {"max_tokens", "model_context_window_exceeded"}:
            error = PromptTooLargeError()
        elif self.stop_reason != "end_turn" or not text.strip():
            error = AnswerUnusableError()
        if error is not None:
            error.usage = dataclasses.asdict(usage)
            raise error
        return Completion(text=text, provider=self.provider, model=self.model, usage=usage)


async def _within(ends_at: float, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Bound the waiting for events alone: a timeout around the whole loop would strike the reader's own code."""
    while True:
        async with asyncio.timeout_at(ends_at):
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return
        yield event


def _limits() -> Any:  # noqa: ANN401 - of the SDK's HTTP library
    return importlib.import_module("httpx2").Limits(
        max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_CONNECTIONS, keepalive_expiry=IDLE_SECONDS
    )


def _request(prompt: Prompt) -> dict[str, Any]:
    system: dict[str, Any] = {"type": "text", "text": prompt.system}
    if _is_cacheable(prompt):
        system["cache_control"] = {"type": "ephemeral"}
    request: dict[str, Any] = {
        "model": prompt.model,
        "max_tokens": prompt.max_output_tokens,
        "system": [system],
        "messages": [{"role": "user", "content": prompt.user}],
    }
    if prompt.schema is not None:
        request["output_config"] = {"format": {"type": "json_schema", "schema": dict(prompt.schema)}}
    return request


def _is_cacheable(prompt: Prompt) -> bool:
    least = next((tokens for family, tokens in CACHED_FROM.items() if family in prompt.model), 4096)
    return len(prompt.system) / 4 >= least  # four characters a token: a write for nothing costs a quarter more


def _away(message: str, *, usage: Mapping[str, Any] | None) -> ProviderUnavailableError:
    error = ProviderUnavailableError(message)
    error.usage = usage
    return error


def _translated(error: Exception) -> Exception:
    """Return ours for an exception of the SDK or its HTTP library; any other as it is."""
    sdk = importlib.import_module("anthropic")
    http = importlib.import_module("httpx2")
    if isinstance(error, sdk.APIStatusError):
        return _of_status(error)
    if isinstance(error, sdk.APIConnectionError | http.TransportError):
        cause = error if isinstance(error, http.TransportError) else error.__cause__
        never_sent = isinstance(cause, http.ConnectError | http.ConnectTimeout | http.PoolTimeout)
        return _away(
            f"The model's provider could not be reached ({type(cause or error).__name__}).",
            usage=NOTHING if never_sent else None,
        )
    if isinstance(error, sdk.APIError):  # what came was not what the API answers
        return _away("The model's provider sent something else than an answer.", usage=None)
    return error


def _of_status(error: Any) -> ProviderError | ProviderRefusedError:  # noqa: ANN401
    """By the error's own type first: one that comes amid a stream has the status 200."""
    kind, status, said = str(error.type or ""), int(error.status_code), str(error.message).lower()
    result: ProviderError | ProviderRefusedError
    if SPEND_LIMIT in (kind, str(error.error_code or "")) or SPEND_LIMIT in said:
        result = ProviderConfigurationError(status=status)
    elif kind == "rate_limit_error" or status == 429:
        result = ProviderRateLimitedError(status=status)
        result.retry_after = _seconds(error.response.headers.get("retry-after"))
    elif kind == "overloaded_error" or status in {408, 409} or status >= 500 or status < 400:
        result = ProviderUnavailableError(status=status)
        result.retry_after = _seconds(error.response.headers.get("retry-after"))
    elif status == 413 or any(words in said for words in TOO_LONG):
        result = PromptTooLargeError(status=status)
    else:
        result = ProviderConfigurationError(status=status)
    # Turned away before any work: that is known to cost nothing. Amid a stream or after a fault nobody knows.
    turned_away = status == 529 or 400 <= status < 500
    result.usage = {**NOTHING, "request_id": error.request_id} if turned_away else None
    return result


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None
