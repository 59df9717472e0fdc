"""Killing any process at any moment loses no job and writes no draft twice. (`make drill` does it 300 x 100.)"""

from __future__ import annotations

import pytest

from tests.drills import crash


@pytest.mark.drill
def test_killed_workers_lose_nothing_and_write_nothing_twice() -> None:
    report = crash.run(crash.Size(jobs=40, kills=10, zombies=3, write_seconds=0.5))
    assert (report.lost, report.doubled, report.stuck) == (0, 0, 0), report
    assert report.done == report.jobs
    assert report.kills == 10
    assert report.reclaimed >= 3, "nobody was killed in the middle of anything: the drill proved nothing"
    assert report.zombie_answers == {"stale_fence": 3}
    assert (report.unsettled, report.apart) == (0, 0), report
    assert report.attempts > report.jobs  # those of the killed are on the books as well
    assert report.looks > 10


@pytest.mark.drill
def test_without_fencing_the_same_drill_finds_doubles() -> None:
    report = crash.run(crash.Size(jobs=4, kills=0, zombies=2, write_seconds=0.2, fenced=False))
    assert report.doubled > 0, report
