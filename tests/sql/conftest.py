"""Fixtures of the SQL tests: a small CRM in a fresh clone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from tests.world import World, make_world, refused


@pytest.fixture(name="refused")
def _refused() -> Callable[..., AbstractContextManager[pytest.ExceptionInfo[psycopg.Error]]]:
    """The function above, for tests that cannot import this file."""
    return refused


@pytest.fixture
def world(db: psycopg.Connection[Any]) -> World:
    """The small CRM in a fresh clone."""
    return make_world(db)


@pytest.fixture(name="make_world")
def _make_world() -> Callable[[psycopg.Connection[Any]], World]:
    """The function above, for tests that migrate a database of their own."""
    return make_world


@pytest.fixture
def any_world(any_database: Any) -> Iterator[World]:
    """The same on the chosen Postgres and on Debian's 15."""
    with any_database.connect() as connection:
        yield make_world(connection)


Race = Callable[[int, Callable[[World, int], Any]], list[Any]]


@pytest.fixture
def race(world: World, database: Any) -> Race:
    """`race(n, act)` runs `act(world, i)` on n connections at once: the results in order, refusals as their errors."""

    def run(count: int, act: Callable[[World, int], Any]) -> list[Any]:
        start = threading.Barrier(count, timeout=60)

        def one(number: int) -> Any:
            try:
                with database.connect() as connection:
                    start.wait()
                    return act(replace(world, conn=connection), number)
            except psycopg.Error as error:
                return error

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count)))

    return run
