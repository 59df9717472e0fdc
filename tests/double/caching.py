"""Prompt caching: what was marked with cache_control before is read, what is new is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.double.answers import tokens

MINIMUM = 1024  # tokens; what is shorter is silently not cached


@dataclass(frozen=True)
class Block:
    """A part of the prompt: its bytes without the mark, how long its text is, and the mark's lifetime if it has one."""

    content: bytes
    characters: int
    ttl: str | None


def blocks(params: dict[str, Any]) -> list[Block]:
    """The prompt in the order in which the API sees it: tools, system, messages."""
    found = [_block("tool", tool) for tool in params.get("tools") or []]
    found += [_block("system", part) for part in _parts(params.get("system") or [])]
    for message in params.get("messages") or []:
        found += [_block(message["role"], part) for part in _parts(message["content"])]
    if found and (mark := params.get("cache_control")):  # automatic caching: the mark is on the last block
        found[-1] = Block(found[-1].content, found[-1].characters, mark.get("ttl", "5m"))
    return found


def prompt_tokens(params: dict[str, Any]) -> int:
    return tokens(sum(block.characters for block in blocks(params)))


def marks(params: dict[str, Any]) -> int:
    """How many blocks are marked; the API takes four."""
    return sum(block.ttl is not None for block in blocks(params))


class PromptCache:
    """What has been written, by model and by all that comes before and including the marked block."""

    def __init__(self, minimum: int = MINIMUM) -> None:
        self.minimum = minimum
        self._written: set[bytes] = set()

    def clear(self) -> None:
        """As after five quiet minutes."""
        self._written.clear()

    def usage(self, params: dict[str, Any]) -> dict[str, Any]:
        """The input side of `usage`. Calling it writes the cache."""
        prefixes = list(self._prefixes(params))
        total = prefixes[-1][1] if prefixes else 0
        read = max((length for key, length, _ in prefixes if key in self._written), default=0)
        created = {"5m": 0, "1h": 0}
        done = read
        for key, length, ttl in prefixes:
            if ttl is None or length < self.minimum:
                continue
            self._written.add(key)
            created[ttl] += max(0, length - done)
            done = max(done, length)
        return {
            "input_tokens": total - done,
            "cache_creation_input_tokens": sum(created.values()),
            "cache_read_input_tokens": read,
            "cache_creation": {"ephemeral_5m_input_tokens": created["5m"], "ephemeral_1h_input_tokens": created["1h"]},
        }

    @staticmethod
    def _prefixes(params: dict[str, Any]) -> Iterator[tuple[bytes, int, str | None]]:
        digest, characters = hashlib.sha256(params["model"].encode()), 0
        for block in blocks(params):
            digest.update(block.content)
            characters += block.characters
            yield digest.digest(), tokens(characters), block.ttl


def _parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _block(kind: str, part: dict[str, Any]) -> Block:
    mark = part.get("cache_control")
    content = json.dumps([kind, {name: value for name, value in part.items() if name != "cache_control"}])
    return Block(content.encode(), len(part.get("text") or content), mark.get("ttl", "5m") if mark else None)
