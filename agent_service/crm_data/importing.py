"""Loading a CRM's export, a folder of CSV files, into the sample CRM: all of it or nothing."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import errors

from agent_service.crm_data.building import build
from agent_service.crm_data.checking import check_folder
from agent_service.crm_data.faults import Fault
from agent_service.crm_data.loading import AlreadyLoadedError, SignIn, load_rows
from agent_service.crm_data.mapping import read_mapping
from agent_service.devstack.users import hash_password

__all__ = ["Fault", "ImportReport", "SignIn", "import_folder"]

# What is being done, how much of it is done, and how much there is: bytes while reading.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What came of an import.

    loaded: False if there are faults and bad rows were not to be skipped; then nothing was written. counts: rows by
    table. skipped: how many rows are bad. password: of everybody in sign_ins.
    """

    loaded: bool
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    skipped: int = 0
    sign_ins: list[SignIn] = field(default_factory=list)
    password: str = field(default="", repr=False)


def import_folder(  # noqa: PLR0913 - an import has this many choices
    directory: Path,
    mapping: Path | None = None,
    *,
    database_url: str,
    newest_days_ago: int = 1,
    skip_bad_rows: bool = False,
    password: str | None = None,
    today: dt.date | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Load the CSV files of a folder as a mapping file (None: that of the sales export) describes them.

    All dates move by one number of days, so that the newest is newest_days_ago before today. password: of every person;
    random if not given. Raises MappingError, AlreadyLoadedError if the CRM has clients, psycopg.Error; and then, as
    with bad rows, nothing was written.
    """
    plan = read_mapping(mapping)
    tell = progress or (lambda _step, _done, _total: None)
    export = check_folder(directory, plan, skip_bad_rows=skip_bad_rows, advance=_adding(tell, directory))
    if not export.usable or (export.faults and not skip_bad_rows):
        return ImportReport(loaded=False, faults=export.faults, skipped=export.skipped)

    tell("Loading", 0, 1)
    people, tables = build(export, plan, newest_days_ago=newest_days_ago, today=today or dt.datetime.now(dt.UTC).date())
    chosen = password or secrets.token_urlsafe(12)
    with psycopg.connect(database_url) as connection:
        # Two imports at a time: the second waits here and then finds the clients of the first.
        connection.execute("lock table public.clients in share row exclusive mode")
        if connection.execute("select exists (select from public.clients)").fetchone() == (True,):
            raise AlreadyLoadedError
        try:
            counts = load_rows(connection, people, tables, encrypted_password=hash_password(chosen))
        except errors.UniqueViolation as error:
            taken = f"The CRM has some of these rows already, and nothing was loaded: {error.diag.message_detail}"
            raise AlreadyLoadedError(taken, hint="Start with an empty CRM, such as a new local stack's.") from error
    tell("Loading", 1, 1)
    return ImportReport(
        loaded=True, counts=counts, faults=export.faults, skipped=export.skipped, sign_ins=people, password=chosen
    )


def _adding(tell: Progress, directory: Path) -> Callable[[str, int], None]:
    """Return what adds up the bytes read of each file."""
    done: dict[str, int] = {}

    def advance(name: str, count: int) -> None:
        done[name] = done.get(name, 0) + count
        tell(f"Reading {name}", done[name], max((directory / name).stat().st_size, done[name]))

    return advance
