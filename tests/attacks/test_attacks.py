"""No attack has success, none is refused silently where an error is due, on Postgres 18, on 15, and over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.cases import ATTACKS, LIMITS
from tests.attacks.cases.limits import Limit
from tests.attacks.cases.people import AGENT, OWNER, WORKER
from tests.attacks.model import Harmless, Request, Who, rpc
from tests.attacks.running import DRIVERS, Lane, Template, built
from tests.attacks.suite import outcomes

GROUPS = {driver: sorted({one.group for one in ATTACKS if one.runs_on(driver)}) for driver in DRIVERS}


@pytest.fixture(scope="module")
def template(template_db: Any) -> Iterator[Template]:
    with built(template_db) as made:
        yield made


@pytest.fixture(scope="module")
def template15(template_db15: Any) -> Iterator[Template]:
    with built(template_db15) as made:
        yield made


def attack(template: Template, driver: str, group: str) -> None:
    """Run a group of attacks; say of each that is red what came back."""
    found = list(outcomes(template, driver, [one for one in ATTACKS if one.group == group]))
    assert all(outcome.tries > 0 for outcome in found)
    assert [(outcome.attack.id, outcome.faults[:3]) for outcome in found if outcome.faults] == []


@pytest.mark.drill
@pytest.mark.parametrize("group", GROUPS["sql"])
def test_attacks(template: Template, group: str) -> None:
    attack(template, "sql", group)


@pytest.mark.drill
@pytest.mark.parametrize("group", GROUPS["sql"])
def test_attacks_on_15(template15: Template, group: str) -> None:
    attack(template15, "sql", group)


@pytest.mark.drill
@pytest.mark.parametrize("group", GROUPS["http"])
def test_attacks_over_http(template: Template, group: str) -> None:
    attack(template, "http", group)


def test_there_are_a_hundred_cases_and_each_is_one() -> None:
    assert len(ATTACKS) >= 100
    twice = [name for name, count in Counter(one.id for one in ATTACKS).items() if count > 1]
    same = [text for text, count in Counter(one.sentence for one in ATTACKS).items() if count > 1]
    assert (twice, same) == ([], [])
    assert all(one.sentence.endswith(".") for one in ATTACKS)
    unexplained = [one.id for one in ATTACKS if one.only and ": " not in one.only]
    assert unexplained == []


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.attack.id)
def test_limits_are_where_they_are_said_to_be(template: Template, limit: Limit) -> None:
    with Lane(template, limit.attack.only.partition(":")[0] or "sql") as lane:
        outcome = lane.run(limit.attack)
    assert {fault.kind for fault in outcome.faults} == {limit.kind}, outcome.faults


# What each principal is there for. If the scene were broken, every attack would be refused for the wrong reason.
ALLOWED: dict[str, tuple[Who, Any]] = {
    "a person approves": (OWNER, lambda s: rpc("approve_draft", p_draft_id=s.mail, p_content_hash=s.mail_hash)),
    "the agent reads": (AGENT, lambda s: rpc("get_client_context", p_client_id=s.acme)),
    "the agent hands in": (AGENT, lambda s: rpc("complete_draft_job", p_content="Hello", p_subject="Hello")),
    "a worker claims": (WORKER, lambda s: rpc("claim_job", p_job_id=s.queued_job)),
    "a person asks": (
        OWNER,
        lambda s: rpc("request_draft", p_client_id=s.acme, p_draft_type="note", p_purpose="follow_up"),
    ),
}


@pytest.mark.parametrize("driver", ["sql", "http"])
@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_works(template: Template, driver: str, name: str) -> None:
    who, request = ALLOWED[name]
    with Lane(template, driver) as lane, lane.staged() as stage, stage.driver.session():
        asked: Request = request(stage.scene)
        reply = stage.driver.send(who, asked)
        assert Harmless().fault(reply, stage.scene) is None, str(reply)
        assert reply.value
