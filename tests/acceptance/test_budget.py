"""A budget cannot be overspent by a race. (`make drill` makes 500 reservations.)"""

from __future__ import annotations

import pytest

from tests.drills import budget


@pytest.mark.drill
def test_of_many_reservations_as_many_go_through_as_the_budget_admits() -> None:
    report = budget.run(budget.Size(reservations=100, connections=20))
    assert (report.admitted, report.most_held, report.apart) == (10, report.limit, False), report
    assert report.looks > 10


@pytest.mark.drill
def test_looking_first_and_writing_after_overspends() -> None:
    report = budget.run(budget.Size(reservations=40, connections=20, guarded=False))
    assert report.admitted > 10
    assert report.most_held > report.limit
