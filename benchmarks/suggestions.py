"""What it costs to find what to suggest: a whole sweep, one client at a time, after a change of 1 %, and by size.

A sweep is what workers do, `claim_jobs` and `complete_sweep_job` with each job's token, here on one connection and so
on one core of Postgres, writes included. The peer asks for each client by itself through the gateway, as a program that
knows only the API would; 1,000 of them are measured and the rest extrapolated. The last figure is a live worker that
is woken by NOTIFY: from the commit of a change in the CRM to the suggestion that is stored.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import plotext
import psycopg
from rich.console import Console
from rich.progress import Progress

from agent_service.crm_data.generating import TABLES, Size, generate
from agent_service.devstack.stack import Devstack
from benchmarks._databases import act_as
from benchmarks._report import Latency, Report, Target

PASSWORD = "only-for-benchmarks"  # noqa: S105 - of a stack that is thrown away
ACTIVITIES, DAYS = 20, 730
BY_SIZE = {"whole": (1_000, 10_000, 100_000, 1_000_000), "quick": (1_000, 4_000)}
CLIENTS = {"whole": 100_000, "quick": 4_000}
ASKED = {"whole": 1_000, "quick": 200}
CHANGES = {"whole": 100, "quick": 15}


def main() -> None:
    """Print the reports."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="4,000 clients, about a minute")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    size = "quick" if options.quick else "whole"
    for report in (run(size), by_size(size)):
        report.show(as_json=options.json)
    if not options.json:
        _plot(report)


def run(size: str) -> Report:
    """Sweep all, one by one, what changed, and wait for one."""
    clients = CLIENTS[size]
    report = Report(f"Suggestions for {clients:,} clients with {clients * ACTIVITIES:,} activities")
    with _crm(clients, activities=ACTIVITIES) as (stack, database):
        seconds, stored = sweep(stack, database)
        _row(report, "sweep of all", seconds, clients)
        again = _after_change(stack, database, clients)
        _row(report, "sweep after 1 % of the clients changed", again, clients // 100)
        each = _one_by_one(stack, database, ASKED[size])
        _row(report, "client by client through the API (extrapolated)", each * clients, clients)
        latency = _to_stored(stack, database, CHANGES[size])
    report.targets += [
        Target("sweep of all, s", seconds, at_most=45),
        Target("client by client, times a sweep", each * clients / seconds, at_least=50),
        Target("sweep after 1 % changed, of the whole", again / seconds, at_most=0.05),
        Target("change to stored suggestion, p50 ms", latency.p50, at_most=250),
    ]
    report.notes += [
        f"{stored:,} suggestions stored",
        f"change to stored: p50 {latency.p50:.0f}, p99 {latency.p99:.0f} ms",
    ]
    return report


def by_size(size: str) -> Report:
    """Sweep CRMs of several sizes, with 5 activities for each client."""
    report = Report("A sweep by the number of clients, 5 activities each")
    for clients in BY_SIZE[size]:
        with _crm(clients, activities=5) as (stack, database):
            seconds, _ = sweep(stack, database)
        _row(report, f"{clients:,} clients", seconds, clients)
    return report


def _row(report: Report, name: str, seconds: float, clients: int) -> None:
    report.rows.append({"": name, "seconds": seconds, "clients": clients, "ms a client": seconds / clients * 1000})


@contextlib.contextmanager
def _crm(clients: int, *, activities: int) -> Iterator[tuple[Devstack, psycopg.Connection[Any]]]:
    with Devstack(None) as stack:
        size = Size(clients=clients, activities_per_client=activities, activity_days=DAYS)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task(f"making {clients:,} clients", total=clients * len(TABLES))
            generate(
                stack.database_url, size, password=PASSWORD, on_progress=lambda _, made: progress.advance(bar, made)
            )
        with psycopg.connect(stack.database_url, autocommit=True) as database:
            database.execute("vacuum analyze")
            database.execute("select agent.compute_stage_statistics()")
            yield stack, database


def sweep(stack: Devstack, database: psycopg.Connection[Any]) -> tuple[float, int]:
    """Do what is due as one worker would, without waiting for what is due later; return seconds and rows stored."""
    worker = jwt.decode(stack.worker_key(), options={"verify_signature": False})
    stored = 0
    started = time.perf_counter()
    while True:
        database.execute("update agent.jobs set due_at = now() where kind = 'sweep' and state = 'queued'")
        with _as(database, "agent_worker", worker):
            tokens = database.execute("select token from public.claim_jobs(array['sweep'], 50, 300)").fetchall()
        if not tokens:
            return time.perf_counter() - started, stored
        for (token,) in tokens:
            with _as(database, "authenticated", jwt.decode(token, options={"verify_signature": False})):
                (result,) = database.execute("select public.complete_sweep_job()").fetchone() or ({},)
            stored += result["written"]


@contextlib.contextmanager
def _as(database: psycopg.Connection[Any], role: str, claims: dict[str, Any]) -> Iterator[None]:
    act_as(database, role, **{name: value for name, value in claims.items() if name != "role"})
    try:
        yield
    finally:
        database.execute("reset role")


def _after_change(stack: Devstack, database: psycopg.Connection[Any], clients: int) -> float:
    database.execute(
        "insert into public.activities (client_id, type, direction) select id, 'email', 'outbound' from "
        "(select id from public.clients where owner_id is not null order by md5(id::text) limit %s) as c",
        [clients // 100],
    )
    return sweep(stack, database)[0]


def _one_by_one(stack: Devstack, database: psycopg.Connection[Any], count: int) -> float:
    """Seconds of one client, opened over HTTP when it is due."""
    rows = database.execute(
        "select u.email, array_agg(c.id) from public.clients as c inner join auth.users as u on u.id = c.owner_id "
        "group by u.email order by u.email"
    ).fetchall()
    database.execute("update agent.client_watches set due_at = now()")
    asked = 0
    took = 0.0
    with httpx.Client(base_url=stack.url, headers={"apikey": stack.publishable_key}, timeout=60) as http:
        for email, ids in rows:
            answer = http.post("/auth/v1/token?grant_type=password", json={"email": email, "password": PASSWORD})
            bearer = {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}
            for client in ids[: count - asked]:
                started = time.perf_counter()
                body = {"p_client_id": str(client)}
                http.post("/rest/v1/rpc/list_suggestions", json=body, headers=bearer).raise_for_status()
                took += time.perf_counter() - started
                asked += 1
            if asked >= count:
                break
    sweep(stack, database)
    return took / asked


def _to_stored(stack: Devstack, database: psycopg.Connection[Any], count: int) -> Latency:
    """How long after a change its suggestion is stored, one owner after the other, so that nothing is held back."""
    clients = database.execute(
        "select distinct on (owner_id) id from public.clients where owner_id is not null "
        "order by owner_id, id limit %s",
        [count],
    ).fetchall()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
    command = [sys.executable, "-m", "agent_service.cli", "work", "--kinds", "sweep"]
    with subprocess.Popen(command, env=environment | stack.env(), stderr=subprocess.DEVNULL) as worker:
        time.sleep(5)
        took = [_wait_for(database, client) for (client,) in clients]
        worker.terminate()
    return Latency.of(took)


def _wait_for(database: psycopg.Connection[Any], client: object) -> float:
    (task,) = database.execute(
        "insert into public.tasks (client_id, title, due_at) "
        "values (%s, 'Late', now() - interval '30 days') returning id",
        [client],
    ).fetchone() or (None,)
    started = time.perf_counter()
    stored = "select from public.agent_suggestions where client_id = %s and evidence -> 'rows' -> 0 ->> 'id' = %s"
    while not database.execute(stored, [client, str(task)]).fetchall():
        if time.perf_counter() - started > 20:
            raise TimeoutError("no suggestion came of a change")
        time.sleep(0.005)
    return time.perf_counter() - started


def _plot(report: Report) -> None:
    clients = [row["clients"] for row in report.rows]
    plotext.plot(clients, [row["seconds"] for row in report.rows], marker="braille")
    plotext.xscale("log")
    plotext.yscale("log")
    plotext.title("seconds of a sweep by clients, both logarithmic")
    plotext.plotsize(80, 20)
    plotext.theme("clear")
    print(plotext.build())
    print(f"ms a client: {statistics.median(row['ms a client'] for row in report.rows):.2f} in the median")


if __name__ == "__main__":
    main()
