"""Every request vector, raw over HTTP, on both Postgres versions."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .vectors import ANY, VECTORS, Vector


@pytest.fixture(params=["api", "api15"], scope="module")
def either(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_there_are_enough_vectors_and_each_names_its_rule() -> None:
    assert len(VECTORS) >= 150
    assert all(vector.rule for vector in VECTORS)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vector(either: Any, vector: Vector) -> None:
    either.owner.execute("select public.reset_tables()")
    method, _, path = vector.request.partition(" ")

    response = either.request(method, path, who=vector.who, body=vector.send, headers=vector.sent_headers)

    assert response.status_code == vector.status, response.text
    _compare_headers(vector, response)
    if isinstance(vector.body, bytes):
        assert response.content == vector.body
    elif vector.body is not ANY:
        assert response.json() == vector.body
    if vector.error is not None:
        body = response.json()
        assert set(body) == {"code", "message", "details", "hint"}
        assert {name: body[name] for name in vector.error} == vector.error
        assert response.headers["proxy-status"] == f"PostgREST; error={body['code']}"
    if vector.then is not None:
        path, expected = vector.then
        assert either.request("GET", path).json() == expected


def _compare_headers(vector: Vector, response: httpx.Response) -> None:
    found = {name: response.headers.get(name) for name in vector.headers}
    assert found == dict(vector.headers)
