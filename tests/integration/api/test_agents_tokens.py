"""Tokens that PostgREST would take, and our API does not."""

import jwt
import pytest


@pytest.fixture
def job_token(ada, sql, stack, on_stack):
    """The token of a running job of Ada's."""

    async def claim(supabase, jobs):
        row = await supabase.rpc(
            "request_draft",
            {"p_client_id": ada.client_id, "p_draft_type": "memo", "p_purpose": "custom"},
            token=ada.person.token,
        )
        from uuid import UUID  # noqa: PLC0415

        return await jobs.claim_one(UUID(row["job_id"]), lease_seconds=60)

    return on_stack(claim).token.get_secret_value()


PATHS = [
    ("GET", "/api/ai/status"),
    ("GET", "/api/ai/drafts"),
    ("GET", "/api/ai/events"),
    ("POST", "/api/ai/drafts/approve"),
    ("GET", "/api/ai/admin/settings"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_agents_workers_and_keys_are_turned_away(api, stack, job_token, method, path):
    tokens = {
        "agent": job_token,
        "worker": stack.worker_key(),
        "anon": stack.keys.anon_jwt,
        "service": stack.keys.service_role_jwt,
        "publishable": stack.publishable_key,
    }
    assert "act" in jwt.decode(job_token, options={"verify_signature": False})
    for name, token in tokens.items():
        with api.client(token) as http:
            answer = http.request(method, path)
            assert answer.status_code in (401, 403), (name, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"


def test_the_agent_is_told_why(api, job_token):
    with api.client(job_token) as http:
        assert http.get("/api/ai/status").json()["code"] == "agent_refused"
