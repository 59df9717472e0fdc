"""Word lists that live in data files."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["lexicon", "shared"]


@cache
def lexicon(name: str) -> dict[str, Any]:
    """Return what stands in `lexicon/<name>.toml`."""
    text = resources.files(__package__).joinpath("lexicon", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def shared(name: str) -> frozenset[str]:
    """Return a list of words that are the same in every language."""
    return frozenset(lexicon("shared")[name].split())
