"""What drills count when all is over."""

from __future__ import annotations

from typing import Any

import psycopg

__all__ = ["count", "doubled"]

# A request with two drafts, or a job that was paid for twice.
DOUBLED = """
select count(*) from (
  select from public.ai_drafts group by request_id having count(*) > 1
  union all
  select from public.ai_interactions where outcome = 'completed' group by job_id having count(*) > 1
) as d
"""


def count(database: psycopg.Connection[Any], query: str) -> int:
    """Return the one number of a query."""
    row = database.execute(query).fetchone()  # type: ignore[call-overload]
    return int(row[0])


def doubled(database: psycopg.Connection[Any]) -> int:
    """Return how many drafts were written twice."""
    return count(database, DOUBLED)
