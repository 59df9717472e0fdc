"""One worker keeps its model busy for many people at once. (`benchmarks/overhead.py` does it with 200 and 20 s.)"""

from __future__ import annotations

from benchmarks import overhead


def test_a_worker_with_many_drafts_at_once_keeps_near_its_models_own_rate() -> None:
    scale = overhead.Scale(drafts=0, at_once=40, seconds=3.0, events=20, warm_up=1, rounds=1, streams=0)
    with overhead.bench(scale) as made:
        report = overhead.many_at_once(made, scale)
    (ratio,) = report.targets
    # One after the other they would reach a fortieth of it, four at a time a tenth.
    assert 0.6 <= ratio.value <= 1.0, report
