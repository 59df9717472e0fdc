"""The signing secret changes while work goes on. (`make drill` takes longer over each step.)"""

from __future__ import annotations

import pytest

from tests.drills import rotation


@pytest.mark.drill
def test_rotating_the_signing_secret_costs_no_job_and_ends_what_the_old_one_signed() -> None:
    report = rotation.run(rotation.Size(phase_seconds=1))
    assert report.answers == rotation.EXPECTED
    assert (report.lost, report.doubled, report.failed, report.again) == (0, 0, 0, 0), report
    assert report.done == report.asked >= 20
    assert report.moved >= 1, "no job ran while the new key took over: the drill proved nothing"


@pytest.mark.drill
def test_a_secret_that_signs_before_it_is_trusted_fails_jobs() -> None:
    assert rotation.run(rotation.Size(phase_seconds=1, in_order=False)).failed > 0
