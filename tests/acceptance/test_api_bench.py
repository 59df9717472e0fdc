"""A short form of `benchmarks/api.py`: every operation answers beside its peers, and nobody waits for a context."""

import pytest

from benchmarks.api import CONCURRENCY, run


@pytest.mark.drill
@pytest.mark.timeout(300)
def test_every_operation_answers_and_a_context_is_there_at_once():
    report = run("short")
    operations = {row["operation"] for row in report.rows}
    assert len(report.rows) == len(CONCURRENCY) * len(operations)
    assert all(row["per second"] > 0 for row in report.rows)
    alone = [target for target in report.targets if target.name.endswith("1 person, p99 in ms")]
    assert len(alone) == 3
    assert all(target.met for target in alone)
