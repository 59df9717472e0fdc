"""What our migrations leave of the host as it was, and lists that two places must agree on.

What every object of ours looks like is in agent_service/rules, and tried in tests/gates.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from agent_service.database import migrate, read_migrations

PUBLIC = """
select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
union select proname from pg_proc where pronamespace = 'public'::regnamespace"""
OURS = "('pg_catalog', 'pg_toast', 'information_schema', 'agent', 'crm', 'supabase_migrations')"
# One line for each thing of the host's, with all of it that a migration could change.
HOST = {
    "relations": f"""select c.oid::regclass, relowner, relacl, relrowsecurity, relforcerowsecurity,
        reloptions, relreplident
      from pg_class as c where relnamespace::regnamespace::text not in {OURS}""",
    "columns": f"""select attrelid::regclass, attname, atttypid, attnotnull, attacl from pg_attribute
      join pg_class as c on c.oid = attrelid where relnamespace::regnamespace::text not in {OURS}""",
    "functions": f"""select p.oid::regprocedure, proacl, proconfig, prosecdef, prosrc, proowner from pg_proc as p
      where pronamespace::regnamespace::text not in {OURS}""",
    "constraints": """select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint
      where contype not in ('t', 'n')""",
    "policies": "select * from pg_policies",
    "triggers": "select tgrelid::regclass, tgname, tgenabled from pg_trigger where not tgisinternal",
    "publications": "select * from pg_publication_tables",
    "default privileges": "select * from pg_default_acl",
    # The worker reaches public like everybody.
    "schemas": "select nspname, regexp_replace(nspacl::text, ',agent_worker=U/[^,}]+', '') from pg_namespace",
}


def lines(connection: Any, query: str) -> set[str]:
    return {line for (line,) in connection.execute(f"select o::text from ({query}) as o")}


@pytest.mark.parametrize("privileges", ["new", "old"])
def test_the_host_keeps_all_that_it_had(make_host: Any, pg: Any, privileges: str) -> None:
    database = make_host(pg, f"catalog_{privileges}", default_privileges=privileges)
    with database.connect() as connection:
        before = {name: lines(connection, query) for name, query in HOST.items()}
        kept = [name for (name,) in connection.execute("select policyname from pg_policies")]
        tables = [name for (name,) in connection.execute(PUBLIC)]
        migrate(database.dsn())
        after = {name: lines(connection, query) for name, query in HOST.items()}
        assert {name: lost for name in HOST if (lost := before[name] - after[name])} == {}
        assert after["default privileges"] == before["default privileges"]
        added = "select permissive from pg_policies where policyname <> all (%s) and tablename = any (%s)"
        assert {kind for (kind,) in connection.execute(added, [kept, tables])} == {"RESTRICTIVE"}


def test_the_lists_of_the_checks_are_those_of_request_draft(db: Any) -> None:
    source = db.execute("select prosrc from pg_proc where proname = 'request_draft'").fetchone()[0]
    for column in ("draft_type", "purpose"):
        asked = set(re.findall(r"'(\w+)'", re.search(rf"p_{column} in \(([^)]*)\)", source)[1]))  # type: ignore[index]
        for table in ("ai_draft_requests", "ai_drafts"):
            check = db.execute(
                "select pg_get_constraintdef(oid) from pg_constraint where conname = %s", [f"{table}_{column}_check"]
            ).fetchone()
            assert set(re.findall(r"'(\w+)'", check[0])) == asked, (table, column)


def test_preflight_knows_our_names(host_database: Any) -> None:
    checks = [
        text for migration in read_migrations() if "-- Names that are ours" in (text := migration.path.read_text())
    ]
    listed = {name for text in checks for name in re.findall(r"'(\w+)'", text[text.index("-- Names that are ours") :])}
    with host_database.connect() as connection:
        before = {name for (name,) in connection.execute(PUBLIC)}
        migrate(host_database.dsn())
        ours = {name for (name,) in connection.execute(PUBLIC)} - before
    assert ours
    assert ours <= listed
