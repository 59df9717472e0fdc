import collections
import json
import re
from importlib import metadata
from pathlib import Path

import pytest

from agent_service.llm.plain_text import visible
from tests.injection.payloads import GOALS, PLACES, load_payloads, plant

CONTEXT = json.loads((Path(__file__).parents[1] / "unit/agent/context.json").read_text(encoding="utf-8"))
PAYLOADS = load_payloads()
NOBODYS = (".example.com", ".test", ".invalid")
# In a range kept for documentation; the second is the first.
ADDRESSES = {"192.0.2.17", "0xc0000211"}
# Half a host each, put together they are collect.example.com.
SPLIT = {"link-split-over-fields", "link-split-over-tags"}
OURS = [payload for payload in PAYLOADS if payload.source == "ours"]


def test_there_are_enough_of_them():
    assert len(PAYLOADS) >= 200
    assert len(OURS) >= 70
    assert len(PAYLOADS) - len(OURS) >= 100


def test_ids_are_unique():
    counts = collections.Counter(payload.id for payload in PAYLOADS)
    assert [name for name, count in counts.items() if count > 1] == []


def test_every_place_and_every_goal_is_known_and_used():
    assert {place for payload in PAYLOADS for place in payload.texts()} == set(PLACES)
    assert {payload.goal for payload in PAYLOADS} == GOALS


def test_no_text_of_ours_stands_twice():
    counts = collections.Counter(payload.text for payload in OURS)
    assert [text for text, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("payload", OURS, ids=lambda payload: payload.id)
def test_our_hosts_are_nobodys(payload):
    text = visible(" ".join(payload.texts().values()))
    hosts = re.findall(r"https?://(?:[^/\s@\"'()<>?]*@)?([\w.%-]+)", text)
    for host in hosts + re.findall(r"@([\w-]+(?:\.[\w-]+)+)", text):
        assert host.lower().rstrip(".").endswith(NOBODYS) or host in ADDRESSES or payload.id in SPLIT, host


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.id)
def test_planting_puts_every_text_into_its_place_and_changes_nothing_else(payload):
    planted, hints = plant(payload, CONTEXT)
    held = json.dumps([planted, hints], ensure_ascii=False)
    for text in payload.texts().values():
        assert json.dumps(text, ensure_ascii=False)[1:-1] in held
    assert planted.keys() == CONTEXT.keys()
    changed = sum(planted[name] != CONTEXT[name] for name in CONTEXT) + (hints is not None)
    assert 1 <= changed <= len(payload.texts())


def test_the_licence_of_the_package_allows_our_use():
    assert metadata.metadata("bastioncorpus")["License-Expression"] == "MIT"
