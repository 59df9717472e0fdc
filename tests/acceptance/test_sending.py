"""The sending drill's short form, and its control."""

import pytest

from tests.drills import sending


@pytest.mark.drill
@pytest.mark.timeout(200)
def test_of_mails_whose_workers_are_killed_none_is_lost_and_none_sent_twice():
    report = sending.run(sending.Size(mails=20, kills=10, server_seconds=1.0))
    assert not report.found, report
    assert report.sent + report.unknown == 20, report
    assert report.unknown > 0, report  # or nobody was killed where it matters


@pytest.mark.drill
@pytest.mark.timeout(200)
def test_without_the_record_of_an_attempt_mails_are_sent_twice():
    report = sending.run(sending.Size(mails=20, kills=10, server_seconds=1.0, on_record=False))
    assert report.doubled > 0, report
