"""The look-out for personal data in logs would see it."""

from types import SimpleNamespace

import pytest

from tests import conftest
from tests.canaries import CANARIES, find_canaries, next_canary


def test_there_are_a_hundred_and_they_are_found_in_any_case():
    assert len(set(CANARIES)) == 100
    text = f"job.failed error='{CANARIES[7].upper()}' mail={CANARIES[42].lower()}@example.com"
    assert find_canaries([text]) == sorted([CANARIES[7].lower(), CANARIES[42].lower()])
    assert find_canaries(["nothing to see"]) == []


def test_they_take_turns():
    assert len({next_canary() for _ in range(100)}) == 100


@pytest.mark.parametrize(("logged", "leaks"), [(f"hello {CANARIES[3]}", 1), ("hello Dana", 0)])
def test_a_test_that_logs_one_is_noted(monkeypatch, logged, leaks):
    seen = {}
    monkeypatch.setattr(conftest, "LEAKS", seen)
    conftest.pytest_runtest_logreport(
        SimpleNamespace(passed=True, nodeid="a test", sections=[("Captured stderr call", logged)])
    )
    assert len(seen) == leaks


def test_a_leak_fails_the_run(monkeypatch):
    monkeypatch.setattr(conftest, "LEAKS", {"a test": [CANARIES[0]]})
    session = SimpleNamespace(exitstatus=0)
    conftest.pytest_sessionfinish(session)
    assert session.exitstatus == pytest.ExitCode.TESTS_FAILED
