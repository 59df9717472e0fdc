"""What holds for every request: headers, CORS, sizes, problems, figures, ticks."""

import re
from pathlib import Path

import pytest

from agent_service._paths import migrations_dir
from tests.integration.api.conftest import Api, asking, drafted, settings_of

ORIGIN = {"Origin": "https://crm.example"}
DOCS = Path(__file__).parents[3] / "docs" / "api.md"


def test_a_page_of_the_crm_may_ask_and_read_and_no_other(api, ada):
    asked = ORIGIN | {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    with api.client() as http:
        allowed = http.options("/api/ai/drafts", headers=asked)
        assert allowed.headers["access-control-allow-origin"] == ORIGIN["Origin"]
        assert "PATCH" in allowed.headers["access-control-allow-methods"]
        assert (
            "access-control-allow-origin"
            not in http.options("/api/ai/drafts", headers=asked | {"Origin": "https://evil.example"}).headers
        )
        refused = http.get("/api/ai/drafts", headers=ORIGIN)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN["Origin"])
    answer = ada.http.get(f"/api/ai/context/{ada.client_id}", headers=ORIGIN)
    assert "ETag" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", ["/healthz", "/api/ai/drafts", "/nowhere"])
def test_every_answer_has_the_headers_that_keep_a_browser_from_harm(api, path):
    with api.client() as http:
        headers = http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


@pytest.mark.parametrize("by", ["length", "pieces"])
def test_what_is_too_large_is_not_read(ada, by):
    body = b'{"hints": "' + b"x" * (300 << 10) + b'"}'
    content = body if by == "length" else (body[at : at + 65536] for at in range(0, len(body), 65536))
    answer = ada.http.post("/api/ai/drafts/generate", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_cannot_be_read_is_said_without_quoting_it(ada):
    answer = ada.http.post("/api/ai/drafts/generate", json=asking(ada, draftType="poem of secrets", nothing=1))
    assert answer.status_code == 422
    problem = answer.json()
    assert {fault["field"] for fault in problem["errors"]} == {"draftType", "nothing"}
    assert "secrets" not in answer.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/api/ai/drafts", 405)])
def test_what_is_not_there_is_a_problem_too(api, method, path, status):
    with api.client() as http:
        answer = http.request(method, path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_a_fault_of_ours_shows_nothing_of_itself(api, ada, monkeypatch):
    async def fails(*_, **__):
        raise RuntimeError("the insides")

    monkeypatch.setattr(type(api.services.contexts), "load", fails)
    answer = ada.http.get(f"/api/ai/context/{ada.client_id}", headers=ORIGIN)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "insides" not in answer.text
    assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]


def test_a_database_that_is_away_is_503_with_the_time_to_wait(stack, ada):
    token = ada.person.token.get_secret_value()
    with Api(settings_of(stack)) as server, server.client(token) as http:
        server.services.supabase._rest_url = "http://127.0.0.1:1/rest/v1"
        answer = http.get("/api/ai/status")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert http.get("/healthz").status_code == 200


def test_a_tick_does_what_is_due_with_the_callers_key(api, ada, stack, on_stack):
    async def ask(supabase, _):
        row = {"p_client_id": ada.client_id, "p_draft_type": "memo", "p_purpose": "custom"}
        return await supabase.rpc("request_draft", row, token=ada.person.token)

    request = on_stack(ask)
    with api.client(stack.worker_key()) as cron:
        answer = cron.post("/workers/tick", params={"seconds": 20})
        assert answer.json() == {"ended": {"done": 1}}, answer.text
        assert cron.post("/workers/tick").json() == {"ended": {}}
    assert ada.http.get(f"/api/ai/requests/{request['id']}").json()["state"] == "done"


def test_a_tick_is_for_workers(api, ada, stack):
    key = stack.worker_key()
    forged = key[:-8] + "AAAAAAAA"
    for token, status in ((None, 401), (ada.person.token.get_secret_value(), 403), (forged, 401)):
        with api.client(token) as http:
            assert http.post("/workers/tick").status_code == status


def test_the_figures_are_those_documented_and_name_nobody(api, ada):
    draft = drafted(ada, draftType="memo")
    ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}")
    ada.http.get(f"/nowhere/{ada.person.id}")
    with api.client("x.y.z") as http:
        http.get("/api/ai/status")
        text = http.get("/metrics").text
    names = set(re.findall(r"^# TYPE (agent_\w+) ", text, re.MULTILINE))
    documented = set(re.findall(r"^\| `(agent_\w+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    assert {name for name in names if not name.endswith("_created")} == documented
    assert 'agent_http_requests_total{method="GET",route="/api/ai/drafts/by-id/{id}",status="200"}' in text
    assert 'agent_tokens_refused_total{code="token_refused"}' in text
    for private in (draft["id"], str(ada.person.id), ada.person.name, ada.person.contact_email, ada.client_id):
        assert private not in text


def test_every_public_function_for_people_is_behind_a_route():
    """A function that people call and no route does is one that our own frontend cannot use."""
    source = "".join(
        file.read_text(encoding="utf-8") for file in (DOCS.parents[1] / "agent_service" / "api").rglob("*.py")
    )
    made = set()
    for file in sorted(migrations_dir().glob("*.sql")):
        made |= set(re.findall(r"create function public\.(\w+)", file.read_text(encoding="utf-8")))
    for_workers = {
        "claim_jobs", "claim_job", "heartbeat_job", "fail_job", "reserve_budget", "run_maintenance", "start_batch",
        "submit_batch", "poll_batches", "end_batch", "complete_draft_job", "begin_send_job", "complete_send_job",
        "complete_sweep_job",
    }  # fmt: skip
    inside = {"get_client_context", "take_request_slot"}  # load_client_context calls them
    unreached = {name for name in made - for_workers - inside if f'"{name}"' not in source}
    assert unreached == set()
