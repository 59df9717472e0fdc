"""What PostgREST refuses, and that nothing behind it ever hears of it."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx
import pytest

from .refused import REFUSED, Row


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.rule)
def test_postgrest_answers_with_its_own_401(api: Any, forge: Any, row: Row) -> None:
    token = row.make(forge)

    answer = api.get("/clients?select=name", token)

    assert answer.status_code == 401, answer.text
    assert answer.json() == {"code": row.code, "message": row.message, "details": row.details, "hint": None}
    challenge = f'Bearer error="invalid_token", error_description="{row.message}"'
    assert answer.headers["www-authenticate"] == challenge
    assert answer.headers["proxy-status"] == f"PostgREST; error={row.code}"


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.rule)
def test_auth_refuses_it_too(api: Any, forge: Any, row: Row) -> None:
    """Supabase Auth looks at the same signature and times before it says whose session it is."""
    answer = api.request("GET", "/auth/v1/user", row.make(forge))
    assert answer.status_code in (401, 403), answer.text


def test_the_same_token_unspoilt_is_accepted(api: Any, forge: Any, person: Any) -> None:
    """Or all rows above would prove nothing."""
    for token in (forge.user(), forge.shared()):
        assert api.get("/clients?select=name", token).json() == [{"name": person.client_name}]


def test_a_token_larger_than_any_header_is_stopped_by_the_http_server(api: Any, forge: Any, person: Any) -> None:
    """PostgREST's server takes 50 kB of headers, proxies before it mostly less; no verifier ever sees it."""
    large, too_large = (forge.user(more="x" * length) for length in (20_000, 100_000))
    assert api.get("/clients?select=name", large).json() == [{"name": person.client_name}]
    with contextlib.suppress(httpx.TransportError):  # it may hang up while we are still sending
        assert api.get("/clients?select=name", too_large).status_code in (400, 413, 431)
    assert api.get("/clients?select=name", forge.user()).json() == [{"name": person.client_name}]
