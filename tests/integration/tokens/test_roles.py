"""The role claim: what authenticator may become, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import refusal
from .forging import Forge

OWN = "/clients?select=name"


@pytest.mark.parametrize(
    "role", ["postgres", "supabase_admin", "supabase_auth_admin", "agent_listener", "pg_read_all_data", "pg_monitor"]
)
def test_a_role_that_authenticator_was_not_granted_is_refused_by_postgres(api: Any, forge: Forge, role: str) -> None:
    answer = api.get(OWN, forge.shared(forge.claims(role=role)))
    assert answer.status_code == 403, answer.text
    assert (answer.json()["code"], answer.json()["message"]) == ("42501", f'permission denied to set role "{role}"')


@pytest.mark.parametrize(
    "role", ["nobody_here", "", "Authenticated", "authenticated ", "a; drop table clients", 5, ["x"]]
)
def test_a_role_that_does_not_exist_is_401(api: Any, forge: Forge, role: Any) -> None:
    answer = api.get(OWN, forge.shared(forge.claims(role=role)))
    assert (answer.status_code, answer.json()["code"]) == (401, "22023"), answer.text
    assert answer.json()["message"].endswith("does not exist")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("role", ["authenticator", "none"])
def test_authenticator_itself_may_not_even_run_the_hook(api: Any, forge: Forge, role: str) -> None:
    """It inherits nothing. `none` is what Postgres calls "no role": the login itself."""
    answer = api.get(OWN, forge.shared(forge.claims(role=role)))
    assert (answer.status_code, answer.json()["code"]) == (403, "42501")
    assert answer.json()["message"] == "permission denied for schema agent"


def test_service_role_is_whoever_holds_a_key_and_has_no_grant_on_ours(api: Any, forge: Forge) -> None:
    """The shared secret signs for any role. That is why it lives in Vault and nowhere else."""
    token = forge.shared(forge.claims(role="service_role"))
    for table in ("ai_drafts", "ai_draft_requests", "ai_interactions", "ai_settings"):
        answer = api.get(f"/{table}?select=*", token)
        assert (answer.status_code, answer.json()["code"]) == (403, "42501"), table


ACTS: list[Any] = [
    None,
    {},
    "agent_worker",
    [],
    False,
    0,
    {"sub": "agent_worker"},
    {"sub": "someone"},
    {"act": {"sub": "x"}},
]


@pytest.mark.parametrize("act", ACTS, ids=repr)
@pytest.mark.parametrize("sign", [Forge.user, Forge.shared], ids=["by Auth", "by our secret"])
def test_whoever_has_act_is_an_agent_and_without_a_job_may_nothing(
    api: Any, forge: Forge, person: Any, act: Any, sign: Callable[..., str]
) -> None:
    claims = forge.claims() | {"act": act}
    token = forge.keys.sign_user_token(claims) if sign is Forge.user else forge.shared(claims)
    assert refusal(api.get(OWN, token)) == (403, "PT403", "agent_refused")
    for function, arguments in (
        ("request_draft", {"p_client_id": str(person.client_id), "p_draft_type": "email", "p_purpose": "custom"}),
        ("approve_draft", {"p_draft_id": str(person.id), "p_content_hash": "0" * 64}),
        ("reject_draft", {"p_draft_id": str(person.id)}),
        ("claim_jobs", {}),
    ):
        assert refusal(api.rpc(function, token, arguments)) == (403, "PT403", "agent_refused"), function
    context = api.rpc("get_client_context", token, {"p_client_id": str(person.client_id)})
    assert refusal(context) == (409, "PT409", "stale_fence")
