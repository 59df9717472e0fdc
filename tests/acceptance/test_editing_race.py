"""What is approved is what was shown, however close an edit comes. (`make drill` has 1,000 races.)"""

from __future__ import annotations

import pytest

from tests.drills import editing


@pytest.mark.drill
def test_no_text_is_approved_that_was_not_shown() -> None:
    report = editing.run(editing.Size(races=200))
    assert report.unseen == 0, report
    assert report.answers["edit_draft done"] + report.answers["approve_draft done"] == 200
    assert min(report.answers["edit_draft done"], report.answers["approve_draft done"]) > 10, "no race"


@pytest.mark.drill
def test_without_the_hash_an_edit_slips_in() -> None:
    assert editing.run(editing.Size(races=60, checked=False)).unseen > 0
