"""The shim: what hosted Supabase gives and withholds, on both Postgres versions."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import uuid

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from agent_service.devstack.shim import apply_shim

_names = itertools.count(1)


@pytest.fixture
def any_db(any_database):
    with any_database.connect() as connection:
        yield connection


@pytest.fixture
def any_admin(any_database):
    with any_database.connect("supabase_admin") as connection:
        yield connection


def one(connection, query, *values):
    return connection.execute(query, values).fetchone()[0]


@pytest.mark.parametrize(
    ("role", "attributes"),
    [
        # superuser, login, createrole, createdb, bypassrls, inherit
        ("supabase_admin", (True, True, True, True, True, True)),
        ("postgres", (False, True, True, True, True, True)),
        ("anon", (False, False, False, False, False, False)),
        ("authenticated", (False, False, False, False, False, False)),
        ("service_role", (False, False, False, False, True, False)),
        ("authenticator", (False, True, False, False, False, False)),
        ("agent_listener", (False, True, False, False, False, False)),
    ],
)
def test_roles_have_the_attributes_of_hosted_ones(pg, template_db, role, attributes):
    columns = "rolsuper, rolcanlogin, rolcreaterole, rolcreatedb, rolbypassrls, rolinherit"
    query = f"select {columns} from pg_roles where rolname = %s"
    with psycopg.connect(pg.dsn("supabase_admin")) as connection:
        assert connection.execute(query, [role]).fetchone() == attributes


def test_postgres_owns_database_and_public_and_is_no_superuser(any_db):
    assert (
        one(any_db, "select pg_get_userbyid(datdba) from pg_database where datname = current_database()") == "postgres"
    )
    any_db.execute("create table public.mine (id int)")
    with pytest.raises(InsufficientPrivilege):
        any_db.execute("alter role supabase_admin nologin")
    with pytest.raises(InsufficientPrivilege):
        any_db.execute("alter table auth.users add column note text")


def test_postgres_may_set_postgrests_settings_on_authenticator_and_no_others(any_db):
    any_db.execute("alter role authenticator set pgrst.db_pre_request = 'agent.check_request'")
    with pytest.raises(InsufficientPrivilege):
        any_db.execute("alter role authenticator set pgrst.jwt_secret = 'x'")


def test_postgres_may_hand_out_the_api_roles(any_db):
    any_db.execute("create role tenant nologin")
    any_db.execute("grant tenant to authenticator")
    any_db.execute("grant authenticated to tenant")
    any_db.execute("drop role tenant")


def test_authenticator_inherits_nothing_and_may_become_each_api_role(any_database):
    with any_database.connect("authenticator") as connection:
        with pytest.raises(InsufficientPrivilege):
            connection.execute("select from public.clients")
        for role in ("anon", "authenticated", "service_role", "agent_worker"):
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        connection.execute("reset role")
        with pytest.raises(InsufficientPrivilege, match="permission denied to set role"):
            connection.execute("set role postgres")


def test_the_listener_hears_and_reads_nothing(any_database, any_db):
    with any_database.connect("agent_listener") as listener:
        listener.execute("listen agent_jobs")
        any_db.execute("notify agent_jobs")
        assert next(listener.notifies(timeout=5, stop_after=1)).channel == "agent_jobs"
        readable = """
            select c.oid::regclass from pg_class as c
            where c.relnamespace::regnamespace::text in ('public', 'agent', 'crm', 'auth', 'vault')
              and c.relkind in ('r', 'v', 'm', 'S')
              and has_schema_privilege(c.relnamespace, 'usage')
              and has_table_privilege(c.oid, 'select, insert, update')
        """
        assert listener.execute(readable).fetchall() == []
        with pytest.raises(InsufficientPrivilege):
            listener.execute("set role authenticated")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"request.jwt.claims": {"sub": "6f7b7d0e-0000-4000-8000-000000000001", "role": "anon", "email": "a@example"}},
         ("6f7b7d0e-0000-4000-8000-000000000001", "anon", "a@example")),
        ({"request.jwt.claim.sub": "6f7b7d0e-0000-4000-8000-000000000002", "request.jwt.claims": {"sub": "no uuid"}},
         ("6f7b7d0e-0000-4000-8000-000000000002", None, None)),
        ({"request.jwt.claims": ""}, (None, None, None)),
        ({}, (None, None, None)),
    ],
)  # fmt: skip
def test_auth_functions_read_the_claims(any_db, settings, expected):
    with any_db.transaction():
        for name, value in settings.items():
            any_db.execute("select set_config(%s, %s, true)", [name, json.dumps(value) if value else value])
            if isinstance(value, str):
                any_db.execute("select set_config(%s, %s, true)", [name, value])
        row = any_db.execute("select auth.uid()::text, auth.role(), auth.email()").fetchone()
    assert row == expected


def test_auth_jwt_is_null_after_a_transaction_that_had_claims(any_db):
    """A transaction-local setting is '' afterwards, and '' is no JSON."""
    with any_db.transaction():
        any_db.execute("""select set_config('request.jwt.claims', '{"a": 1}', true)""")
        assert one(any_db, "select auth.jwt()") == {"a": 1}
    assert one(any_db, "select auth.jwt()") is None


@pytest.mark.parametrize("key", ["Jefe", "k" * 64, "k" * 65, "schlüssel", ""])
@pytest.mark.parametrize("data", ["what do ya want for nothing?", "", "ünïcode" * 50])
def test_hmac_is_rfc_2104(any_db, key, data):
    expected = hmac.digest(key.encode(), data.encode(), hashlib.sha256)
    assert one(any_db, "select extensions.hmac(%s::text, %s::text, 'sha256')", data, key) == expected
    assert (
        one(any_db, "select extensions.hmac(%s::bytea, %s::bytea, 'sha256')", data.encode(), key.encode()) == expected
    )


def test_hmac_refuses_what_it_does_not_know(any_db):
    with pytest.raises(psycopg.DatabaseError, match='Cannot use "md6"'):
        any_db.execute("select extensions.hmac('a', 'b', 'md6')")


def test_vault_is_for_postgres_alone(any_database, any_db):
    secret_id = one(any_db, "select vault.create_secret('hush', 'a_name', 'why')")
    any_db.execute("select vault.update_secret(%s, 'louder')", [secret_id])
    row = any_db.execute("select name, description, decrypted_secret from vault.decrypted_secrets").fetchone()
    assert row == ("a_name", "why", "louder")
    with pytest.raises(InsufficientPrivilege):
        any_db.execute("insert into vault.secrets (secret) values ('x')")
    with any_database.connect("authenticator") as connection:
        for role in ("anon", "authenticated", "service_role", "agent_worker"):
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            for attempt in ("select from vault.decrypted_secrets", "select vault.create_secret('x', 'y')"):
                with pytest.raises(InsufficientPrivilege, match="permission denied for schema vault"):
                    connection.execute(attempt)


def test_auths_tables_are_closed_to_the_api(any_database, any_db):
    any_db.execute("insert into auth.users (id, email) values (%s, 'a@example.com')", [uuid.uuid4()])
    with any_database.connect("authenticator") as connection:
        for role in ("anon", "authenticated", "service_role"):
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            for table in ("auth.users", "auth.sessions", "auth.refresh_tokens"):
                with pytest.raises(InsufficientPrivilege, match="permission denied for table"):
                    connection.execute(f"select from {table}")


def test_deleting_a_user_ends_their_sessions(any_db):
    user_id, session_id = uuid.uuid4(), uuid.uuid4()
    any_db.execute("insert into auth.users (id) values (%s)", [user_id])
    any_db.execute("insert into auth.sessions (id, user_id) values (%s, %s)", [session_id, user_id])
    any_db.execute("insert into auth.refresh_tokens (token, session_id) values ('t', %s)", [session_id])
    any_db.execute("delete from auth.users where id = %s", [user_id])
    assert (
        one(any_db, "select count(*) from auth.sessions")
        == one(any_db, "select count(*) from auth.refresh_tokens")
        == 0
    )


def test_the_realtime_publication_is_postgres_to_fill(any_db):
    any_db.execute("alter publication supabase_realtime add table public.clients")
    assert one(any_db, "select tablename from pg_publication_tables where pubname = 'supabase_realtime'") == "clients"


@pytest.mark.parametrize(("age", "granted"), [("new", False), ("old", True)])
def test_default_privileges_are_those_of_the_projects_age(pg, template_db, age, granted):
    """Also that the shim goes into a second database of the same cluster, whose roles are there already."""
    name = f"shimmed_{next(_names)}"
    with psycopg.connect(pg.dsn("supabase_admin"), autocommit=True) as admin:
        admin.execute(f"create database {name}")
        apply_shim(pg.dsn("supabase_admin", name), default_privileges=age, password=pg.password)
        with psycopg.connect(pg.dsn("postgres", name)) as connection:
            connection.execute("create table things (id serial)")
            connection.execute("create function things_f() returns int language sql as 'select 1'")
            connection.execute("revoke execute on function things_f() from public")
            for role in ("anon", "authenticated", "service_role"):
                assert one(connection, "select has_table_privilege(%s, 'things', 'select')", role) is granted
                assert one(connection, "select has_sequence_privilege(%s, 'things_id_seq', 'usage')", role) is granted
                assert one(connection, "select has_function_privilege(%s, 'things_f()', 'execute')", role) is granted
        admin.execute(f"drop database {name} with (force)")
