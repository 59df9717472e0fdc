"""What the API refuses before it asks a model."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from tests.double import caching, schema
from tests.double.api_faults import ApiError, InvalidRequest, NotFound, TooLarge, Unauthenticated

SAMPLING = ("temperature", "top_p", "top_k")
VERSIONS = ("2023-06-01", "2026-10-21")
PARAMETERS = {
    *("model", "messages", "max_tokens", "system", "stream", "stop_sequences", "metadata", "output_config", "tools"),
    *("tool_choice", "thinking", "cache_control", "service_tier", "inference_geo", "container", "diagnostics", "speed"),
    *("user_profile_id", "workspace_id"),
}
LARGEST = 32 << 20  # bytes
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def check_headers(headers: Mapping[str, str], keys: Collection[str]) -> None:
    """Raise ApiError unless there is a key, in x-api-key or as a bearer token (as the SDK sends it), and a version."""
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not key:
        raise ApiError(Unauthenticated("x-api-key header is required"))
    if key not in keys:
        raise ApiError(Unauthenticated())
    _require("anthropic-version" in headers, "anthropic-version: header is required")
    version = headers["anthropic-version"]
    _require(version in VERSIONS, f'anthropic-version: "{version}" is not a valid version')


def check_size(body: bytes) -> None:
    if len(body) > LARGEST:
        raise ApiError(TooLarge())


def check_params(params: Any, models: Collection[str], *, counting: bool = False) -> None:
    """Raise ApiError unless a model would be asked for this. counting: for count_tokens, which needs no max_tokens."""
    if not isinstance(params, dict):
        raise ApiError(InvalidRequest("The request body is not valid JSON"))
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        _require(name in params, f"{name}: Field required")
    for name in SAMPLING:
        _require(name not in params, f"`{name}` is deprecated for this model.")
    for name in params:
        _require(name in PARAMETERS, f"{name}: Extra inputs are not permitted")
    if params["model"] not in models:
        raise ApiError(NotFound(f"model: {params['model']}"))
    _require(counting or _positive(params["max_tokens"]), "max_tokens: Input should be greater than or equal to 1")
    _check_messages(params["messages"])
    _require(caching.marks(params) <= 4, "A maximum of 4 blocks with cache_control may be provided.")
    _check_output_config(params.get("output_config") or {})


def check_requests(requests: Any) -> None:
    """Raise ApiError unless this is a list of a batch's requests. Their params are checked when their turn comes."""
    _require(isinstance(requests, list) and len(requests) > 0, "requests: at least one request is required")
    ids = [request.get("custom_id") for request in requests]
    for number, custom_id in enumerate(ids):
        valid = isinstance(custom_id, str) and _CUSTOM_ID.fullmatch(custom_id)
        _require(valid, f"requests.{number}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        _require(isinstance(requests[number].get("params"), dict), f"requests.{number}.params: Field required")
    _require(len(set(ids)) == len(ids), "requests: custom_id must be unique")


def _check_messages(messages: Any) -> None:
    _require(isinstance(messages, list) and len(messages) > 0, "messages: at least one message is required")
    for number, message in enumerate(messages):
        at = f"messages.{number}"
        _require(message.get("role") in {"user", "assistant"}, f"{at}.role: Input should be 'user' or 'assistant'")
        _require(message.get("content"), f"{at}: all messages must have non-empty content")
    prefilled = messages[-1]["role"] == "assistant"
    _require(not prefilled, "This model does not support assistant message prefill. End with a user message.")


def _check_output_config(config: dict[str, Any]) -> None:
    if (form := config.get("format")) is None:
        return
    _require(form.get("type") == "json_schema", "output_config.format.type: Input should be 'json_schema'")
    _require(isinstance(form.get("schema"), dict), "output_config.format.schema: Field required")
    for fault in schema.faults(form["schema"]):
        raise ApiError(InvalidRequest(fault))


def _positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _require(holds: Any, message: str) -> None:
    if not holds:
        raise ApiError(InvalidRequest(message))
