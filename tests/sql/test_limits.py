"""How often a user may ask, in any 60 seconds; and what an exhausted budget says to those who ask."""

from __future__ import annotations

import datetime as dt
from typing import Any

import psycopg
import pytest


def slot(world: Any, who: str = "ada", kind: str | None = "context") -> int:
    (row,) = world.person(who).rpc("take_request_slot", p_kind=kind)
    return int(row["take_request_slot"])


def ask(world: Any, number: int, who: str = "ada") -> Any:
    """A request that is unlike any other of this user's."""
    deal = world.value(
        "insert into public.deals (client_id, title) values (%s, %s) returning id", world.clients["Acme"], f"D{number}"
    )
    return world.request(who, p_deal_id=deal)


def test_ten_drafts_a_minute_and_the_eleventh_is_told_how_long_to_wait(world: Any, refused: Any) -> None:
    world.conn.execute("update public.ai_settings set open_jobs_per_user = 1000")
    for number in range(10):
        ask(world, number)
    world.conn.execute(
        "update public.ai_draft_requests set created_at = now() - interval '47 seconds' where id = "
        "(select id from public.ai_draft_requests order by created_at limit 1)"
    )
    with refused("PT429", "rate_limited") as caught:
        ask(world, 11)
    assert caught.value.diag.message_detail in {"rate_limited: 13", "rate_limited: 12"}
    # As soon as the oldest of the ten is a minute old there is room for one, and for no more than one.
    world.conn.execute(
        "update public.ai_draft_requests set created_at = now() - interval '61 seconds' where id = "
        "(select id from public.ai_draft_requests order by created_at limit 1)"
    )
    ask(world, 12)
    with refused("PT429", "rate_limited"):
        ask(world, 13)


def test_the_same_open_request_again_is_no_further_request(world: Any) -> None:
    world.conn.execute("update public.ai_settings set drafts_per_minute = 1")
    first = world.request()
    assert world.request()["id"] == first["id"]


def test_none_a_minute_is_none(world: Any, refused: Any) -> None:
    world.conn.execute("update public.ai_settings set drafts_per_minute = 0")
    with refused("PT429", "rate_limited"):
        world.request()


def test_others_requests_are_not_counted(world: Any) -> None:
    world.conn.execute("update public.ai_settings set drafts_per_minute = 1")
    world.request("ada", "Acme")
    world.request("bob", "Bolt")


@pytest.mark.drill
def test_of_64_who_ask_at_once_ten_are_heard(world: Any, race: Any) -> None:
    world.conn.execute("update public.ai_settings set open_jobs_per_user = 1000")
    results = race(64, lambda mine, number: ask(mine, number)["id"])
    refusals = [result for result in results if isinstance(result, psycopg.Error)]
    assert {(error.diag.message_detail or "").split(":")[0] for error in refusals} == {"rate_limited"}
    assert len(results) - len(refusals) == 10
    assert world.value("select count(*) from agent.jobs") == 10


def test_ten_contexts_a_minute(world: Any, refused: Any) -> None:
    assert [slot(world) for _ in range(10)] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    with refused("PT429", "rate_limited") as caught:
        slot(world)
    assert caught.value.diag.message_detail in {"rate_limited: 60", "rate_limited: 59"}
    assert slot(world, "bob") == 9  # each user has their own


def test_the_minute_slides(world: Any, refused: Any) -> None:
    for _ in range(10):
        slot(world)
    world.conn.execute(
        "update agent.request_slots set taken_at = array(select t - case when n <= 3 then interval '61 seconds' "
        "else interval '20 seconds' end from unnest(taken_at) with ordinality as u (t, n) order by n)"
    )
    assert [slot(world) for _ in range(3)] == [2, 1, 0]
    with refused("PT429", "rate_limited") as caught:
        slot(world)
    assert caught.value.diag.message_detail in {"rate_limited: 40", "rate_limited: 39"}
    assert world.value("select cardinality(taken_at) from agent.request_slots") == 10  # no more is remembered


def test_a_limit_that_changes_holds_at_once(world: Any, refused: Any) -> None:
    for _ in range(10):
        slot(world)
    world.conn.execute("update public.ai_settings set contexts_per_minute = 12")
    assert [slot(world), slot(world)] == [1, 0]
    world.conn.execute("update public.ai_settings set contexts_per_minute = 5")
    with refused("PT429", "rate_limited"):
        slot(world)
    world.conn.execute("update agent.request_slots set taken_at = array[now() - interval '2 minutes']")
    assert slot(world) == 4


@pytest.mark.parametrize("taken", [0, 1])
def test_no_contexts_a_minute_is_none(world: Any, refused: Any, taken: int) -> None:
    for _ in range(taken):
        slot(world)
    world.conn.execute("update public.ai_settings set contexts_per_minute = 0")
    with refused("PT429", "rate_limited"):
        slot(world)


@pytest.mark.parametrize("kind", ["draft", "", None])
def test_there_are_contexts_and_nothing_else(world: Any, refused: Any, kind: str | None) -> None:
    with refused("PT400", "invalid_argument"):
        slot(world, kind=kind)


@pytest.mark.drill
def test_of_64_who_load_at_once_ten_are_let_in(world: Any, race: Any) -> None:
    results = race(64, lambda mine, _: slot(mine))
    assert sorted(result for result in results if isinstance(result, int)) == list(range(10))
    assert sum(isinstance(result, psycopg.Error) for result in results) == 54


@pytest.mark.parametrize(
    ("zone", "now", "period", "resumes"),
    [
        ("UTC", "2026-11-23 12:00+00", "day", "2026-11-24 at 00:00"),
        ("Pacific/Auckland", "2026-11-23 12:00+00", "day", "2026-11-25 at 00:00"),  # the 24th there already
        ("America/Los_Angeles", "2026-12-01 05:00+00", "month", "2026-12-01 at 00:00"),  # 30 November there still
        ("Europe/Berlin", "2026-12-31 23:30+00", "month", "2027-02-01 at 00:00"),  # January there already
    ],
)
def test_it_resumes_with_the_organisations_day(world: Any, zone: str, now: str, period: str, resumes: str) -> None:
    """The moment is worked out from a day; the clock of the test's database cannot be set."""
    world.conn.execute("update public.ai_settings set time_zone = %s", [zone])
    starts_on = world.value(f"select date_trunc('{period}', %s::timestamptz at time zone %s)::date", now, zone)
    with pytest.raises(psycopg.Error) as caught:
        world.conn.execute("select agent.raise_budget_exhausted('user', %s, %s)", [period, starts_on])
    assert caught.value.sqlstate == "PT429"
    assert caught.value.diag.message_primary == (
        f"The AI budget of this user is used up for this {period}. It resumes on {resumes}."
    )
    told = dt.datetime.fromisoformat((caught.value.diag.message_detail or "").removeprefix("budget_exhausted: "))
    local = world.value("select to_char(%s at time zone %s, 'YYYY-MM-DD \"at\" HH24:MI')", told, zone)
    assert local == resumes


def test_who_asks_with_nothing_left_is_told_at_once(world: Any, refused: Any) -> None:
    world.conn.execute("update public.ai_budgets set limit_usd = 0 where scope = 'user'")
    world.conn.execute(
        "insert into agent.ledger (scope, user_id, period, starts_on) values ('user', %s, 'day', "
        "(now() at time zone 'UTC')::date)",
        [world.users["ada"]],
    )
    with refused("PT429", "budget_exhausted"):
        world.request()
    assert world.value("select count(*) from agent.jobs") == 0
