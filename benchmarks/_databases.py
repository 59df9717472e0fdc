"""Databases to measure in: a CRM as it was before us, and the same with our migrations."""

from __future__ import annotations

import json
import uuid
from typing import Any

import psycopg
from psycopg import sql

from agent_service._paths import sample_crm_dir
from agent_service.database import migrate
from agent_service.devstack.postgres import PostgresServer
from agent_service.devstack.shim import apply_shim

SECRET = "only-for-benchmarks-" + "x" * 44


def make_database(server: PostgresServer, name: str, *, migrated: bool) -> str:
    """Create a database with the shim, the sample CRM and, if `migrated`, ours; return its DSN as `postgres`."""
    with psycopg.connect(server.dsn("supabase_admin"), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    apply_shim(server.dsn("supabase_admin", name), password=server.password)
    dsn = server.dsn("postgres", name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for file in sorted(sample_crm_dir().glob("*.sql")):
            connection.execute(file.read_bytes())
    if migrated:
        migrate(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("select vault.create_secret(%s, 'benchmark')", [SECRET])
            connection.execute("select agent.add_signing_key('benchmark', 'benchmark')")
    return dsn


def add_person(connection: psycopg.Connection[Any], name: str, *, user_id: uuid.UUID | None = None) -> uuid.UUID:
    """Add a user with a profile; return the id."""
    user_id = user_id or uuid.uuid4()
    connection.execute("insert into auth.users (id, email) values (%s, %s)", [user_id, f"{name}@example.com"])
    connection.execute(
        "insert into public.profiles (id, full_name, email) values (%s, %s, %s)",
        [user_id, name, f"{name}@example.com"],
    )
    return user_id


def act_as(connection: psycopg.Connection[Any], role: str, **claims: object) -> None:
    """Take on a role and its claims for the rest of the session, as PostgREST does for each request."""
    connection.execute(
        "select set_config('request.jwt.claims', %s, false)", [json.dumps({"role": role, **claims}, default=str)]
    )
    connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
