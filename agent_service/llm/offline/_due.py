"""When a task draft is due, and how much it matters."""

from __future__ import annotations

import datetime as dt

from dateutil.rrule import DAILY, FR, MO, TH, TU, WE, rrule

from agent_service.llm.offline._choosing import Choice
from agent_service.llm.protocol import DraftBrief

__all__ = ["task_details"]

_WORKING_DAYS = (MO, TU, WE, TH, FR)


def task_details(brief: DraftBrief, choice: Choice, today: dt.date) -> dict[str, str]:
    """Return `due_at` (ISO 8601, 09:00 UTC) and `priority` (low, medium, high)."""
    due = _due_day(brief, choice, today)
    return {"due_at": f"{due.isoformat()}T09:00:00Z", "priority": _priority(brief, choice, today)}


def _due_day(brief: DraftBrief, choice: Choice, today: dt.date) -> dt.date:
    """The next working day; a reminder on its task's day; a deal two working days before it should close."""
    soonest = _working_day(today, 1)
    task, deal = choice.task, choice.deal
    if brief.purpose == "task_reminder" and task and task.due_at and task.due_at > soonest:
        return task.due_at
    if brief.purpose == "deal_update" and deal and deal.expected_close:
        before_close = _working_day(deal.expected_close, -2) if deal.expected_close > soonest else soonest
        return max(soonest, min(before_close, _working_day(today, 5)))
    return _working_day(today, 3) if brief.purpose == "check_in" else soonest


def _working_day(day: dt.date, distance: int) -> dt.date:
    """The working day (Monday to Friday; holidays are not known here) `distance` working days away."""
    start = dt.datetime.combine(day, dt.time())
    if distance > 0:
        days = rrule(DAILY, byweekday=_WORKING_DAYS, dtstart=start + dt.timedelta(days=1), count=distance)
        return days[distance - 1].date()
    past = rrule(
        DAILY, byweekday=_WORKING_DAYS, dtstart=start - dt.timedelta(days=14), until=start - dt.timedelta(days=1)
    )
    return list(past)[distance].date()


def _priority(brief: DraftBrief, choice: Choice, today: dt.date) -> str:
    task, deal = choice.task, choice.deal
    if brief.purpose in {"task_reminder", "follow_up"} and task and task.overdue:
        return "high"
    if brief.purpose == "task_reminder" and task and (task.priority or "").lower() in {"low", "medium", "high"}:
        return str(task.priority).lower()
    closing = deal and deal.expected_close and deal.expected_close <= today + dt.timedelta(days=7)
    if brief.purpose in {"deal_update", "follow_up"} and closing:
        return "high"
    return "low" if brief.purpose == "check_in" else "medium"
