"""A person with a client and a draft job on the shared stack, and requests with any token."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from .forging import Forge

if TYPE_CHECKING:
    from agent_service.devstack.stack import Devstack


@dataclass
class Api:
    """The stack's gateway; every request carries the publishable key and the token given."""

    stack: Devstack
    http: httpx.Client

    def request(
        self, method: str, path: str, token: str, *, body: Any = None, scheme: str = "Bearer", **headers: str
    ) -> httpx.Response:
        sent = {"apikey": self.stack.publishable_key, "authorization": f"{scheme} {token}".strip()}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, f"{self.stack.url}{path}", json=body, headers=sent)

    def get(self, path: str, token: str, **headers: str) -> httpx.Response:
        return self.request("GET", f"/rest/v1{path}", token, **headers)

    def rpc(self, name: str, token: str, arguments: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        return self.request("POST", f"/rest/v1/rpc/{name}", token, body=arguments or {}, **headers)


@pytest.fixture
def api(stack: Devstack) -> Iterator[Api]:
    with httpx.Client() as http:
        yield Api(stack, http)


@pytest.fixture
def sql(stack: Devstack) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the owner; jobs are gone afterwards, since other tests claim from the same table."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        yield connection
        connection.execute("delete from agent.jobs")


@dataclass
class Person:
    """Somebody with one client."""

    id: uuid.UUID
    client_id: uuid.UUID
    client_name: str


@pytest.fixture
def new_person(stack: Devstack, sql: psycopg.Connection[Any]) -> Callable[[], Person]:
    def make() -> Person:
        name = f"Client {uuid.uuid4().hex[:8]}"
        user_id = stack.create_user(f"{uuid.uuid4().hex[:10]}@example.com", "only-for-tests", full_name="Robin Example")
        row = sql.execute("insert into public.clients (name, owner_id) values (%s, %s) returning id", [name, user_id])
        return Person(user_id, row.fetchone()[0], name)  # type: ignore[index]

    return make


@pytest.fixture
def person(new_person: Callable[[], Person]) -> Person:
    return new_person()


@pytest.fixture
def forge(stack: Devstack, person: Person) -> Forge:
    return Forge(stack.keys, person.id)


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code, and the stable word at the head of details."""
    body = answer.json()
    return answer.status_code, body["code"], (body["details"] or "").partition(":")[0]
