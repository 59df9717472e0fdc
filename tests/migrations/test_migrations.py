"""Every migration applies as the owner that hosted Supabase gives, on each Postgres, once, and to the same end."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from agent_service.database import migrate, pending, read_migrations

SCHEMAS = "('agent', 'crm', 'public')"
CATALOGS = {
    "relations": f"""select c.oid::regclass::text, relkind::text, relrowsecurity, relforcerowsecurity, reloptions,
        obj_description(c.oid, 'pg_class'), pg_get_userbyid(relowner)
      from pg_class as c where relnamespace::regnamespace::text in {SCHEMAS} order by 1""",
    "columns": f"""select attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,
        attidentity::text, attgenerated::text, pg_get_expr(adbin, adrelid)
      from pg_attribute as a join pg_class as c on c.oid = attrelid
      left join pg_attrdef as d on d.adrelid = attrelid and d.adnum = attnum
      where relnamespace::regnamespace::text in {SCHEMAS} and attnum > 0 and not attisdropped and relkind in ('r', 'v')
      order by attrelid::regclass::text, attnum""",
    # 18 lists not-null constraints as well; attnotnull above has them on both
    "constraints": f"""select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
      where connamespace::regnamespace::text in {SCHEMAS} and contype <> 'n' order by 1, 2""",
    "indexes": f"select schemaname, indexname, indexdef from pg_indexes where schemaname in {SCHEMAS} order by 1, 2",
    "policies": f"select * from pg_policies where schemaname in {SCHEMAS} order by 1, 2, 3",
    "triggers": """select tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
      order by 1, 2""",
    "functions": f"""select p.oid::regprocedure::text, pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc')
      from pg_proc as p where pronamespace::regnamespace::text in {SCHEMAS} order by 1""",
    # 18 leaves the table's name out where it is clear
    "views": f"""select schemaname, viewname, regexp_replace(definition, '\\m' || viewname || '\\.', '', 'g')
      from pg_views where schemaname in {SCHEMAS} order by 1, 2""",
    "rights": f"""select n.nspname, o.name, x.grantee::regrole::text, x.privilege_type, x.is_grantable
      from pg_namespace as n
      cross join lateral (
        select relname as name,
          coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)) as acl
        from pg_class where relnamespace = n.oid
        union all select relname || '.' || attname, attacl from pg_attribute join pg_class as c on c.oid = attrelid
        where relnamespace = n.oid and attacl is not null
        union all select p.oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)) from pg_proc as p
        where pronamespace = n.oid
        union all select nspname, nspacl
      ) as o
      cross join lateral aclexplode(o.acl) as x
      where n.nspname in {SCHEMAS} and x.privilege_type <> 'MAINTAIN' order by 1, 2, 3, 4""",  # MAINTAIN came with 17
    "settings": """select setconfig::text from pg_db_role_setting where setrole = 'authenticator'::regrole
      and setdatabase = 0""",
    "memberships": """select roleid::regrole::text, member::regrole::text from pg_auth_members
      where roleid = 'agent_worker'::regrole and member = 'authenticator'::regrole""",
}  # fmt: skip


def final_catalog(database: Any, name: str) -> list[Any]:
    with database.connect() as connection:
        connection.execute("set search_path = ''")  # names come out qualified
        rows = connection.execute(CATALOGS[name]).fetchall()
    assert rows
    return rows


@pytest.fixture(params=["pg", "pg15"])
def host(request: pytest.FixtureRequest, make_host: Callable[..., Any]) -> Any:
    """A CRM without our migrations, once on each Postgres."""
    return make_host(request.getfixturevalue(request.param), "migrations_host")


def test_migrating_as_the_owner_that_is_no_superuser(host: Any) -> None:
    with host.connect() as connection:
        role = "select current_user, rolsuper from pg_roles where rolname = current_user"
        assert connection.execute(role).fetchone() == ("postgres", False)
        names = [migration.path.name for migration in read_migrations()]
        assert [migration.path.name for migration in pending(host.dsn())] == names
        assert migrate(host.dsn()) == names
        before = {name: final_catalog(host, name) for name in CATALOGS}

        assert (migrate(host.dsn()), pending(host.dsn())) == ([], [])
        assert {name: final_catalog(host, name) for name in CATALOGS} == before
        recorded = connection.execute(
            "select version, name from supabase_migrations.schema_migrations order by 1"
        ).fetchall()
        assert recorded == [(migration.version, migration.name) for migration in read_migrations()]


def test_migrations_of_two_databases_in_one_cluster(pg: Any, make_host: Callable[..., Any]) -> None:
    for name in ("migrations_first", "migrations_second"):  # roles belong to the cluster, and are there already
        assert len(migrate(make_host(pg, name).dsn())) == len(read_migrations())


def test_a_crm_with_records_gets_its_history(host_database: Any) -> None:
    with host_database.connect() as connection:
        connection.execute(
            "insert into clients (id, name) values (gen_random_uuid(), 'Acme');"
            "insert into deals (client_id, title, stage, opened_at) "
            "select id, 'd', 'lead', now() - interval '9 days' from clients;"
            "insert into deals (title, stage, closed_at) values ('orphan', 'won', now() - interval '2 days')"
        )
        migrate(host_database.dsn())
        assert connection.execute(
            "select to_stage, client_id is null, extract(day from now() - changed_at)::int "
            "from deal_stage_history order by 1"
        ).fetchall() == [("lead", False, 9), ("won", True, 2)]


@pytest.mark.parametrize("name", CATALOGS)
def test_the_end_is_the_same_on_both(template_db: Any, template_db15: Any, name: str) -> None:
    on_chosen, on_15 = final_catalog(template_db, name), final_catalog(template_db15, name)
    assert on_chosen == on_15


def test_versions_are_in_order_and_headed() -> None:
    for migration in read_migrations():
        text = migration.path.read_text()
        assert re.match(r"-- Why: .+\n(--.*\n)*-- Touches: .+\n(--.*\n)*-- Rollout: ", text), migration.path.name
        assert "set local lock_timeout" in text, migration.path.name
        assert "set local statement_timeout" in text, migration.path.name
        assert re.match(r"\d{14}_[a-z]+_[a-z_]+\.sql$", migration.path.name)
        assert "default privileges" not in text.lower(), migration.path.name
