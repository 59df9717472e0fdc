"""A short form of `benchmarks/api.py`: every operation answers beside its peers, a context nearly as fast as these."""

import pytest

from benchmarks.api import CONCURRENCY, run


@pytest.mark.drill
@pytest.mark.timeout(300)
def test_every_operation_answers_and_a_context_nearly_as_fast_as_its_peer():
    report = run("short")
    operations = {row["operation"] for row in report.rows}
    assert len(report.rows) == len(CONCURRENCY) * len(operations)
    assert all(row["per second"] > 0 for row in report.rows)
    # Beside the bare proxy of the same run; the figures themselves are `make bench`'s.
    contexts = [row["of the proxy"] for row in report.rows if row["operation"].startswith("context")]
    assert len(contexts) == 3 * len(CONCURRENCY)
    assert min(contexts) > 0.2
