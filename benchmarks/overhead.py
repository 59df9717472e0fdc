"""Around the model call: our own time before the first token and after the last, and what a worker bears.

The real worker in a process of its own, the local stack, and the double of the Messages API in a third process, so that
what the model takes is known: it is subtracted. What the double itself needs to read and to answer is not, it counts
as ours. Every draft is the same text of about 400 tokens, in pieces as a model streams it.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from agent_service.crm_data.generating import Size, generate
from agent_service.devstack.stack import Devstack
from benchmarks._cpu import processor_seconds
from benchmarks._databases import act_as
from benchmarks._overhead_worker import Trace, Work, work_until_empty
from benchmarks._report import Report, Target
from tests.double.answers import tokens

PASSWORD = "only-for-benchmarks"  # noqa: S105 - of a stack that is thrown away
USERS = 20
KINDS = list(itertools.product(("email", "memo"), ("follow_up", "check_in", "deal_update", "custom")))
FIRST = 0.05  # seconds to the first text of a quick model
TEXT = """\
Hello Ms Abbot,

thank you for the time that you took on Tuesday. We went through the open points one by one, and I have noted which of \
them you want in writing before you decide: the delivery of the first two units, and where the measured data is kept.

**Where we stand**

- The pilot has run without a fault since the second week, and your shift leads have begun to ask for the reports.
- The offer of 48,500 EUR from 3 November 2026 holds until the end of the year, including training on a Saturday.
- Your auditor asked for a page on data retention; our service team is writing it and you will have it this week.

**What we still need from you**

- The name of the person who signs, so that the contract does not go to purchasing and the plant director both.
- Last year's figures for the two lines that are to be changed, as the running cost depends on them by up to 12 %.

I suggest that we speak again after your works council has met. Would Thursday at ten suit you, or rather Friday \
afternoon? If neither does, tell me when, and I will make room for it. Meanwhile I keep the drawings ready, and the \
new bracket for the unit that arrived damaged is on its way to you.

Kind regards
Bo Birch
"""
ANSWER = json.dumps({"subject": "Where we stand, and what comes next", "content": TEXT})
TOKENS = tokens(len(ANSWER))
# Each part of a draft, from which moment to which.
PARTS = [
    ("claim", "claim", "claimed"),
    ("start of the job", "claimed", "context"),
    ("context read", "context", "read"),
    ("prompt built", "read", "reserve"),
    ("budget reserved", "reserve", "reserved"),
    ("request at the model", "reserved", "received"),
    ("its first text, less the model", "received", "first"),
    ("end of the stream", "last", "answered"),
    ("answer checked", "answered", "complete"),
    ("draft stored", "complete", "stored"),
]


@dataclass(frozen=True)
class Scale:
    """How much is measured. seconds, events: of the model that many ask; rounds: of them, after those to warm up."""

    drafts: int = 200
    at_once: int = 200
    seconds: float = 20.0
    events: int = 200
    warm_up: int = 2
    rounds: int = 3
    pieces: tuple[int, ...] = (1, 40, 400)
    streams: int = 100

    @property
    def rounds_in_all(self) -> int:
        """With one after the last, so that all places are taken to the end."""
        return self.warm_up + self.rounds + 1


QUICK = Scale(drafts=20, at_once=40, seconds=4.0, events=40, warm_up=1, rounds=1, pieces=(40,), streams=5)


class Model:
    """The double, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.url = process.stdout.readline().strip()
        self._process = psutil.Process(process.pid)

    def be(self, *, first: float, between: float, pieces: int) -> None:
        """Take that long from now on."""
        pace = {"first": first, "between": between, "pieces": pieces}
        script = {"reset": True, "answerer": {"fixed": ANSWER}, "pace": pace}
        httpx.post(f"{self.url}/_double/script", json=script).raise_for_status()

    def received(self) -> dict[str, float]:
        """When each request came in, by its id."""
        requests = httpx.get(f"{self.url}/_double/requests", timeout=60).raise_for_status().json()["requests"]
        return {request["id"]: request["started"] for request in requests}

    def cpu(self) -> float:
        """Seconds so far."""
        times = self._process.cpu_times()
        return times.user + times.system


@contextlib.contextmanager
def _model() -> Iterator[Model]:
    with subprocess.Popen([sys.executable, "-m", "tests.double"], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Model(process)
        finally:
            process.terminate()


class Bench:
    """The stack, a model, and people with clients who ask."""

    def __init__(self, stack: Devstack, model: Model, *, clients: int) -> None:
        self.model = model
        self._stack, self._env = stack, stack.env()
        generate(stack.database_url, Size(clients=clients, owners=USERS, activities_per_client=20), password=PASSWORD)
        with psycopg.connect(stack.database_superuser_url, autocommit=True) as database:
            database.execute(
                "update public.ai_settings "
                "set open_jobs_per_user = 1000, daily_jobs_per_user = 100000, drafts_per_minute = 1000"
            )
            database.execute("update public.ai_budgets set limit_usd = 1000000")
            database.execute("update public.clients set preferred_language = 'en'")  # as the text is
            database.execute("vacuum analyze")

    def ask(self, count: int) -> None:
        """Ask for drafts that nobody has asked for yet, as all users in turn."""
        with psycopg.connect(self._stack.database_url, autocommit=True) as database:
            asked = set(database.execute("select client_id, draft_type, purpose from public.ai_draft_requests"))
            owned = database.execute(
                "select owner_id, array_agg(id order by id) from public.clients "
                "where owner_id is not null group by 1 order by 1"
            ).fetchall()
            wanted = [
                [
                    (owner, *draft)
                    for draft in ((client, *kind) for client in clients for kind in KINDS)
                    if draft not in asked
                ]
                for owner, clients in owned
            ]
            turns = itertools.chain.from_iterable(itertools.zip_longest(*wanted))
            chosen = sorted(itertools.islice(filter(None, turns), count))
            assert len(chosen) == count
            for owner, drafts in itertools.groupby(chosen, key=lambda draft: draft[0]):
                _ask_as(database, owner, [draft[1:] for draft in drafts])

    def work(self, concurrency: int, *, read: bool = False) -> tuple[Work, dict[str, float]]:
        """Have one new worker do all that was asked; returns it with the processor seconds of everybody."""
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as process:
            before = (*processor_seconds(), self.model.cpu())
            work = process.submit(work_until_empty, self._env, self.model.url, concurrency, read=read).result()
            after = (*processor_seconds(), self.model.cpu())
        spent = [later - earlier for later, earlier in zip(after, before, strict=True)]
        return work, dict(zip(("worker", "gateway", "Postgres", "model"), [work.cpu, *spent], strict=True))


def _ask_as(database: psycopg.Connection[Any], owner: uuid.UUID, drafts: Sequence[tuple[Any, ...]]) -> None:
    act_as(database, "authenticated", sub=owner)
    for draft in drafts:
        database.execute("select public.request_draft(%s, %s, %s)", draft)
    database.execute("reset role")


@contextlib.contextmanager
def bench(scale: Scale) -> Iterator[Bench]:
    """All that is needed, with clients enough for all drafts."""
    drafts = scale.drafts + scale.at_once * scale.rounds_in_all + 2 * scale.streams * len(scale.pieces) + 100
    with tempfile.TemporaryDirectory() as folder, Devstack(Path(folder)) as stack, _model() as model:
        yield Bench(stack, model, clients=max(400, drafts // len(KINDS) * 4))


def run(*, quick: bool) -> list[Report]:
    """Measure; about half a minute if `quick`."""
    scale = QUICK if quick else Scale()
    with bench(scale) as made:
        return [one_at_a_time(made, scale), many_at_once(made, scale), by_stream(made, scale)]


def one_at_a_time(bench: Bench, scale: Scale) -> Report:
    """Where our time goes when nothing else is done."""
    warm_up = 10
    bench.model.be(first=FIRST, between=0.005, pieces=20)
    bench.ask(scale.drafts + warm_up)
    work, _ = bench.work(1)
    received = bench.model.received()
    traces = work.traces[warm_up:]
    for trace in traces:
        trace.moments["received"] = (received[trace.request_id], trace.moments["reserved"][1])
    report = Report(f"Our time around one model call, one draft at a time, {len(traces)} drafts: milliseconds")
    report.rows = [_part(*part, traces) for part in PARTS]
    before = _part("claim answered to first token, less the model", "claimed", "first", traces)
    after = _part("last token to stored draft", "last", "stored", traces)
    report.rows += [before, after]
    report.targets = [
        Target("milliseconds from claim to first token, p50", before["p50"], at_most=40),
        Target("milliseconds from last token to stored draft, p50", after["p50"], at_most=40),
    ]
    return report


def _part(name: str, start: str, end: str, traces: Sequence[Trace]) -> dict[str, Any]:
    model = FIRST if end == "first" else 0.0
    seconds = [trace.moments[end][0] - trace.moments[start][0] - model for trace in traces]
    cpu = [trace.moments[end][1] - trace.moments[start][1] for trace in traces]
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    return {"part": name, "p50": cuts[9] * 1000, "p95": cuts[18] * 1000, "worker CPU": statistics.mean(cpu) * 1000}


def many_at_once(bench: Bench, scale: Scale) -> Report:
    """How near one worker comes to as many drafts as its model could write."""
    at_once, rounds = scale.at_once, scale.rounds
    step = scale.seconds / (scale.events + 1)
    bench.model.be(first=2 * step, between=step, pieces=scale.events)
    bench.ask(at_once * scale.rounds_in_all)
    work, cpu = bench.work(at_once)
    warm = at_once * scale.warm_up
    took = work.stored[warm + at_once * rounds - 1] - work.stored[warm - 1]
    rate, ideal = at_once * rounds / took, at_once / scale.seconds
    drafts = len(work.traces)
    report = Report(f"{at_once} drafts of {USERS} users at once in one worker, a model of {scale.seconds:.0f} s")
    report.rows = [
        {"figure": "drafts measured", "": at_once * rounds},
        {"figure": "drafts a minute", "": rate * 60},
        {"figure": "drafts a minute at best", "": ideal * 60},
        {"figure": "seconds from claim to stored draft, median", "": statistics.median(_seconds(work)[warm:])},
        {"figure": "worker's memory before, MiB", "": work.idle / 2**20},
        {"figure": "worker's memory at most, MiB", "": work.peak / 2**20},
        *({"figure": f"{who} CPU, ms a draft", "": seconds / drafts * 1000} for who, seconds in cpu.items()),
    ]
    report.targets = [Target("drafts of the ideal rate", rate / ideal, at_least=0.9)]
    return report


def _seconds(work: Work) -> list[float]:
    """How long each draft took, in the order in which they were stored."""
    moments = sorted((trace.moments for trace in work.traces), key=lambda moments: moments["stored"])
    return [moment["stored"][0] - moment["claimed"][0] for moment in moments]


def by_stream(bench: Bench, scale: Scale) -> Report:
    """What a stream costs by its pieces, and by having a reader."""
    report = Report(
        f"Processor time by stream: an answer of {TOKENS} tokens, one draft at a time, milliseconds a draft"
    )
    for pieces in scale.pieces:
        bench.model.be(first=0, between=0, pieces=pieces)
        costs = []
        for read in (False, True):
            bench.ask(scale.streams + 10)
            work, _ = bench.work(1, read=read)
            costs.append(_cost(work.traces[10:]))
        report.rows.append({
            "pieces": pieces, "worker CPU": costs[0], "with a reader": costs[1],
            "reader, 1,000 tokens": (costs[1] - costs[0]) / TOKENS * 1000,
        })  # fmt: skip
    return report


def _cost(traces: Sequence[Trace]) -> float:
    """Median of what the drafts cost, from claim to claim."""
    return statistics.median(trace.moments["stored"][1] - trace.moments["claim"][1] for trace in traces) * 1000


def main() -> None:
    """Print the reports."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer drafts and a faster model, half a minute")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    for report in run(quick=options.quick):
        report.show(as_json=options.json)


if __name__ == "__main__":
    main()
