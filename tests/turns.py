"""Reads a turn as somebody who attacks it would: by its lines alone, knowing the form of a delimiter."""

from __future__ import annotations

import json
import re
import unicodedata

from agent_service.prompts.building import Turn
from agent_service.prompts.records import encode

SECTIONS = ("records", "hints", "examples")
_LINE = re.compile(r"\W*<<<\s*(end\b)?\s*(\w+)?.*", re.IGNORECASE)


def read_turn(turn: Turn) -> dict[str, object]:
    """Return what stands between the delimiters of each section. Fails if a line more than ours looks like one."""
    # splitlines also breaks at U+2028, U+0085 and the like, and NFKC makes full-width signs plain ones.
    lines = unicodedata.normalize("NFKC", turn.text).splitlines()
    looks = [line for line in lines if _LINE.fullmatch(line)]
    names = [name for name in SECTIONS if f"<<<{name} {turn.mark}>>>" in looks]
    ours = [line for name in names for line in (f"<<<{name} {turn.mark}>>>", f"<<<end {name} {turn.mark}>>>")]
    assert looks == ours, "a line in the turn looks like a delimiter"
    assert turn.text.count(turn.mark) == len(ours), "the mark stands outside of the delimiters"
    assert turn.text.count("<<<") == len(ours), "something like a delimiter stands within a line"
    return {name: _between(turn, name) for name in names}


def _between(turn: Turn, name: str) -> object:
    _, _, rest = turn.text.partition(f"\n<<<{name} {turn.mark}>>>\n")
    data, _, _ = rest.partition(f"\n<<<end {name} {turn.mark}>>>")
    assert len(data.splitlines()) == 1, "the JSON of a section is one line"
    value = json.loads(data)
    assert encode(value) == data
    return value


def outside(turn: Turn) -> str:
    """Return the turn without what stands between its delimiters."""
    text = turn.text
    for name in SECTIONS:
        text = re.sub(rf"(<<<{name} {turn.mark}>>>\n).*?(\n<<<end {name} )", r"\1\2", text, flags=re.DOTALL)
    return text
