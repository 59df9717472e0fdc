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

PASSWORD = "a long enough password"


@dataclass
class Person:
    id: uuid.UUID
    token: SecretStr
    client_id: uuid.UUID


@pytest.fixture
def sql(stack):
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        yield connection
        connection.execute("delete from agent.jobs")


@pytest.fixture
def new_person(stack, sql):
    def make(name="Robin Example"):
        email = f"{uuid.uuid4().hex[:10]}@example.com"
        user_id = stack.create_user(email, PASSWORD, full_name=name)
        answer = httpx.post(
            f"{stack.url}/auth/v1/token?grant_type=password",
            json={"email": email, "password": PASSWORD},
            headers={"apikey": stack.publishable_key},
        )
        client_id = sql.execute(
            "insert into public.clients (name, company, owner_id) values ('Northwind', 'Northwind Paper Ltd', %s)"
            " returning id",
            [user_id],
        ).fetchone()[0]
        sql.execute(
            "insert into public.contacts (client_id, name, email, is_primary)"
            " values (%s, 'Dana Whitfield', 'dana@northwind.example', true)",
            [client_id],
        )
        sql.execute(
            "insert into public.deals (client_id, owner_id, title, stage, amount, expected_close)"
            " values (%s, %s, 'Press line renewal', 'proposal', 48250.50, current_date + 30)",
            [client_id, user_id],
        )
        sql.execute(
            "insert into public.activities (client_id, type, direction, subject, content, occurred_at)"
            " values (%s, 'email', 'inbound', 'Questions', 'Hello [Your Name]', now() - interval '3 days')",
            [client_id],
        )
        return Person(user_id, SecretStr(answer.json()["access_token"]), client_id)

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
