"""Every rule fires in the situations that are labelled with it, for the record that is named, and in no other."""

from __future__ import annotations

from collections import Counter
from typing import Any

import psycopg
import pytest

from tests.suggestions.loading import load, set_statistics
from tests.suggestions.situations import NOW, SITUATIONS

SIGNALS = """
select s.client_id, s.rule_key, s.subject_id
from agent.signals_v1(agent.client_facts_v1(%s, %s), %s) as s
where s.starts_at <= %s and (s.ends_at is null or s.ends_at > %s)
"""


def found(world: Any, client_ids: list[Any], now: Any = NOW) -> set[tuple[Any, str, Any]]:
    rows = world.person("ada").sql(SIGNALS, client_ids, now, now, now, now)
    return {(row["client_id"], row["rule_key"], row["subject_id"]) for row in rows}


def test_there_are_enough_situations_and_each_rule_has_some_that_fire_and_some_that_do_not(world: Any) -> None:
    fires = Counter(rule for situation in SITUATIONS for rule in {rule for rule, _ in situation.expected})
    rules = {row[0] for row in world.conn.execute("select rule_key from agent.suggestion_rules")}
    assert len(SITUATIONS) >= 120
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS)
    assert set(fires) == rules
    assert all(count >= 5 for count in fires.values()), fires


def test_precision_and_recall_are_one(any_world: Any) -> None:
    world = any_world
    set_statistics(world.conn)
    clients, keys = load(world.conn, SITUATIONS, world.users["ada"])
    fired = {(clients[client].name, rule, keys[subject]) for client, rule, subject in found(world, list(clients))}
    expected = {(one.name, rule, key) for one in SITUATIONS for rule, key in one.expected}
    assert (fired - expected, expected - fired) == (set(), set())


@pytest.mark.parametrize("who", ["bob", "eve"])
def test_whoever_does_not_see_a_client_finds_nothing(world: Any, who: str) -> None:
    set_statistics(world.conn)
    clients, _ = load(world.conn, SITUATIONS[:30], world.users["ada"])
    rows = world.person(who).sql(SIGNALS, list(clients), NOW, NOW, NOW, NOW)
    assert (rows != []) == (who == "eve"), "eve is an admin and sees all"


def test_the_facts_are_not_for_everybody(world: Any) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.caller("anon").sql("select agent.client_facts_v1('{}', now())")
