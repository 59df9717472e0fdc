"""The JSON that a prompt holds, found without knowing how the prompt is built."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_OPENING = re.compile(r"[{\[]")
_DECODER = json.JSONDecoder()


def find_json(text: str) -> list[Any]:
    """Every JSON object and list in the text, outermost, in order."""
    found, at = [], 0
    while opening := _OPENING.search(text, at):
        try:
            value, at = _DECODER.raw_decode(text, opening.start())
        except ValueError:
            at = opening.end()
        else:
            found.append(value)
    return found


def strings(value: Any) -> Iterator[str]:
    """Every string value, however deep; keys are not values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def field(value: Any, *names: str) -> Any:
    """The first non-empty value under one of these keys, however deep; case and underscores do not count."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if _bare(key) in map(_bare, names) and inner:
                return inner
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for inner in inside if (found := field(inner, *names))), None)


def _bare(name: str) -> str:
    return name.replace("_", "").lower()
