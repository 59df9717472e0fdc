"""Worker keys: PostgREST looks at signature and time, check_request at the jti, and each key reaches four functions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from .conftest import refusal
from .forging import Forge

CLAIM = {"p_kinds": ["draft"]}
REFUSED = (401, "PT401", "worker_key_refused")


@pytest.fixture
def jti(sql: psycopg.Connection[Any]) -> str:
    """Of a live worker key."""
    row = sql.execute(
        "insert into agent.worker_keys (name, expires_at) values ('tokens', now() + interval '1 day') returning jti"
    )
    return str(row.fetchone()[0])  # type: ignore[index]


@pytest.fixture
def key(forge: Forge, jti: str) -> Callable[..., str]:
    """A key as `mint_worker_key` makes it, with these changes; None takes a claim out."""

    def make(**changes: Any) -> str:
        claims = {"iss": "account-manager-agent", "aud": "authenticated", "role": "agent_worker", "jti": jti}
        claims |= {"iat": forge.now, "exp": forge.now + 86400, **changes}
        return forge.shared({name: value for name, value in claims.items() if value is not None})

    return make


def test_a_live_key_claims(api: Any, key: Any) -> None:
    """Or the rows below would prove nothing."""
    answer = api.rpc("claim_jobs", key(), CLAIM)
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"jti": None}, id="no jti"),
        pytest.param({"jti": ""}, id="an empty jti"),
        pytest.param({"jti": str(uuid.uuid4())}, id="a jti that was never minted"),
        pytest.param({"jti": "not-a-uuid"}, id="a jti that is no uuid"),
        pytest.param({"jti": "' or '1'='1"}, id="a jti that is SQL"),
        pytest.param({"jti": ["x"]}, id="a jti that is a list"),
        pytest.param({"jti": 7}, id="a jti that is a number"),
        pytest.param({"jti": None, "sub": str(uuid.uuid4())}, id="a sub for a jti"),
    ],
)
def test_without_a_jti_of_the_list_check_request_refuses(api: Any, key: Any, changes: dict[str, Any]) -> None:
    assert refusal(api.rpc("claim_jobs", key(**changes), CLAIM)) == REFUSED


def test_a_jti_in_another_spelling_is_another(api: Any, key: Any, jti: str) -> None:
    assert refusal(api.rpc("claim_jobs", key(jti="{" + jti + "}"), CLAIM)) == REFUSED


@pytest.mark.parametrize(
    "end", ["revoked_at = now()", "expires_at = now()", "expires_at = now() - interval '1 year'"], ids=str
)
def test_the_list_ends_a_key_whatever_its_exp_says(api: Any, key: Any, jti: str, sql: Any, end: str) -> None:
    """PostgREST accepts a token without exp: the list is what stops a worker key that has none."""
    whole, endless = key(), key(exp=None)
    assert api.rpc("claim_jobs", endless, CLAIM).status_code == 200
    sql.execute(f"update agent.worker_keys set {end} where jti = %s", [jti])
    for token in (whole, endless):
        assert refusal(api.rpc("claim_jobs", token, CLAIM)) == REFUSED


def test_revoking_is_one_call(api: Any, key: Any, jti: str, sql: Any) -> None:
    sql.execute("select agent.revoke_worker_key(%s)", [jti])
    assert refusal(api.rpc("claim_jobs", key(), CLAIM)) == REFUSED


def test_exp_ends_a_key_that_the_list_forgot(api: Any, key: Any, forge: Forge) -> None:
    answer = api.rpc("claim_jobs", key(exp=forge.now - 31), CLAIM)
    assert (answer.status_code, answer.json()["code"]) == (401, "PGRST303")


def test_any_aud_passes_and_the_list_decides(api: Any, key: Any) -> None:
    """PostgREST compares no audience unless configured, and Supabase does not."""
    assert api.rpc("claim_jobs", key(aud="elsewhere"), CLAIM).status_code == 200
    assert refusal(api.rpc("claim_jobs", key(aud="elsewhere", jti=None), CLAIM)) == REFUSED


def test_with_act_it_is_an_agent(api: Any, key: Any) -> None:
    assert refusal(api.rpc("claim_jobs", key(act={}), CLAIM)) == (403, "PT403", "agent_refused")


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_a_live_jti_under_another_role_is_no_worker(api: Any, key: Any, role: str) -> None:
    answer = api.rpc("claim_jobs", key(role=role), CLAIM)
    assert answer.json()["code"] == "42501", answer.text
    assert answer.json()["message"] == "permission denied for function claim_jobs"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/clients?select=name"),
        ("HEAD", "/clients"),
        ("GET", "/ai_drafts"),
        ("POST", "/ai_drafts"),
        ("PATCH", "/clients?name=eq.x"),
        ("DELETE", "/clients?name=eq.x"),
        ("POST", "/rpc/get_client_context"),
        ("POST", "/rpc/request_draft"),
        ("POST", "/rpc/approve_draft"),
        ("POST", "/rpc/complete_draft_job"),
    ],
)
def test_beside_its_functions_it_is_refused(api: Any, key: Any, person: Any, method: str, path: str) -> None:
    bodies = {
        "/rpc/get_client_context": {"p_client_id": str(person.client_id)},
        "/rpc/request_draft": {"p_client_id": str(person.client_id), "p_draft_type": "memo", "p_purpose": "custom"},
        "/rpc/approve_draft": {"p_draft_id": str(person.id), "p_content_hash": "0" * 64},
        "/rpc/complete_draft_job": {"p_content": "x", "p_subject": None, "p_details": {}, "p_language": "en"},
        "/ai_drafts": {"content": "x"},
        "/clients?name=eq.x": {"name": "y"},
    }
    answer = api.request(method, f"/rest/v1{path}", key(), body=bodies.get(path) if method != "GET" else None)
    if method == "HEAD":
        assert answer.headers["proxy-status"] == "PostgREST; error=PT403"
    else:
        assert refusal(answer) == (403, "PT403", "worker_refused"), answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_claiming_by_get_is_read_only_and_fails(api: Any, key: Any, method: str) -> None:
    answer = api.request(method, "/rest/v1/rpc/claim_jobs?p_limit=1", key())
    assert answer.status_code == 405
    assert answer.headers["proxy-status"] == "PostgREST; error=25006"


def test_auth_has_no_user_for_it(api: Any, key: Any) -> None:
    assert api.request("GET", "/auth/v1/user", key()).status_code == 403
