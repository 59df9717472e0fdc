"""Nobody gets an answer of another's, however few the connections. (`make drill` sends 10,000 requests.)"""

from __future__ import annotations

import pytest

from tests.drills import interleave
from tests.drills.kinds import KINDS


@pytest.mark.drill
def test_interleaved_requests_of_many_users_are_never_mixed_up() -> None:
    report = interleave.run(interleave.Size(requests=1_000, users=25, pool=3))
    assert (report.foreign, report.empty, report.unexpected, report.kept) == (0, 0, 0, 0), report
    assert report.carried == 0, "a connection came back with somebody's claims"
    assert report.requests == 1_000
    assert report.disturbed <= report.cancelled
    kinds = {answer.partition(":")[0] for answer in report.answers}
    assert kinds == {kind.name for kind in KINDS}, "each kind of trouble was met"
    assert report.answers["leaving early: given up"] > 0
    assert report.answers["context: 200"] > 50
    assert report.looked > 400
    assert report.cancelled > 5


@pytest.mark.drill
def test_settings_of_the_session_are_found_to_leak() -> None:
    report = interleave.run(interleave.Size(requests=250, users=25, pool=3, isolated=False))
    assert report.foreign > 0, report
    assert report.carried > 0, report
