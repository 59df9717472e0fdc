"""Puts situations into a CRM, each as a client of one user, and remembers which record is which."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from tests.suggestions.situations import STATISTICS, Situation

__all__ = ["load", "set_statistics"]

_numbers = itertools.count(1)


def set_statistics(conn: psycopg.Connection[Any]) -> None:
    conn.execute("delete from agent.stage_statistics")
    for stage, samples, p75, won, days_to_win in STATISTICS:
        conn.execute(
            "insert into agent.stage_statistics (stage, samples, p75_days, won, lost, days_to_win_p25) "
            "values (%s, %s, %s, %s, 0, %s)",
            [stage, samples, p75, won, days_to_win],
        )


def load(
    conn: psycopg.Connection[Any],
    situations: Iterable[Situation],
    owner: uuid.UUID,
    *,
    shift: dt.timedelta = dt.timedelta(),
    given: uuid.UUID | None = None,
) -> tuple[dict[uuid.UUID, Situation], dict[uuid.UUID, str]]:
    """Return the situations by client, and the keys of their records by id.

    shift: added to every time. given: a client that is there, to which a situation's records are added.
    """
    clients: dict[uuid.UUID, Situation] = {}
    keys: dict[uuid.UUID, str] = {}
    for situation in situations:
        client = given or uuid.uuid4()
        clients[client] = situation
        if given is None:
            conn.execute(
                "insert into public.clients (id, name, owner_id) values (%s, %s, %s)", [client, situation.name, owner]
            )
        for row in situation.rows:
            row_id = uuid.uuid4()
            keys[row_id] = row.key
            values = {"id": row_id, "client_id": client} | {
                name: _shifted(value, shift) for name, value in row.columns.items()
            }
            if row.table == "orders":
                values["order_number"] = f"O-{next(_numbers)}"
            conn.execute(
                sql.SQL("insert into {} ({}) values ({})").format(
                    sql.Identifier("public", row.table),
                    sql.SQL(", ").join(map(sql.Identifier, values)),
                    sql.SQL(", ").join(sql.Placeholder() * len(values)),
                ),
                list(values.values()),
            )
            if row.table == "deals":
                conn.execute("delete from public.deal_stage_history where deal_id = %s", [row_id])
                if row.stage_since is not None:
                    conn.execute(
                        "insert into public.deal_stage_history (deal_id, client_id, to_stage, changed_at) "
                        "values (%s, %s, %s, %s)",
                        [row_id, client, values["stage"], row.stage_since + shift],
                    )
    return clients, keys


def _shifted(value: Any, shift: dt.timedelta) -> Any:
    return value + shift if isinstance(value, dt.date) else value
