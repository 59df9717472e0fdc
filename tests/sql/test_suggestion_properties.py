"""What must hold for any client: records that say nothing change nothing, and time adds only what time makes true."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.suggestions.loading import load, set_statistics
from tests.suggestions.situations import NOW, SITUATIONS, Row, Situation, act, deal, order, task

SIGNALS = """
select s.client_id, s.rule_key, s.subject_id, s.basis, s.starts_at, s.ends_at
from agent.signals_v1(agent.client_facts_v1(%s, %s), %s) as s
"""
# Nothing of it says anything of the client as it is now.
IRRELEVANT: dict[str, Row] = {
    "a cancelled call": act(0.5, "extra", status="cancelled"),
    "a cancelled plan": act(-2, "extra", status="cancelled"),
    "a plan of long ago": act(300, "extra", status="scheduled"),
    "a finished task": task(5, "extra", status="done"),
    "a task without a date": task(None, "extra"),
    "a lost deal": deal("extra", since=3, stage="lost", closed_at=NOW - dt.timedelta(days=3)),
    "a refunded order": order(33, "extra", status="refunded"),
    "an order of tomorrow": order(-1, "extra"),
}


def signals(world: Any, clients: list[Any], at: dt.datetime) -> list[dict[str, Any]]:
    return world.person("ada").sql(SIGNALS, clients, at, at)


def true(found: list[dict[str, Any]], at: dt.datetime) -> set[tuple[Any, ...]]:
    return {
        (row["client_id"], row["rule_key"], row["subject_id"], row["basis"])
        for row in found
        if row["starts_at"] <= at and (row["ends_at"] is None or row["ends_at"] > at)
    }


@pytest.mark.parametrize("what", IRRELEVANT)
def test_an_irrelevant_record_changes_nothing(world: Any, what: str) -> None:
    set_statistics(world.conn)
    clients, _ = load(world.conn, SITUATIONS, world.users["ada"])
    before = true(signals(world, list(clients), NOW), NOW)
    for client in clients:
        extra = Situation(what, (IRRELEVANT[what],), frozenset())
        load(world.conn, [extra], world.users["ada"], given=client)
    assert true(signals(world, list(clients), NOW), NOW) == before


def test_the_records_of_another_client_change_nothing(world: Any) -> None:
    set_statistics(world.conn)
    half = len(SITUATIONS) // 2
    clients, _ = load(world.conn, SITUATIONS[:half], world.users["ada"])
    before = signals(world, list(clients), NOW)
    load(world.conn, SITUATIONS[half:], world.users["ada"])
    load(world.conn, SITUATIONS[half:], world.users["bob"])
    assert true(signals(world, list(clients), NOW), NOW) == true(before, NOW)


# Those with something in the future change when it comes, which is more than time.
SETTLED = [
    one
    for one in SITUATIONS
    if all(
        not isinstance(value, dt.datetime) or value <= NOW
        for row in one.rows
        for name, value in row.columns.items()
        if not (row.table == "tasks" and name == "due_at")
    )
]


@pytest.mark.parametrize("days", [0.5, 1, 3, 8, 20, 45, 100])
def test_what_time_will_make_true_is_known_now(world: Any, days: float) -> None:
    """So nobody has to look in between: the due-time index is all that a sweep needs."""
    set_statistics(world.conn)
    clients, _ = load(world.conn, SETTLED, world.users["ada"])
    later = NOW + dt.timedelta(days=days)
    predicted = {one for one in true(signals(world, list(clients), NOW), later) if one[1] != "anniversary"}
    found = {one for one in true(signals(world, list(clients), later), later) if one[1] != "anniversary"}
    assert len(SETTLED) > 100
    assert found == predicted


def test_time_takes_away_only_what_was_to_end(world: Any) -> None:
    set_statistics(world.conn)
    clients, _ = load(world.conn, SETTLED, world.users["ada"])
    later = NOW + dt.timedelta(days=30)
    before = signals(world, list(clients), NOW)
    gone = true(before, NOW) - true(signals(world, list(clients), later), later)
    ends = {(row["client_id"], row["rule_key"], row["subject_id"], row["basis"]): row["ends_at"] for row in before}
    assert gone
    assert all(ends[one] is not None and ends[one] <= later for one in gone)
