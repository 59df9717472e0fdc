"""get_client_context through the gateway, beside an empty call and beside the six reads that a frontend would do.

All on one kept-alive connection with one user's token. Each round asks for another client of that user's: an empty
call, a context, six reads, in turn, so that what else the machine does falls on all of them. At 1,000 clients and at
100,000, 20 activities of 1 kB within the last 30 days at the median, as many as `seed --clients` makes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
from rich.console import Console
from rich.progress import Progress

from agent_service.crm_data.generating import TABLES, Size, generate
from agent_service.devstack.stack import Devstack
from benchmarks._report import Latency, Report, Target

PASSWORD = "only-for-benchmarks"  # noqa: S105 - of a stack that is thrown away
EMPTY = """
create function public.do_nothing() returns void language sql stable set search_path = pg_catalog, pg_temp as $$ $$;
revoke all on function public.do_nothing() from public, anon, service_role;
grant execute on function public.do_nothing() to authenticated;
notify pgrst, 'reload schema';
"""
SIZES = {"whole": (1_000, 100_000), "quick": (200, 1_000)}


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="200 and 1,000 clients, under 30 s")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    run(quick=options.quick).show(as_json=options.json)


def run(*, quick: bool) -> Report:
    """Measure at two sizes; about five minutes, or half a minute if `quick`."""
    small, large = SIZES["quick" if quick else "whole"]
    rounds = 300 if quick else 2000
    report = Report("Context through the gateway: milliseconds")
    figures = {clients: measure(clients, rounds, report) for clients in (small, large)}
    nothing, context, six = figures[large]
    report.targets += [
        Target("context / empty call, p50", context.p50 / nothing.p50, at_most=3),
        Target("six reads / context, p50", six.p50 / context.p50, at_least=3),
        Target(f"context at {large:,} clients / at {small:,}, p50", context.p50 / figures[small][1].p50, at_most=1.5),
    ]
    return report


def measure(clients: int, rounds: int, report: Report) -> tuple[Latency, Latency, Latency]:
    """Fill a stack with that many clients and add a row for each of the three to the report."""
    with Devstack(None) as stack:
        _fill(stack, clients)
        with psycopg.connect(stack.database_url, autocommit=True) as database:
            database.execute(EMPTY)
            email, ids = _seller(database)
        with httpx.Client(base_url=stack.url, headers={"apikey": stack.publishable_key}, timeout=30) as http:
            _sign_in(http, email)
            took = _time(_calls(http), ids, rounds)
    latencies = {name: Latency.of(seconds) for name, seconds in took.items()}
    for name, latency in latencies.items():
        report.rows.append({"call": name, "clients": clients, "p50": latency.p50, "p99": latency.p99})
    return tuple(latencies.values())  # type: ignore[return-value]


def _fill(stack: Devstack, clients: int) -> None:
    size = Size(clients=clients, owners=max(4, clients // 250), activities_per_client=20, activity_days=30)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(f"making {clients:,} clients", total=clients * len(TABLES))
        generate(stack.database_url, size, password=PASSWORD, on_progress=lambda _, made: progress.advance(bar, made))


def _seller(database: psycopg.Connection[Any]) -> tuple[str, list[uuid.UUID]]:
    """Somebody with a usual number of clients, and their ids."""
    row = database.execute(
        "select p.email, array_agg(c.id order by c.id) from public.profiles as p "
        "inner join public.clients as c on c.owner_id = p.id group by p.id "
        "order by count(*), p.id offset (select count(distinct owner_id) / 2 from public.clients) limit 1"
    ).fetchone()
    assert row is not None
    return row


def _sign_in(http: httpx.Client, email: str) -> None:
    answer = http.post("/auth/v1/token?grant_type=password", json={"email": email, "password": PASSWORD})
    http.headers["Authorization"] = "Bearer " + answer.raise_for_status().json()["access_token"]


def _calls(http: httpx.Client) -> dict[str, Callable[[uuid.UUID], None]]:
    since = (dt.datetime.now(dt.UTC) - dt.timedelta(days=30)).date().isoformat()

    def nothing(_: uuid.UUID) -> None:
        http.post("/rest/v1/rpc/do_nothing", json={}).raise_for_status()

    def context(client: uuid.UUID) -> None:
        answer = http.post("/rest/v1/rpc/get_client_context", json={"p_client_id": str(client)})
        assert answer.raise_for_status().json()["client"]["id"] == str(client)

    def six(client: uuid.UUID) -> None:
        for path in (
            f"clients?id=eq.{client}",
            f"contacts?client_id=eq.{client}",
            f"activities?client_id=eq.{client}&occurred_at=gte.{since}&order=occurred_at.desc&limit=50",
            f"deals?client_id=eq.{client}&stage=not.in.(won,lost)",
            f"tasks?client_id=eq.{client}&status=eq.open",
            f"orders?client_id=eq.{client}&order=ordered_at.desc&limit=20",
        ):
            http.get(f"/rest/v1/{path}").raise_for_status().json()

    return {"empty call": nothing, "get_client_context": context, "six reads": six}


def _time(
    calls: dict[str, Callable[[uuid.UUID], None]], clients: list[uuid.UUID], rounds: int
) -> dict[str, list[float]]:
    chosen = random.Random(1)
    took: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-rounds // 10, rounds):  # the negative ones warm up
        client = chosen.choice(clients)
        for name, call in calls.items():
            started = time.perf_counter()
            call(client)
            if number >= 0:
                took[name].append(time.perf_counter() - started)
    return took


if __name__ == "__main__":
    main()
