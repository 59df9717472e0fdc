"""A client's picture: what it says, when it says that it cannot, and to whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import World

LACKING = "insufficient_data"


@pytest.fixture
def acme(world: World) -> Any:
    return world.clients["Acme"]


def talk(world: World, client: Any, *days: float, **columns: Any) -> None:
    for day in days:
        values = {"type": "email", "direction": "outbound", "status": "completed", "sentiment": None} | columns
        world.conn.execute(
            "insert into public.activities (client_id, type, direction, status, sentiment, occurred_at) "
            "values (%s, %s, %s, %s, %s, now() - make_interval(secs => %s))",
            [client, *values.values(), day * 86400],
        )


def picture(world: World, client: Any, who: str = "ada", verb: str = "get") -> dict[str, Any]:
    name = f"{verb}_client_intelligence"
    return world.person(who).rpc(name, p_client_id=client)[0][name]


def test_a_client_of_whom_nothing_is_known_is_not_guessed_at(world: World, acme: Any) -> None:
    told = picture(world, acme)
    for figure in (
        told["engagement"], told["trend"], told["churn"], told["upsell"], told["deals"]["win_rate"],
        told["communication"]["best_hour"], *told["communication"]["response_times"].values(),
    ):  # fmt: skip
        assert list(figure) == [LACKING], figure
    assert [week["total"] for week in told["communication"]["weeks"]] == [0] * 12
    assert (told["risks"], told["opportunities"], told["summary"]) == ([], [], None)
    assert told["engagement"][LACKING] == "activities in 12 weeks: 0 of at least 3"


def test_the_example_of_the_handbook(world: World, acme: Any) -> None:
    talk(world, acme, *(1 + 7 * n for n in range(5)))
    talk(world, acme, *(3 + 7 * n for n in range(4)), direction="inbound")
    talk(world, acme, 5, 12, 19, type="note", direction=None)
    world.conn.execute(
        "insert into public.deals (client_id, title, stage, opened_at) "
        "values (%s, 'X', 'lead', now() - interval '6 days')",
        [acme],
    )
    engagement = picture(world, acme)["engagement"]
    points = {factor["name"]: float(factor["points"]) for factor in engagement["factors"]}
    assert points == {"recency": 30, "frequency": 12.5, "reciprocity": 16, "deals": 15, "orders": 0}
    assert engagement["score"] == 74


def test_response_times_are_between_turns(world: World, acme: Any) -> None:
    """Three questions of two mails each, answered after 6, 12 and 24 hours from the first."""
    for day, hours in ((30, 6), (20, 12), (10, 24)):
        talk(world, acme, day, day - 0.05, direction="inbound")
        talk(world, acme, day - hours / 24, direction="outbound")
    times = picture(world, acme)["communication"]["response_times"]
    assert times["ours"] == {"median_hours": 12, "samples": 3}
    assert list(times["theirs"]) == [LACKING], "two are too few"


def test_what_has_not_happened_does_not_count(world: World, acme: Any) -> None:
    talk(world, acme, 2, 9, status="scheduled")
    talk(world, acme, 3, status="cancelled")
    talk(world, acme, -3)
    told = picture(world, acme)
    assert sum(week["total"] for week in told["communication"]["weeks"]) == 0
    assert told["communication"]["last_activity_at"] is None
    assert told["communication"]["next_planned_at"] is not None


def test_deals_that_contradict_themselves_do_no_harm(world: World, acme: Any) -> None:
    world.conn.execute(
        "insert into public.deals (client_id, title, stage, amount, opened_at, closed_at) values "
        "(%(c)s, 'Backwards', 'won', 5, now() - interval '9 days', now() - interval '10 days'), "
        "(%(c)s, 'No dates', 'lost', null, null, null), (%(c)s, 'Future', 'won', 5, now(), now() + interval '9 days'), "
        "(null, 'Orphan', 'won', 5, now(), now())",
        {"c": acme},
    )
    deals = picture(world, acme)["deals"]
    assert (deals["open"], deals["won"], deals["lost"]) == (0, 1, 1)
    assert deals["win_rate"] == {LACKING: "closed deals: 2 of at least 5"}


def test_a_pipeline_is_weighted_by_its_own_rate(world: World, acme: Any) -> None:
    world.conn.execute(
        "insert into agent.stage_statistics (stage, samples, won, lost) "
        "values ('proposal', 30, 18, 12), ('*', 40, 10, 30)"
    )
    world.conn.execute(
        "insert into public.deals (client_id, title, stage, amount, currency) values "
        "(%(c)s, 'A', 'proposal', 1000, 'EUR'), (%(c)s, 'B', 'lead', 1000, 'EUR'), (%(c)s, 'C', 'lead', 100, 'USD')",
        {"c": acme},
    )
    pipeline = {row["currency"]: row for row in picture(world, acme)["deals"]["pipeline"]}
    assert (pipeline["EUR"]["amount"], pipeline["EUR"]["weighted_amount"]) == (2000, 600 + 250)
    assert pipeline["USD"]["weighted_amount"] == 25


def test_orders_that_stopped_are_a_risk_and_leave_no_room_for_more(world: World, acme: Any) -> None:
    talk(world, acme, 1, 8, 15, 22, sentiment="positive")
    world.conn.execute(
        "insert into public.orders (client_id, order_number, total, ordered_at) "
        "select %s, 'O' || n, 1, now() - make_interval(days => n) from unnest(array[90, 120, 150, 180]) as n",
        [acme],
    )
    told = picture(world, acme)
    assert [risk["code"] for risk in told["risks"]] == ["order_rhythm_broken"]
    assert told["risks"][0]["evidence"]["rows"][0]["table"] == "orders"
    assert [one["code"] for one in told["opportunities"]] == ["positive_activity"]
    assert told["churn"]["level"] == "high"
    assert told["upsell"] == {"level": "none", "signals": [], "blocked_by": "churn"}


def test_it_is_kept_until_a_record_changes_or_somebody_asks(world: World, acme: Any) -> None:
    first = picture(world, acme)
    assert picture(world, acme) == first
    talk(world, acme, 1)
    second = picture(world, acme)
    assert second["computed_from"]["activities"] == 1
    assert second["computed_at"] > first["computed_at"]
    assert picture(world, acme, verb="refresh")["computed_at"] > second["computed_at"]
    world.conn.execute('update public.client_insights set computed_from = computed_from || \'{"day": "2020-01-01"}\'')
    assert picture(world, acme)["computed_from"]["day"] != "2020-01-01"


def test_everybody_has_a_picture_of_their_own(world: World, acme: Any, refused: Any) -> None:
    picture(world, acme)
    picture(world, acme, "eve")
    assert len(world.person("ada").sql("select user_id from public.client_insights")) == 1
    assert world.person("bob").sql("select user_id from public.client_insights") == []
    with refused("PT404", "client_not_found"):
        picture(world, acme, "bob")


def test_where_ai_is_off_there_is_none(world: World, acme: Any, refused: Any) -> None:
    world.person("ada").rpc("record_consent", p_client_id=acme, p_kind="processing", p_granted=False)
    with refused("PT403", "ai_off"):
        picture(world, acme)
