"""The HTTP API's reads and approvals, beside an empty endpoint and a bare proxy on the same server.

1, 10 and 50 people at a time, each with a connection of their own, who ask again as soon as they have an answer. Every
operation and its peers take turns in short rounds, so that what else the machine does falls on all of them. The server
is a process of its own; Postgres' gateway shares one with those who ask. A request slot is a row that fills: they are
emptied five times a second, since the people here ask for more contexts in a second than one may in a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psycopg
from rich.console import Console
from rich.progress import Progress

from agent_service.crm_data.generating import TABLES, Size, generate
from agent_service.devstack.stack import Devstack
from benchmarks._report import Latency, Report, Target

PASSWORD = "only-for-benchmarks"  # noqa: S105 - of a stack that is thrown away
SIZES = {
    "whole": (100_000, 4.0, 3),
    "quick": (2_000, 0.7, 2),
    "short": (200, 0.2, 1),
}  # clients, seconds of a round, rounds
CONCURRENCY = (1, 10, 50)
LEAST = 3  # of each person in a round, however slow
DRAFTS = """
insert into public.ai_drafts (
  client_id, draft_type, content, created_by, purpose, language, generated_content, provider, expires_at, deal_id
)
select %(client)s, 'memo', 'Text ' || n, %(owner)s, 'custom', 'en', 'Text ' || n, 'offline',
  now() + interval '1 day', gen_random_uuid()
from generate_series(1, %(count)s) as n
returning id, content_hash
"""
CONTEXT, LIST, APPROVE = "context", "list of 50", "approve"


@dataclass
class Person:
    """One who asks. drafts: those left to approve."""

    id: uuid.UUID
    token: str
    clients: list[uuid.UUID]
    etags: dict[uuid.UUID, str] = field(default_factory=dict)
    drafts: list[tuple[uuid.UUID, str]] = field(default_factory=list)
    chosen: random.Random = field(default_factory=random.Random)

    @property
    def client(self) -> uuid.UUID:
        return self.chosen.choice(self.clients)


Ask = Callable[[Person], bytes]


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2,000 clients and short rounds, about a minute")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    run("quick" if options.quick else "whole").show(as_json=options.json)


def run(size: str) -> Report:
    """Measure at each concurrency."""
    clients, seconds, rounds = SIZES[size]
    report = Report(f"The API at {clients:,} clients: milliseconds and requests per second")
    with Devstack(None) as stack:
        people = _fill(stack, clients)
        with _serving(stack) as port, _emptied_slots(stack):
            _learn_etags(port, people)
            for count in CONCURRENCY:
                _measure(report, stack, port, people[:count], seconds=seconds, rounds=rounds)
    return report


def _fill(stack: Devstack, clients: int) -> list[Person]:
    size = Size(clients=clients, owners=max(50, clients // 250), activities_per_client=20, activity_days=30)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(f"making {clients:,} clients", total=clients * len(TABLES))
        generate(stack.database_url, size, password=PASSWORD, on_progress=lambda _, made: progress.advance(bar, made))
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        database.execute("update public.ai_settings set contexts_per_minute = 1000")
        rows = database.execute(
            "select p.id, p.email, (array_agg(c.id order by c.id))[:20] from public.profiles as p "
            "inner join public.clients as c on c.owner_id = p.id group by p.id order by count(*) desc, p.id limit 50"
        ).fetchall()
    with httpx.Client(base_url=stack.url, headers={"apikey": stack.publishable_key}, timeout=30) as http:
        return [Person(user, _sign_in(http, email), owned) for user, email, owned in rows]


def _sign_in(http: httpx.Client, email: str) -> str:
    answer = http.post("/auth/v1/token?grant_type=password", json={"email": email, "password": PASSWORD})
    return str(answer.raise_for_status().json()["access_token"])


@contextmanager
def _serving(stack: Devstack) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    command = [sys.executable, "-m", "benchmarks._api_server", str(port)]
    process = subprocess.Popen(command, env=os.environ | stack.env())
    try:
        ends_at = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, "the server did not start"
                assert time.monotonic() < ends_at, "the server does not answer"
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def _emptied_slots(stack: Devstack) -> Iterator[None]:
    over = threading.Event()

    def empty() -> None:
        with psycopg.connect(stack.database_url, autocommit=True) as database:
            while not over.wait(0.2):
                database.execute("delete from agent.request_slots")

    thread = threading.Thread(target=empty)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _learn_etags(port: int, people: list[Person]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        for person, client in [(each, client) for each in people for client in each.clients]:
            headers = {"Authorization": f"Bearer {person.token}"}
            answer = http.get(f"/api/ai/context/{client}", headers=headers).raise_for_status()
            person.etags[client] = answer.headers["etag"]


def _measure(  # noqa: PLR0913 - one row of the report
    report: Report, stack: Devstack, port: int, people: list[Person], *, seconds: float, rounds: int
) -> None:
    asks = _asks()
    took: dict[str, list[float]] = {name: [] for name in asks}
    lasted = dict.fromkeys(asks, 0.0)
    for _, (name, ask) in itertools.product(range(rounds), asks.items()):
        if APPROVE in name:
            _add_drafts(stack, people, count=int(400 * seconds / len(people)) + 20)
        found, length = asyncio.run(_round(port, people, ask, seconds))
        took[name] += found
        lasted[name] += length
    rate = {name: len(took[name]) / lasted[name] for name in asks}
    for name, found in took.items():
        peer = rate.get(f"proxy: {name.partition(',')[0]}", rate[name])
        latency = Latency.of(found)
        report.rows.append(
            {
                "operation": name, "people": len(people), "p50 ms": latency.p50, "p99 ms": latency.p99,
                "per second": rate[name], "of the proxy": rate[name] / peer,
                "of an empty one": rate[name] / rate["empty endpoint"],
            }
        )  # fmt: skip
        if name.startswith(CONTEXT) and len(people) == 1:
            report.targets.append(Target(f"{name}, 1 person, p99 in ms", latency.p99, at_most=50))
        if name.startswith(CONTEXT) and len(people) > 1:
            ratio = rate[name] / rate[f"proxy: {CONTEXT}"]
            report.targets.append(Target(f"{name}, {len(people)} people, of the proxy", ratio, at_least=0.8))


def _asks() -> dict[str, Ask]:
    def proxy(function: str, params: Callable[[Person], object]) -> Ask:
        return lambda person: _post(person, f"/bench/proxy/{function}", params(person))

    def kept(person: Person) -> bytes:
        client = person.client
        return _get(person, f"/api/ai/context/{client}", f"If-None-Match: {person.etags[client]}\r\n")

    def approve(person: Person) -> bytes:
        draft, shown = person.drafts.pop()
        return _post(person, f"/api/ai/drafts/{draft}/approve", {"contentHash": shown})

    def approve_bare(person: Person) -> object:
        draft, shown = person.drafts.pop()
        return {"p_draft_id": str(draft), "p_content_hash": shown}

    return {
        "empty endpoint": lambda person: _get(person, "/bench/empty"),
        f"proxy: {CONTEXT}": proxy("get_client_context", lambda person: {"p_client_id": str(person.client)}),
        f"{CONTEXT}, not modified": kept,
        f"{CONTEXT}, from memory": lambda person: _get(person, f"/api/ai/context/{person.client}"),
        # Hardly ever twice the same, so that there is nothing in memory.
        f"{CONTEXT}, from the database": lambda person: _get(
            person, f"/api/ai/context/{person.client}?days={person.chosen.randrange(31, 367)}"
        ),
        f"proxy: {LIST}": proxy("list_drafts", lambda _: {}),
        LIST: lambda person: _get(person, "/api/ai/drafts"),
        f"proxy: {APPROVE}": proxy("approve_draft", approve_bare),
        APPROVE: approve,
    }


def _add_drafts(stack: Devstack, people: list[Person], *, count: int) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        for person in people:
            values = {"client": person.clients[0], "owner": person.id, "count": count}
            person.drafts = [(row[0], row[1]) for row in database.execute(DRAFTS, values)]


async def _round(port: int, people: list[Person], ask: Ask, seconds: float) -> tuple[list[float], float]:
    """Let everybody ask for so long; return what each request took, and how long it was in all."""
    took: list[float] = []
    started = time.perf_counter()
    ends_at = started + seconds

    async def one(person: Person) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        mine = 0
        while time.perf_counter() < ends_at or mine < LEAST:
            mine += 1
            asked = ask(person)
            at = time.perf_counter()
            writer.write(asked)
            status = await _answer(reader)
            took.append(time.perf_counter() - at)
            assert status in (200, 304), status
        writer.close()

    await asyncio.gather(*map(one, people))
    return took, time.perf_counter() - started


async def _answer(reader: asyncio.StreamReader) -> int:
    """The status of one whole answer. By hand: a client's own milliseconds would be the larger part of the figure."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    if length:
        await reader.readexactly(int(length))
    return int(head.split(b" ", 2)[1])


def _get(person: Person, path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n{more}\r\n".encode()


def _post(person: Person, path: str, body: object) -> bytes:
    content = json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n{content}".encode()


if __name__ == "__main__":
    main()
