"""Rules that every object of ours keeps, read from the catalog, so that a later migration cannot forget one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from agent_service.database import migrate, read_migrations

HOST_ROLES = {"anon", "service_role", "public"}
HOOK = {"agent.check_request()", "agent.check_request_v1()"}
# What is in schema agent, and what the sample CRM did not bring.
OURS = """
with ours as (
  select c.oid, n.nspname, c.relname, c.relkind, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname in ('agent', 'crm') or (n.nspname = 'public' and c.relname <> all (%(host)s))
)
"""


@pytest.fixture(scope="module")
def host_objects(host_template: Any) -> set[str]:
    """Names of relations, functions and policies that were there before us."""
    with host_template.connect() as connection:
        rows = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace "
            "union select proname from pg_proc where pronamespace = 'public'::regnamespace "
            "union select policyname from pg_policies"
        ).fetchall()
    return {name for (name,) in rows}


@pytest.fixture(scope="module")
def catalog(make_host: Any, pg: Any, host_objects: set[str]) -> Iterator[Any]:
    """Ask the catalog of a migrated database: one connection for the whole module, which changes nothing."""
    database = make_host(pg, "catalog_new")
    migrate(database.dsn())
    with database.connect() as connection:
        connection.execute("set default_transaction_read_only = on")

        def ask(query: str) -> list[Any]:
            if query.startswith("with_ours"):
                cursor = connection.execute(OURS + query.removeprefix("with_ours"), {"host": list(host_objects)})
                return cursor.fetchall()
            return connection.execute(query).fetchall()

        yield ask


ACLS = """
select nspname, name, kind, coalesce(grantee::regrole::text, '-'), array_agg(privilege_type order by privilege_type)
from (
  select n.nspname, c.relname || coalesce('.' || a.attname, '') as name, c.relkind::text as kind, x.grantee,
    x.privilege_type, c.relowner
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  cross join lateral (
    select null as attname, c.relacl as acl union all
    select attname, attacl from pg_attribute where attrelid = c.oid and attacl is not null
  ) as a
  cross join lateral aclexplode(a.acl) as x
  union all
  select n.nspname, p.oid::regprocedure::text, 'function', x.grantee, x.privilege_type, p.proowner
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
  cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as x
  union all
  select nspname, nspname, 'schema', x.grantee, x.privilege_type, nspowner
  from pg_namespace cross join lateral aclexplode(coalesce(nspacl, acldefault('n', nspowner))) as x
) as granted
where nspname in ('agent', 'crm', 'public') and grantee <> relowner
group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""


def our_acls(ask: Any, host_objects: set[str]) -> list[tuple[str, str, str, str, list[str]]]:
    """(schema, name, kind, grantee, privileges) of what is ours, without what owners hold."""
    return [
        (schema, name, kind, "public" if grantee == "-" else grantee, privileges)
        for schema, name, kind, grantee, privileges in ask(ACLS)
        if schema != "public" or (re.split(r"[.(]", name)[0] not in host_objects and kind != "schema")
    ]


def test_the_fixture_sees_what_is_ours(catalog: Any, host_objects: set[str]) -> None:
    tables = {name for (name,) in catalog("with_ours select nspname || '.' || relname from ours where relkind = 'r'")}
    assert {"agent.jobs", "agent.worker_keys", "public.ai_drafts", "public.deal_stage_history"} <= tables
    assert "public.clients" not in tables
    assert {"clients", "deals_stage_check"} & host_objects == {"clients"}


def test_row_level_security_is_forced_on_every_table(catalog: Any) -> None:
    held = "relrowsecurity and relforcerowsecurity"
    assert catalog(f"with_ours select relname from ours where relkind in ('r', 'p') and not ({held})") == []
    assert catalog("with_ours select relname from ours where relkind in ('m', 'f')") == []  # these can have none


def test_the_host_roles_got_nothing_but_the_hook(catalog: Any, host_objects: set[str]) -> None:
    found = {(name, grantee, *privileges) for _, name, _, grantee, privileges in our_acls(catalog, host_objects)
             if grantee in HOST_ROLES}  # fmt: skip
    roles = HOST_ROLES - {"public"}
    assert found == {("agent", role, "USAGE") for role in roles} | {
        (f, role, "EXECUTE") for f in HOOK for role in roles
    }


def test_no_table_is_granted_but_to_read_or_to_hand_in_a_draft(catalog: Any, host_objects: set[str]) -> None:
    granted = [acl for acl in our_acls(catalog, host_objects) if acl[2] not in ("function", "schema")]
    assert {acl[3] for acl in granted} == {"authenticated"}
    assert {acl[0] for acl in granted} == {"public", "crm"}
    assert {tuple(acl[4]) for acl in granted if not acl[1].startswith("ai_drafts.")} == {("SELECT",)}
    columns = {acl[1].removeprefix("ai_drafts."): acl[4] for acl in granted if acl[1].startswith("ai_drafts.")}
    assert set(map(tuple, columns.values())) == {("INSERT",)}
    assert not {"status", "approved_by", "approved_at", "sent_at", "version", "content_hash", "created_at"} & set(
        columns
    )
    assert {acl[2] for acl in granted} <= {"r", "v"}  # no sequence


def test_the_worker_executes_its_functions_and_nothing_else(catalog: Any, host_objects: set[str]) -> None:
    found = {name.split("(")[0] for _, name, kind, grantee, _ in our_acls(catalog, host_objects)
             if grantee == "agent_worker" and kind != "schema"}  # fmt: skip
    wrappers = {"claim_jobs", "claim_job", "heartbeat_job", "fail_job"}
    helpers = {"claim_jobs_v1", "heartbeat_job_v1", "fail_job_v1", "check_request", "check_request_v1"}
    assert found == wrappers | {f"agent.{name}" for name in helpers}
    attributes = catalog(
        "select rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolinherit, rolreplication, rolcreatedb "
        "from pg_roles where rolname = 'agent_worker'"
    )
    assert attributes == [(False,) * 7]
    assert catalog("select roleid::regrole::text from pg_auth_members where member = 'agent_worker'::regrole") == []


def test_functions(catalog: Any, host_objects: set[str]) -> None:
    functions = catalog(
        "select n.nspname, p.proname, prosecdef, proconfig, pg_get_userbyid(proowner), "
        "obj_description(p.oid, 'pg_proc') from pg_proc as p join pg_namespace as n on n.oid = pronamespace "
        "where nspname in ('agent', 'crm', 'public')"
    )
    ours = [function for function in functions if function[0] != "public" or function[1] not in host_objects]
    assert len(ours) > 40
    assert [f"{schema}.{name}" for schema, name, *_, comment in ours if not comment] == []
    for schema, name, is_definer, config, owner, _ in ours:
        assert "search_path=pg_catalog, pg_temp" in (config or []), f"{schema}.{name}: search_path"
        assert schema == "agent" or not is_definer, f"{schema}.{name} is security definer"
        assert owner == "postgres", f"{schema}.{name}: owner"
    assert sum(function[2] for function in ours) > 10


def test_relations_have_comments_and_views_ask_as_the_caller(catalog: Any) -> None:
    query = (
        "with_ours select relname from ours where relkind in ('r', 'v') and obj_description(oid, 'pg_class') is null"
    )
    assert catalog(query) == []
    views = catalog(
        "with_ours select ours.relname, c.reloptions from ours join pg_class as c using (oid) where ours.relkind = 'v'"
    )
    assert len(views) == 6
    assert all("security_invoker=true" in options for _, options in views)


COMMANDS = {"r": "select", "a": "insert", "w": "update", "d": "delete"}


def test_policies(catalog: Any, host_objects: set[str]) -> None:
    policies = catalog(
        """select polname, polrelid::regclass::text, polcmd, polroles::regrole[]::text,
          obj_description(p.oid, 'pg_policy'), polqual is not null, polwithcheck is not null, polpermissive
        from pg_policy as p"""
    )
    ours = [policy for policy in policies if policy[0] not in host_objects]
    assert len(ours) > 25
    for name, table, command, roles, comment, using, check, _ in ours:
        assert roles == "{authenticated}", f"{name}: {roles}"
        assert command in "rawd", f"{name} is for all commands"
        assert name.startswith(f"{table}_{COMMANDS[command]}_"), name
        assert comment, f"{name}: comment"
        assert (using, check) == (command != "a", command in "aw"), name
    on_host = [policy for policy in ours if policy[1] in host_objects]
    assert on_host
    assert not any(policy[7] for policy in on_host), "ours may only restrict the host's tables"


def test_every_foreign_key_has_an_index_and_says_what_deleting_does(catalog: Any) -> None:
    keys = catalog(
        """with_ours select c.conname, c.confdeltype::text, exists (
          select from pg_index as i where i.indrelid = c.conrelid and i.indpred is null
            and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] = c.conkey
        ) from pg_constraint as c join ours on ours.oid = c.conrelid where c.contype = 'f'"""
    )
    assert len(keys) >= 8
    assert [key for key in keys if key[1] not in "cn" or not key[2]] == []


def test_names_fit(catalog: Any) -> None:
    names = catalog(
        """with_ours select relname from ours union all select conname from pg_constraint
        union all select polname from pg_policy union all select tgname from pg_trigger where not tgisinternal
        union all select proname from pg_proc"""
    )
    assert [name for (name,) in names if len(name.encode()) >= 63] == []  # 63 may be a longer one cut off
    declared = re.findall(
        r"(?:constraint|index|policy|trigger|function|table|view) (?:if not exists )?([a-z_.]+)",
        "".join(path.path.read_text() for path in read_migrations()),
    )
    assert max(len(part) for name in declared for part in name.split(".")) <= 63


def test_the_lists_of_the_checks_are_those_of_request_draft(catalog: Any) -> None:
    source = catalog("select prosrc from pg_proc where proname = 'request_draft'")[0][0]
    for column in ("draft_type", "purpose"):
        asked = set(re.findall(r"'(\w+)'", re.search(rf"p_{column} in \(([^)]*)\)", source)[1]))  # type: ignore[index]
        for table in ("ai_draft_requests", "ai_drafts"):
            check = catalog(
                f"select pg_get_constraintdef(oid) from pg_constraint where conname = '{table}_{column}_check'"
            )
            assert set(re.findall(r"'(\w+)'", check[0][0])) == asked, (table, column)


def test_preflight_knows_our_names(catalog: Any, host_objects: set[str]) -> None:
    preflight = next(path.path for path in read_migrations()).read_text()
    listed = set(re.findall(r"'(\w+)'", preflight[preflight.index("-- Names that are ours") :]))
    tables = {
        name for (name,) in catalog("with_ours select relname from ours where nspname = 'public' and relkind = 'r'")
    }
    functions = {name for (name,) in catalog("select proname from pg_proc where pronamespace = 'public'::regnamespace")}
    assert tables | (functions - host_objects) <= listed


def test_old_default_privileges_change_nothing(catalog: Any, host_objects: set[str], make_host: Any, pg: Any) -> None:
    database = make_host(pg, "catalog_old", default_privileges="old")
    migrate(database.dsn())
    with database.connect() as connection:
        old = our_acls(lambda query: connection.execute(query).fetchall(), host_objects)
        before = connection.execute("select count(*) from pg_default_acl").fetchone()
    assert old == our_acls(catalog, host_objects)
    assert before == (6,)  # the host's own default privileges are as they were
