"""Approving and sending without a person: how often each way is tried, and that every one of these tries is refused."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from tests.attacks.cases import ATTACKS
from tests.attacks.model import Attack, Refused, Request, Who
from tests.attacks.running import built
from tests.attacks.suite import outcomes

# What would approve or send, by any way: the functions, their helpers, the columns themselves.
OUTWARD = re.compile(
    r"(approve_drafts?|send_draft|mark_sent|undo_send|begin_send_job|complete_send_job|(open|queue|begin|finish)_send_v1)\b"
    r"|(PATCH|POST) (ai_drafts|ai_sends)|(update|insert into) (public\.)?(ai_drafts|ai_sends)"
)
WAYS = {
    "an agent's token": lambda attack, who, request: who.name.startswith("agent") or "act" in who.changed,
    "a worker's key": lambda attack, who, request: who.name.startswith("worker"),
    "service_role or no sign-in": lambda attack, who, request: who.name in ("service_role", "anon"),
    "a session that has ended, a user who is banned or deleted": lambda attack, who, request: bool(
        re.search(r"signed-out|session|banned|deleted|nobody", attack.id)
    ),
    "a text that was changed, closed or approved before": lambda attack, who, request: bool(
        re.search(r"edited|replay|twice|closed|shown|hash|again|changed|while-sending|unapproved", attack.id)
    ),
    "somebody else's draft": lambda attack, who, request: "others" in attack.id,
    "the columns themselves": lambda attack, who, request: bool(re.match(r"PATCH|POST|update|insert", request)),
    "many at once": lambda attack, who, request: "approve_drafts" in request,
    "strings of SQL or JSON": lambda attack, who, request: bool(
        re.search(r"drop table|inject|no-such-action", attack.id + request)
    ),
}


def tries(attack: Attack, scene: Any) -> list[tuple[Who, Request]]:
    listed = []
    for one in attack.tries(scene):
        listed += [one] if isinstance(one, tuple) else [(who, one) for who in attack.by]
    return [(who, request) for who, request in listed if OUTWARD.search(str(request))]


@pytest.mark.drill
def test_200_tries_to_approve_or_send_without_a_person(template_db: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with built(template_db) as template:
        refused = [attack for attack in ATTACKS if isinstance(attack.expect, Refused) and tries(attack, template.scene)]
        listed = [(attack, who, str(request)) for attack in refused for who, request in tries(attack, template.scene)]
        by_way = Counter(
            way for way, is_of in WAYS.items() for attack, who, request in listed if is_of(attack, who, request)
        )
        ran = list(outcomes(template, "sql", [attack for attack in refused if attack.runs_on("sql")]))
    with capsys.disabled():
        print(f"\n{len(listed)} tries to approve or send without a person: {dict(by_way)}")
    assert [(outcome.attack.id, outcome.faults[:2]) for outcome in ran if outcome.faults] == []
    assert len(listed) >= 200
    assert min(by_way.get(way, 0) for way in WAYS) >= 5
