"""Our guards must stay small beside the CRM's own writes. A ratio within one run; the figures are the benchmark's."""

from __future__ import annotations

from contextlib import ExitStack

from agent_service.devstack.postgres import PostgresServer
from benchmarks.host_cost import WRITES, prepare, within


def test_an_insert_costs_less_than_twice_what_it_did_without_us() -> None:
    with ExitStack() as stack:
        people = prepare(stack.enter_context(PostgresServer(None)), stack, parts={})
        for who, databases in people.items():
            ours, bare = within(databases.pair(), WRITES["insert activity"], 1000)
            assert ours < 2 * bare, who
