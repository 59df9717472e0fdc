"""What evaluations write: few, explained, never twice, never what was refused; and who sees it."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.suggestions.loading import load, set_statistics
from tests.suggestions.situations import NOW, SITUATIONS
from tests.world import World


@pytest.fixture
def acme(world: World) -> Any:
    """Acme with a deal that stalls, a task that is late and a mail that waits."""
    client = world.clients["Acme"]
    world.conn.execute(
        "insert into public.activities (client_id, type, direction, occurred_at) values "
        "(%s, 'call', 'outbound', now() - interval '9 days'), (%s, 'email', 'inbound', now() - interval '3 days')",
        [client, client],
    )
    world.conn.execute(
        "insert into public.deals (client_id, title, stage, amount, opened_at) "
        "values (%s, 'Pumps', 'lead', 5000, now() - interval '20 days')",
        [client],
    )
    world.conn.execute(
        "insert into public.tasks (client_id, title, due_at) values (%s, 'Send the offer', now() - interval '2 days')",
        [client],
    )
    return client


def listed(world: World, who: str = "ada", **arguments: Any) -> list[dict[str, Any]]:
    return world.person(who).rpc("list_suggestions", **arguments)[0]["list_suggestions"]["items"]


def rules(world: World, client: Any, who: str = "ada", **arguments: Any) -> list[str]:
    return sorted(item["rule_key"] for item in listed(world, who, p_client_id=client, **arguments))


def sweep(world: World) -> list[dict[str, Any]]:
    """Run all sweeps that are due, as a worker does; return what they report."""
    jobs = world.worker.rpc("claim_jobs", p_kinds=["sweep"], p_limit=50)
    return [world.agent(job).rpc("complete_sweep_job")[0]["complete_sweep_job"] for job in jobs]


def due_again(world: World) -> None:
    world.conn.execute("update agent.client_watches set due_at = now()")


def table(world: World) -> list[Any]:
    return world.conn.execute("select *, xmin from public.agent_suggestions order by id").fetchall()


WAITING = ["overdue_task", "stalled_deal", "unanswered_message"]


def test_a_client_that_is_opened_has_its_suggestions_at_once(world: World, acme: Any) -> None:
    assert listed(world) == []
    assert rules(world, acme) == WAITING
    assert [item["client_name"] for item in listed(world)] == ["Acme"] * 3


def test_a_sweep_finds_the_same(world: World, acme: Any) -> None:
    reports = sweep(world)
    assert sum(report["written"] for report in reports) == 3
    assert sorted(item["rule_key"] for item in listed(world)) == WAITING


def test_each_says_why_and_on_what(world: World, acme: Any) -> None:
    for item in listed(world, p_client_id=acme):
        (row,) = item["evidence"]["rows"]
        assert world.value(f"select client_id from public.{row['table']} where id = %s", row["id"]) == acme
        assert item["reasoning"].endswith(".")
        assert {"expected", "actual"} <= set(item["evidence"])
        assert item["rank_words"].startswith(item["priority"].title())
        assert item["action_data"]["kind"] in {"draft", "task"}


def test_they_come_by_rank_page_by_page(world: World, acme: Any) -> None:
    whole = listed(world, p_client_id=acme)
    assert [item["score"] for item in whole] == sorted((item["score"] for item in whole), reverse=True)
    pages: list[str] = []
    place: dict[str, Any] = {}
    while place is not None:
        after = {"p_after_score": Decimal(str(place["after_score"])), "p_after_id": place["after_id"]} if place else {}
        page = world.person("ada").rpc("list_suggestions", p_limit=1, **after)
        pages += [item["id"] for item in page[0]["list_suggestions"]["items"]]
        place = page[0]["list_suggestions"]["next"]
    assert pages == [item["id"] for item in whole]


@pytest.mark.parametrize(
    "arguments",
    [{"p_priority": "urgent"}, {"p_type": "x"}, {"p_limit": 0}, {"p_limit": 101}, {"p_after_score": 3}],
)
def test_bad_filters_are_named(world: World, refused: Any, arguments: dict[str, Any]) -> None:
    with refused("PT400", "invalid_argument", match=next(iter(arguments))):
        listed(world, **arguments)


def test_between_three_and_five_of_a_client_and_none_where_nothing_is(world: World) -> None:
    set_statistics(world.conn)
    shift = dt.datetime.now(dt.UTC) - NOW
    clients, _ = load(world.conn, SITUATIONS, world.users["ada"], shift=shift)
    world.conn.execute(
        "insert into public.tasks (client_id, title, due_at) "
        "select id, 'Task ' || n, now() - interval '1 day' from public.clients cross join generate_series(1, 7) as n "
        "where name = 'a client who was left alone'"
    )
    written = sum(report["written"] for report in sweep(world))
    true = world.person("ada").sql(
        "select s.client_id, count(*) as count, "
        "bool_or(s.rule_key = 'order_rhythm_broken') and bool_or(s.rule_key = 'positive_activity') as is_contradicted "
        "from agent.signals_v1(agent.client_facts_v1(%s, now()), now()) as s "
        "where s.starts_at <= now() and (s.ends_at is null or s.ends_at > now()) group by s.client_id",
        list(clients),
    )
    shown = dict(
        world.conn.execute("select client_id, count(*) from public.agent_suggestions group by client_id").fetchall()
    )
    expected = {row["client_id"]: min(5, row["count"] - row["is_contradicted"]) for row in true}
    assert shown == expected
    assert written == sum(shown.values()) > 50
    assert max(shown.values()) == 5
    assert any(row["is_contradicted"] for row in true)


def test_the_second_of_a_rule_waits_for_the_first_of_others(world: World, acme: Any) -> None:
    world.conn.execute(
        "insert into public.tasks (client_id, title, due_at) "
        "select %s, 'Task ' || n, now() - interval '50 days' from generate_series(1, 9) as n",
        [acme],
    )
    assert rules(world, acme) == ["overdue_task"] * 3 + ["stalled_deal", "unanswered_message"]


def test_no_growth_is_proposed_to_a_client_at_risk(world: World) -> None:
    client = world.clients["Acme"]
    world.conn.execute(
        "insert into public.orders (client_id, order_number, total, ordered_at) "
        "select %s, 'O' || n, 10, now() - make_interval(days => n) from unnest(array[90, 120, 150, 180]) as n",
        [client],
    )
    world.conn.execute(
        "insert into public.activities (client_id, type, direction, sentiment, occurred_at) "
        "values (%s, 'call', 'outbound', 'positive', now() - interval '1 day')",
        [client],
    )
    assert rules(world, client) == ["order_rhythm_broken"]
    (item,) = listed(world)
    world.person("ada").rpc("dismiss_suggestion", p_suggestion_id=item["id"])
    assert rules(world, client) == [], "it is at risk all the same"


def test_a_second_sweep_without_a_change_writes_nothing(world: World, acme: Any) -> None:
    sweep(world)
    before = table(world)
    due_again(world)
    reports = sweep(world)
    assert [(report["written"], report["obsolete"]) for report in reports] == [(0, 0)] * 2
    assert table(world) == before


def test_what_was_dismissed_stays_away_until_its_evidence_changes(world: World, acme: Any) -> None:
    item = next(item for item in listed(world, p_client_id=acme) if item["rule_key"] == "overdue_task")
    answer = world.person("ada").rpc("dismiss_suggestion", p_suggestion_id=item["id"], p_reason="Not now.")
    assert answer[0]["dismiss_suggestion"]["status"] == "dismissed"
    due_again(world)
    assert rules(world, acme) == ["stalled_deal", "unanswered_message"]
    world.conn.execute("update public.tasks set due_at = now() - interval '1 day'")
    assert rules(world, acme) == WAITING


def test_what_was_dismissed_stays_away_after_its_record_was_removed(world: World, acme: Any) -> None:
    for item in listed(world, p_client_id=acme):
        world.person("ada").rpc("dismiss_suggestion", p_suggestion_id=item["id"])
    world.conn.execute("update public.agent_suggestions set created_at = now() - interval '91 days'")
    world.worker.rpc("run_maintenance", p_task="retention")
    assert world.value("select count(*) from public.agent_suggestions") == 0
    due_again(world)
    assert rules(world, acme) == []
    world.conn.execute("update public.tasks set due_at = now() - interval '1 day'")
    assert rules(world, acme) == ["overdue_task"]


def test_a_dismissal_can_be_taken_back(world: World, acme: Any) -> None:
    item = listed(world, p_client_id=acme)[0]
    world.person("ada").rpc("dismiss_suggestion", p_suggestion_id=item["id"])
    world.person("ada").rpc("undo_suggestion", p_suggestion_id=item["id"])
    assert rules(world, acme) == WAITING


def test_rules_that_are_dismissed_rank_lower_and_say_so(world: World, acme: Any) -> None:
    def overdue() -> dict[str, Any]:
        return next(item for item in listed(world, p_client_id=acme) if item["rule_key"] == "overdue_task")

    first = overdue()
    for _ in range(4):
        world.person("ada").rpc("dismiss_suggestion", p_suggestion_id=overdue()["id"])
        world.conn.execute("update public.tasks set due_at = due_at - interval '1 second'")
    last = overdue()
    assert last["score"] < first["score"]
    assert last["factors"]["acceptance"] == pytest.approx(2 / 8)
    assert last["rank_words"].endswith("Shown less often: you dismissed 4 of 4.")


def test_snoozed_means_later(world: World, acme: Any) -> None:
    item = next(item for item in listed(world, p_client_id=acme) if item["rule_key"] == "overdue_task")
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    world.person("ada").rpc("snooze_suggestion", p_suggestion_id=item["id"], p_until=until)
    assert rules(world, acme) == ["stalled_deal", "unanswered_message"]
    assert rules(world, acme, p_include_snoozed=True) == WAITING
    due = world.value("select due_at from agent.client_watches where client_id = %s", acme)
    assert due <= until
    world.conn.execute(
        "update public.agent_suggestions set snoozed_until = now() - interval '1 second' where id = %s", [item["id"]]
    )
    assert rules(world, acme) == WAITING


def test_snoozed_goes_when_its_reason_goes(world: World, acme: Any) -> None:
    item = next(item for item in listed(world, p_client_id=acme) if item["rule_key"] == "overdue_task")
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    world.person("ada").rpc("snooze_suggestion", p_suggestion_id=item["id"], p_until=until)
    world.conn.execute("update public.tasks set status = 'done'")
    sweep(world)
    assert world.value("select status from public.agent_suggestions where id = %s", item["id"]) == "obsolete"


@pytest.mark.parametrize("until", ["yesterday", "2 years"])
def test_snoozing_takes_a_time_within_a_year(world: World, acme: Any, refused: Any, until: str) -> None:
    item = listed(world, p_client_id=acme)[0]
    when = world.value(
        "select case %s when 'yesterday' then now() - interval '1 day' else now() + interval '2 years' end", until
    )
    with refused("PT400", "invalid_argument"):
        world.person("ada").rpc("snooze_suggestion", p_suggestion_id=item["id"], p_until=when)


GONE = {
    "unanswered_message": (
        """insert into public.activities (client_id, type, direction)
        values (%(client)s, 'email', 'outbound') returning id""",
        "activities",
    ),
    "overdue_task": ("update public.tasks set status = 'done' returning id", "tasks"),
    "stalled_deal": ("update public.deals set stage = 'proposal' returning id", "deals"),
}


@pytest.mark.parametrize("rule", GONE)
def test_one_whose_reason_is_gone_resolves_itself_with_the_record_that_did_it(
    world: World, acme: Any, rule: str
) -> None:
    change, name = GONE[rule]
    item = next(item for item in listed(world, p_client_id=acme) if item["rule_key"] == rule)
    record = world.conn.execute(change, {"client": acme}).fetchone()[0]  # type: ignore[index]
    assert sum(report["obsolete"] for report in sweep(world)) == 1
    row = world.one(
        "select status, resolved_by, result, resolved_at from public.agent_suggestions where id = %s", item["id"]
    )
    assert (row["status"], row["resolved_by"]) == ("obsolete", record)
    assert row["result"] == {"table": name, "id": str(record)}
    assert row["resolved_at"] is not None


def test_a_colleagues_suggestions_are_invisible(world: World, acme: Any, refused: Any) -> None:
    item = listed(world, p_client_id=acme)[0]
    assert listed(world, "bob") == listed(world, "eve") == []
    with refused("PT404", "client_not_found"):
        listed(world, "bob", p_client_id=acme)
    for function in ("accept_suggestion", "undo_suggestion", "dismiss_suggestion"):
        for who in ("bob", "eve"):
            with refused("PT404", "suggestion_not_found"):
                world.person(who).rpc(function, p_suggestion_id=item["id"])
    assert world.person("eve").sql("select id from public.agent_suggestions") == []


def test_who_looks_at_anothers_client_gets_suggestions_of_their_own(world: World, acme: Any) -> None:
    assert rules(world, acme, "eve") == WAITING
    assert listed(world) == []
    owners = world.conn.execute("select distinct assigned_to from public.agent_suggestions").fetchall()
    assert owners == [(world.users["eve"],)]


def test_with_a_new_owner_the_suggestions_are_theirs(world: World, acme: Any) -> None:
    sweep(world)
    world.conn.execute("update public.clients set owner_id = %s where id = %s", [world.users["bob"], acme])
    world.conn.execute("update agent.sweeps set started_at = now() - interval '1 minute'")
    sweep(world)
    assert listed(world) == []
    assert sorted(item["rule_key"] for item in listed(world, "bob")) == WAITING
    states = world.conn.execute(
        "select status, count(*) from public.agent_suggestions where assigned_to = %s group by status",
        [world.users["ada"]],
    ).fetchall()
    assert states == [("obsolete", 3)]


def test_a_client_without_an_owner_is_nobodys_work(world: World) -> None:
    client = world.add_client("Orphan", None)
    world.conn.execute(
        "insert into public.tasks (client_id, title, due_at) values (%s, 'Late', now() - interval '1 day')", [client]
    )
    sweep(world)
    assert world.value("select count(*) from public.agent_suggestions") == 0


def test_where_ai_may_not_work_nothing_is_proposed(world: World, acme: Any) -> None:
    sweep(world)
    world.person("ada").rpc("record_consent", p_client_id=acme, p_kind="processing", p_granted=False)
    due_again(world)
    sweep(world)
    assert listed(world) == []


def test_while_ai_is_off_for_a_user_nothing_is_swept_for_them(world: World, acme: Any) -> None:
    switch = {"p_scope": "user", "p_subject": str(world.users["ada"]), "p_reason": "Audit."}
    world.person("eve").rpc("set_ai_switch", p_is_on=False, **switch)
    assert [job["user_id"] for job in world.worker.rpc("claim_jobs", p_kinds=["sweep"], p_limit=9)] == [
        world.users["bob"]
    ]
    world.person("eve").rpc("set_ai_switch", p_is_on=True, **switch)
    sweep(world)
    assert len(listed(world)) == 3


def test_thresholds_are_settings(world: World, acme: Any, refused: Any) -> None:
    sweep(world)
    admin = world.person("eve")
    admin.rpc("set_suggestion_rule", p_rule_key="stalled_deal", p_thresholds={"days": 30})
    admin.rpc("set_suggestion_rule", p_rule_key="overdue_task", p_is_on=False)
    sweep(world)
    assert [item["rule_key"] for item in listed(world)] == ["unanswered_message"]
    with refused("PT400", "invalid_argument", match="p_weight.*p_thresholds.day:"):
        admin.rpc("set_suggestion_rule", p_rule_key="stalled_deal", p_weight=3, p_thresholds={"day": 1})
    with refused("PT404", "rule_not_found"):
        admin.rpc("set_suggestion_rule", p_rule_key="nonsense", p_is_on=False)
    with refused("PT403"):
        world.person("ada").rpc("set_suggestion_rule", p_rule_key="stalled_deal", p_is_on=False)
    assert {row["rule_key"]: row["is_on"] for row in admin.rpc("list_suggestion_rules")}["overdue_task"] is False
    assert json.dumps(admin.rpc("list_suggestion_rules")[0]["thresholds"])
