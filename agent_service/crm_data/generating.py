"""A CRM of any size, made in the database: deterministic by seed, with the defects of real ones at known rates."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from agent_service.crm_data.loading import AlreadyLoadedError, SignIn, load_rows
from agent_service.crm_data.seed import SeedResult
from agent_service.devstack.users import hash_password

__all__ = ["TABLES", "Size", "generate"]

TABLES = ("clients", "contacts", "deals", "activities", "tasks", "orders")
CHUNK = 2_000  # clients in one statement: the progress that is shown, and what a sort may take


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How large a CRM is.

    owners: people who share the clients unevenly, one for each 250 and at least 3 if not given; an admin comes besides.
    activities_per_client: the median, spread evenly over the last `activity_days` days; a client has half to one and a
    half times as many.
    """

    clients: int
    owners: int | None = None
    activities_per_client: int = 8
    activity_days: int = 365


def generate(  # noqa: PLR0913 - of which five have defaults
    database_url: str,
    size: Size,
    *,
    seed: int = 1,
    newest_days_ago: int = 0,
    password: str | None = None,
    today: dt.date | None = None,
    on_progress: Callable[[str, int], object] = lambda _table, _clients: None,
) -> SeedResult:
    """Fill an empty sample CRM with `size.clients` clients and all that belongs to them, in one transaction.

    The same arguments and day make the same rows, ids included. on_progress is told a table and for how many more
    clients it has rows. Raises AlreadyLoadedError if there are clients.
    """
    chosen = password or secrets.token_urlsafe(12)
    newest = (today or dt.datetime.now(dt.UTC).date()) - dt.timedelta(days=newest_days_ago)
    settings = {
        "seed": seed,
        "today": f"{newest} 00:00:00+00",
        "clients": size.clients,
        "owners": size.owners or max(3, size.clients // 250),
        "activities": size.activities_per_client,
        "days": size.activity_days,
    }
    folder = files(__package__) / "generate"
    with psycopg.connect(database_url) as connection:
        if connection.execute("select exists (select from public.clients)").fetchone() == (True,):
            raise AlreadyLoadedError
        for name, value in settings.items():
            connection.execute("select set_config(%s, %s, true)", [f"generate.{name}", str(value)])
        connection.execute((folder / "setup.sql").read_text("utf-8").encode())
        rows = connection.execute("select email, full_name, role, id from people order by n").fetchall()
        people = [
            SignIn(email=email, full_name=name, role=role, user_id=user_id) for email, name, role, user_id in rows
        ]
        counts = load_rows(connection, people, {}, encrypted_password=hash_password(chosen))
        for number, table in enumerate(TABLES, 1):
            statement = (folder / f"{number}_{table}.sql").read_text("utf-8").encode()
            counts[table] = 0
            for first in range(1, size.clients + 1, CHUNK):
                last = min(first + CHUNK - 1, size.clients)
                counts[table] += connection.execute(statement, {"first": first, "last": last}).rowcount
                on_progress(table, last - first + 1)
        owned = connection.execute(
            "select p.id, array_remove(array_agg(m.id order by m.n), null) from people as p "
            "left join made as m on m.owner_id = p.id group by p.id"
        ).fetchall()
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table in TABLES:  # without it the planner takes a filled table for an empty one
            connection.execute(f"vacuum analyze public.{table}".encode())
    return SeedResult(counts, people, chosen, dict(owned))
