"""The figures of 200 random clients, computed a second time by polars from what docs/intelligence.md says."""

from __future__ import annotations

import datetime as dt
import random
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from agent_service.crm_data.generating import Size, generate
from tests.conftest import Database, clone
from tests.world import World

ZONE = ZoneInfo("Europe/Paris")
NOW = dt.datetime(2026, 6, 17, 12, tzinfo=dt.UTC)
COUNT = 200


@pytest.fixture(scope="module")
def crm(template_db: Database) -> Any:
    """A generated CRM of 400 clients, with the defects of real ones, and an admin who sees it all."""
    with clone(template_db) as database, database.connect() as connection:
        generate(database.dsn(), Size(clients=400, activities_per_client=30), today=NOW.date(), seed=7)
        connection.execute("update public.ai_settings set time_zone = 'Europe/Paris'")
        connection.execute(
            "update public.deals set stage = 'qualified' "
            "where not stage in ('won', 'lost') and hashtext(id::text) % 3 = 0"
        )
        connection.execute(
            "update public.deal_stage_history as h "
            "set changed_at = coalesce(d.opened_at, h.changed_at) + interval '9 days' "
            "from public.deals as d where d.id = h.deal_id and h.from_stage is not null"
        )
        connection.execute(
            "insert into public.deals (client_id, title, stage, opened_at, closed_at) "
            "select c.id, 'Closed', case when mod(n, 3) = 0 then 'won' else 'lost' end, "
            "%(now)s - make_interval(days => 50 + n), %(now)s - make_interval(days => n) "
            "from (select id from public.clients order by id limit 100) as c cross join generate_series(1, 5) as n",
            {"now": NOW},
        )
        connection.execute("select agent.compute_stage_statistics()")
        world = World(connection)
        world.add_user("eve", role="admin")
        yield world


def half_up(value: float, places: int) -> float:
    return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def table(world: World, query: str) -> pl.DataFrame:
    cursor = world.conn.execute(query)  # type: ignore[call-overload]
    names = [column.name for column in cursor.description or ()]
    rows = [
        tuple(str(value) if hasattr(value, "hex") and not isinstance(value, float) else value for value in row)
        for row in cursor.fetchall()
    ]
    return pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)


@pytest.fixture(scope="module")
def rows(crm: World) -> dict[str, pl.DataFrame]:
    happened = (
        table(crm, "select id, client_id, type, direction, sentiment, status, occurred_at from public.activities")
        .filter(pl.col("occurred_at") <= NOW, ~pl.col("status").is_in(["scheduled", "cancelled"]))
        .with_columns(local=pl.col("occurred_at").dt.convert_time_zone("Europe/Paris"))
    )
    return {
        "happened": happened,
        "deals": table(
            crm, "select id, client_id, stage, amount::float8, currency, opened_at, closed_at from public.deals"
        ),
        "history": table(crm, "select id, deal_id, to_stage, changed_at from public.deal_stage_history"),
        "orders": table(crm, "select client_id, status, ordered_at from public.orders"),
        "pace": table(crm, "select stage, samples, p50_days::float8, won, lost from agent.stage_statistics"),
    }


def weeks(activities: pl.DataFrame) -> list[dict[str, Any]]:
    monday = NOW.astimezone(ZONE).date() - dt.timedelta(days=NOW.astimezone(ZONE).weekday())
    counted = []
    for back in range(11, -1, -1):
        start = monday - dt.timedelta(weeks=back)
        week = activities.filter(pl.col("local").dt.date().is_between(start, start + dt.timedelta(days=6)))
        sides = [
            week.filter(pl.col("direction") == "inbound").height,
            week.filter(pl.col("direction") == "outbound").height,
            week.filter(pl.col("direction").is_null()).height,
        ]
        counted.append(
            {"week": str(start), "inbound": sides[0], "outbound": sides[1], "other": sides[2], "total": sum(sides)}
        )
    return counted


def response_times(activities: pl.DataFrame) -> dict[str, Any]:
    said = activities.filter(
        pl.col("type").is_in(["email", "call"]),
        pl.col("direction").is_not_null(),
        pl.col("occurred_at") > NOW - dt.timedelta(days=365),
    ).sort("occurred_at", "id")
    turns = said.filter(pl.col("direction").ne_missing(pl.col("direction").shift(1)))
    turns = turns.with_columns(hours=(pl.col("occurred_at").diff().dt.total_microseconds() / 3_600_000_000))
    found: dict[str, Any] = {}
    for side, direction in (("ours", "outbound"), ("theirs", "inbound")):
        hours = turns.filter(pl.col("direction") == direction)["hours"].drop_nulls()
        found[side] = {"median_hours": float(hours.median()), "samples": len(hours)} if len(hours) >= 3 else None  # type: ignore[arg-type]
    return found


def best_hour(activities: pl.DataFrame) -> Any:
    hours = activities.filter(
        pl.col("type").is_in(["email", "call"]),
        pl.col("direction") == "inbound",
        pl.col("occurred_at") > NOW - dt.timedelta(days=365),
    )["local"].dt.hour()
    if len(hours) < 5:
        return None
    counts = hours.value_counts().sort(["count", hours.name], descending=[True, False])
    return {"hour": counts[hours.name][0], "share": half_up(counts["count"][0] / len(hours), 2), "samples": len(hours)}


def deal_figures(deals: pl.DataFrame) -> dict[str, Any]:
    closed = deals.filter(
        pl.col("stage").is_in(["won", "lost"]), pl.col("closed_at").is_null() | (pl.col("closed_at") <= NOW)
    )
    won = closed.filter(pl.col("stage") == "won").height
    return {
        "open": deals.filter(~pl.col("stage").is_in(["won", "lost"])).height,
        "won": won,
        "lost": closed.height - won,
        "win_rate": half_up(won / closed.height, 2) if closed.height >= 5 else None,
    }


def stages(deals: pl.DataFrame, history: pl.DataFrame) -> dict[str, float]:
    moves = history.join(deals, left_on="deal_id", right_on="id").filter(pl.col("changed_at") <= NOW)
    stays = moves.sort("changed_at", "id").with_columns(
        left=pl.col("changed_at").shift(-1).over("deal_id", order_by=["changed_at", "id"])
    )
    stays = stays.filter(pl.col("left").is_not_null() | ~pl.col("stage").is_in(["won", "lost"]))
    days = stays.with_columns(
        days=(pl.col("left").fill_null(NOW) - pl.col("changed_at")).dt.total_microseconds() / 86_400_000_000
    )
    medians = days.group_by("to_stage").agg(pl.col("days").median())
    return dict(zip(medians["to_stage"], medians["days"], strict=True))


def engagement(
    client: str, rows: dict[str, pl.DataFrame], activities: pl.DataFrame, counted: list[dict[str, Any]]
) -> Any:
    total, inbound, outbound = (sum(week[name] for week in counted) for name in ("total", "inbound", "outbound"))
    if total < 3:
        return None
    last = activities["occurred_at"].max()
    deals = rows["deals"].filter(pl.col("client_id") == client, ~pl.col("stage").is_in(["won", "lost"]))
    moved = rows["history"].filter(
        pl.col("deal_id").is_in(deals["id"].implode()),
        pl.col("changed_at") <= NOW,
        pl.col("changed_at") > NOW - dt.timedelta(days=30),
    )
    ordered = (
        rows["orders"]
        .filter(
            pl.col("client_id") == client,
            ~pl.col("status").is_in(["cancelled", "refunded"]),
            pl.col("ordered_at") <= NOW,
        )["ordered_at"]
        .max()
    )
    values = {
        "recency": (30, (90 - (NOW - last).total_seconds() / 86400) / 83),  # type: ignore[operator]
        "frequency": (25, total / 12 / 2),
        "reciprocity": (20, min(inbound, outbound) / max(inbound, outbound) if max(inbound, outbound) else 0),
        "deals": (15, 1 if moved.height else 0.5 if deals.height else 0),
        "orders": (10, 0 if ordered is None else 1 if ordered > NOW - dt.timedelta(days=90) else 0.5  # type: ignore[operator]
                   if ordered > NOW - dt.timedelta(days=365) else 0),  # type: ignore[operator]
    }  # fmt: skip
    return sum(weight * min(1, max(0, value)) for weight, value in values.values())


def slope(counted: list[dict[str, Any]]) -> tuple[float, float] | None:
    totals = [week["total"] for week in counted[:11]]
    if sum(totals) < 6:
        return None
    mean_x, mean_y = 6, sum(totals) / 11
    rise = sum((x - mean_x) * (y - mean_y) for x, y in enumerate(totals, 1))
    return rise / sum((x - mean_x) ** 2 for x in range(1, 12)), mean_y


def known(value: Any) -> Any:
    return None if isinstance(value, dict) and "insufficient_data" in value else value


def test_the_figures_are_those_of_an_independent_computation(crm: World, rows: dict[str, pl.DataFrame]) -> None:
    clients = [row[0] for row in crm.conn.execute("select id from public.clients order by id")]
    chosen = random.Random(1).sample(clients, COUNT)
    seen = {"engagement": 0, "trend": 0, "best_hour": 0, "win_rate": 0, "ours": 0}
    for client_id in chosen:
        (answer,) = crm.person("eve").sql("select agent.client_intelligence_v1(%s, %s) as it", client_id, NOW)
        told, client = answer["it"], str(client_id)
        activities = rows["happened"].filter(pl.col("client_id") == client)
        deals = rows["deals"].filter(pl.col("client_id") == client)
        counted = weeks(activities)
        talk = told["communication"]
        assert talk["weeks"] == counted
        window = activities.filter(pl.col("local").dt.date() >= dt.date.fromisoformat(counted[0]["week"]))
        assert talk["by_type"] == {row["type"]: row["count"] for row in window["type"].value_counts().to_dicts()}
        last = (
            activities.filter(pl.col("sentiment").is_not_null())
            .sort(["occurred_at", "id"], descending=[True, False])
            .head(10)
        )
        assert talk["sentiments"] == {
            word: last.filter(pl.col("sentiment") == word).height for word in ("positive", "neutral", "negative")
        }
        for side, expected in response_times(activities).items():
            if expected is None:
                assert known(talk["response_times"][side]) is None
            else:
                assert talk["response_times"][side]["samples"] == expected["samples"]
                assert talk["response_times"][side]["median_hours"] == pytest.approx(
                    expected["median_hours"], abs=0.051
                )
                seen[side] = seen.get(side, 0) + 1
        assert known(talk["best_hour"]) == best_hour(activities)
        figures = deal_figures(deals)
        assert {name: known(told["deals"][name]) for name in figures} == figures
        medians = {stage["stage"]: stage["median_days"] for stage in told["deals"]["stages"]}
        assert medians == pytest.approx(stages(deals, rows["history"]), abs=0.051)
        score = engagement(client, rows, activities, counted)
        found = known(told["engagement"])
        assert (found is None) == (score is None)
        if found is not None:
            assert found["score"] == pytest.approx(score, abs=0.55)  # factors are rounded to three decimals first
        line, shown = slope(counted), known(told["trend"])
        assert (line is None) == (shown is None)
        if line is not None:
            assert shown["slope_per_week"] == pytest.approx(line[0], abs=0.00051)
            assert shown["per_week"] == pytest.approx(line[1], abs=0.0051)
            steep = round(10 * line[0] / line[1], 6)
            assert shown["direction"] == ("rising" if steep > 0.5 else "falling" if steep < -0.5 else "steady")
        seen["engagement"] += found is not None
        seen["trend"] += shown is not None
        seen["best_hour"] += best_hour(activities) is not None
        seen["win_rate"] += figures["win_rate"] is not None
    assert min(seen.values()) >= 3, f"too few clients have each figure: {seen}"
    assert seen["engagement"] > COUNT / 4
