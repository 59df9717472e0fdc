"""What the database's owner can see: the ground, our objects, keys, what the host has changed. All is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from agent_service.database import pending, read_migrations
from agent_service.doctor.findings import Finding, fault, ok, skipped, warning
from agent_service.rules import find_offences

__all__ = ["examine_database"]

Connection = psycopg.Connection[Any]
HOOK = "alter role authenticator set pgrst.db_pre_request = 'agent.check_request'; notify pgrst, 'reload config';"
_MENDS = {
    "crm_table_unguarded": "select agent.guard_crm_tables();",
    "request_hook": HOOK,
    "schema_exposed": "Take it out of the exposed schemas (Dashboard, Data API).",
    "realtime_private_table": "alter publication supabase_realtime drop table <it>;",
}
_BY_HAND = (
    "Somebody changed it by hand: compare with `account-agent policies --check --database-url …` and change it back."
)
_KEYS = """
select k.kid, k.secret_name, s.name is not null as is_there
from agent.signing_keys as k left join vault.secrets as s on s.name = k.secret_name
where k.retired_at is null order by k.created_at desc
"""
_WORKER_KEYS = """
select count(*), extract(epoch from max(expires_at) - now()) / 86400 from agent.worker_keys
where revoked_at is null and expires_at > now()
"""
# Storage, Realtime and Edge Functions do not ask our hook: a job's token is for them a token of its user.
_OPEN_POLICIES = """
select distinct format('%I.%I', p.schemaname, p.tablename)
from pg_catalog.pg_policies as p
where (p.schemaname, p.tablename) in (('storage', 'objects'), ('storage', 'buckets'), ('realtime', 'messages'))
  and p.permissive = 'PERMISSIVE' and p.roles && array['authenticated', 'public']::name[]
  and not exists (
    select from pg_catalog.pg_policies as r
    where (r.schemaname, r.tablename, r.permissive) = (p.schemaname, p.tablename, 'RESTRICTIVE')
      and coalesce(r.qual, r.with_check) like '%agent.is_agent%'
  )
order by 1
"""
_WAITING = """
select count(*), round(extract(epoch from now() - min(due_at)) / 60) from agent.jobs
where state = 'queued' and due_at < now() - interval '5 minutes'
"""


def examine_database(database_url: str) -> Iterator[Finding]:
    """Yield what is found with a login of the owner, as far as it can be reached."""
    try:
        with psycopg.connect(database_url, prepare_threshold=None, connect_timeout=10) as connection:
            connection.execute("set statement_timeout = '60s'")
            yield from _platform(connection)
            yield from _objects(connection, database_url)
            connection.rollback()
    except psycopg.OperationalError as error:
        said = str(error).strip().partition("\n")[0].rpartition("failed: ")[2]
        yield fault(
            "database", f"It cannot be reached: {said}.", "Check host, port and password of DATABASE_URL, and sslmode."
        )


def _platform(connection: Connection) -> Iterator[Finding]:
    version = connection.info.server_version // 10000
    if version < 15:
        yield fault("database", f"Postgres is {version}; 15 or newer is needed.", "Upgrade the project.")
    else:
        yield ok("database", f"Postgres {version} answers.")
    row = _row(connection, "select coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)")
    is_local = connection.info.host in ("localhost", "127.0.0.1", "::1") or connection.info.host.startswith("/")
    if row[0]:
        yield ok("encryption", "This connection is encrypted.")
    elif is_local:
        yield ok("encryption", "This connection is not encrypted, and stays on this machine.")
    else:
        yield warning(
            "encryption",
            "This connection is not encrypted.",
            "Add sslmode=verify-full to DATABASE_URL, and enforce SSL.",
        )
    (checksums,) = _row(connection, "show data_checksums")
    yield ok(
        "encryption",
        f"Data checksums are {checksums}. Whether disks and backups are encrypted cannot be seen from SQL: "
        "docs/security.md says what the platform does.",
    )


def _objects(connection: Connection, database_url: str) -> Iterator[Finding]:
    if not _row(connection, "select to_regclass('agent.jobs') is not null")[0]:
        yield from _ground(connection)
        return
    if missing := pending(database_url):
        names = f"{missing[0].path.name}{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}"
        yield fault("migrations", f"{len(missing)} are not applied: {names}.", "account-agent migrate")
        return  # the rules below are of the newest
    yield ok("migrations", f"All {len(read_migrations())} are applied.")
    offences = find_offences(connection)
    for offence in offences:
        mend = _MENDS.get(offence.rule.name, _BY_HAND)
        yield fault(offence.rule.name, f"{offence.offender}: {offence.rule.sentence}", mend)
    if not offences:
        yield ok("rights", "Views, row-level security, grants, schemas, publication and hook are as they have to be.")
    yield from _keys(connection)
    for (name,) in connection.execute(_OPEN_POLICIES).fetchall():
        yield warning(
            "host policies",
            f"{name} lets in whoever has a user's token, and so a job's: our hook is not asked there.",
            f"create policy no_agents on {name} as restrictive for all to authenticated "
            "using ((select agent.is_agent()) is not true);",
        )
    count, minutes = _row(connection, _WAITING)
    if count:
        yield warning(
            "workers", f"{count} jobs have waited for up to {minutes} minutes.", "Start a worker: account-agent work"
        )


def _ground(connection: Connection) -> Iterator[Finding]:
    """Before installing: the first migration is a look at the ground, and changes nothing."""
    check = read_migrations()[0]
    try:
        connection.execute(check.path.read_bytes())
    except psycopg.Error as error:
        connection.rollback()
        mend = error.diag.message_hint or "Mend it, then look again."
        for line in (error.diag.message_detail or error.diag.message_primary or "It cannot be looked at.").splitlines():
            yield fault("ground", line, mend)
    else:
        connection.rollback()
        yield ok("ground", "The project is ready for the migrations.")
    yield skipped("migrations", "Nothing is installed yet.", "account-agent migrate")


def _keys(connection: Connection) -> Iterator[Finding]:
    keys = connection.execute(_KEYS).fetchall()
    if not keys:
        yield fault(
            "signing key",
            "There is none that signs.",
            "select agent.add_signing_key('<kid>', '<name of a secret in Vault>');",
        )
    for kid, secret, is_there in keys:
        if is_there:
            yield ok("signing key", f"{kid} signs with a secret in Vault.")
        else:
            yield fault(
                "signing key",
                f"{kid} names the secret {secret}, which is not in Vault.",
                f"select vault.create_secret('<the secret that PostgREST trusts>', '{secret}');",
            )
    count, days = _row(connection, _WORKER_KEYS)
    mend = "select agent.mint_worker_key('worker', 90);"
    if not count:
        yield fault("worker keys", "No worker key is valid.", mend)
    elif days < 14:
        yield warning("worker keys", f"The last one ends in {days:.0f} days.", mend)
    else:
        yield ok("worker keys", f"{count} valid, the last one for {days:.0f} days.")


def _row(connection: Connection, query: str) -> tuple[Any, ...]:
    return connection.execute(query.encode()).fetchone() or (None, None)
