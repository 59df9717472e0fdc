"""People with a client each, on the shared stack."""

import asyncio
import uuid
from dataclasses import dataclass

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from agent_service.jobs import Jobs
from agent_service.supabase import Supabase
from tests.canaries import find_canaries, next_canary

PASSWORD = "a long enough password"


@dataclass
class Person:
    id: uuid.UUID
    token: SecretStr
    client_id: uuid.UUID
    name: str
    contact_email: str


# What outlives a person or is read by those who do not know them. A request and its draft are the person's own.
KEPT = """
select to_jsonb(j)::text from agent.jobs as j union all
select to_jsonb(a)::text from public.ai_alerts as a union all
select to_jsonb(l)::text from agent.audit_log as l union all
select to_jsonb(i)::text from public.ai_interactions as i union all
select to_jsonb(b)::text from agent.batch_items as b
"""


@pytest.fixture
def sql(stack):
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("delete from agent.providers")  # no circuit that an earlier test opened
        settle(connection)
        yield connection
        leaked = find_canaries(row[0] for row in connection.execute(KEPT))
        connection.execute("delete from agent.jobs")
    assert leaked == []


def settle(connection):
    """As if every change so far had been swept for: what a test has done by workers is what it asked for."""
    connection.execute("delete from agent.client_changes")
    connection.execute("update agent.client_watches set due_at = null where due_at is not null")


@pytest.fixture
def new_person(stack, sql):
    def make(name=None):
        name = name or f"Robin {next_canary()}"
        contact_email = f"{next_canary()}@northwind.example"
        email = f"{uuid.uuid4().hex[:10]}@example.com"
        user_id = stack.create_user(email, PASSWORD, full_name=name)
        answer = httpx.post(
            f"{stack.url}/auth/v1/token?grant_type=password",
            json={"email": email, "password": PASSWORD},
            headers={"apikey": stack.publishable_key},
        )
        client_id = sql.execute(
            "insert into public.clients (name, company, owner_id) values (%s, %s, %s) returning id",
            [f"Northwind {next_canary()}", f"Northwind {next_canary()} Ltd", user_id],
        ).fetchone()[0]
        sql.execute(
            "insert into public.contacts (client_id, name, email, is_primary) values (%s, %s, %s, true)",
            [client_id, f"Dana {next_canary()}", contact_email],
        )
        sql.execute(
            "insert into public.deals (client_id, owner_id, title, stage, amount, expected_close)"
            " values (%s, %s, %s, 'proposal', 48250.50, current_date + 30)",
            [client_id, user_id, f"Press line {next_canary()}"],
        )
        sql.execute(
            "insert into public.activities (client_id, type, direction, subject, content, occurred_at)"
            " values (%s, 'email', 'inbound', %s, %s, now() - interval '3 days')",
            [client_id, f"Questions {next_canary()}", f"Hello [Your Name], call {next_canary()}"],
        )
        settle(sql)
        return Person(user_id, SecretStr(answer.json()["access_token"]), client_id, name, contact_email)

    return make


@pytest.fixture
def person(new_person):
    return new_person()


@pytest.fixture
def on_stack(stack):
    """Run a coroutine function with a client of the stack and its job functions."""

    def run(function, *args):
        async def main():
            async with Supabase(stack.url, SecretStr(stack.publishable_key)) as supabase:
                return await function(supabase, Jobs(supabase, SecretStr(stack.worker_key())), *args)

        return asyncio.run(asyncio.wait_for(main(), 60))

    return run
