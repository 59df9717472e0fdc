"""A job's token outside its job: before, after and beside it, and when its user may no longer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import psycopg
import pytest

from .conftest import refusal
from .forging import Forge

AGENT_REFUSED = (403, "PT403", "agent_refused")
STALE = (409, "PT409", "stale_fence")


class Work:
    """One job of a person: asked for, claimed, completed."""

    def __init__(self, api: Any, sql: psycopg.Connection[Any], forge: Forge, person: Any) -> None:
        self.api, self.sql, self.forge, self.person = api, sql, forge, person
        asked = {"p_client_id": str(person.client_id), "p_draft_type": "memo", "p_purpose": "custom"}
        self.id = api.rpc("request_draft", forge.user(), asked).json()["job_id"]
        self.token = ""

    def claim(self) -> str:
        answer = self.api.rpc("claim_job", self.api.stack.worker_key(), {"p_job_id": self.id, "p_lease_seconds": 60})
        self.token = answer.json()[0]["token"]
        return self.token

    def end_lease(self) -> None:
        self.sql.execute("update agent.jobs set due_at = now() where id = %s", [self.id])

    def claims(self, **changes: Any) -> dict[str, Any]:
        """What the token says, changed; a change to None takes the claim out."""
        whole = {**jwt.decode(self.token, options={"verify_signature": False}), **changes}
        return {name: value for name, value in whole.items() if value is not None}

    def context(self, token: str, client_id: Any = None, **headers: str) -> httpx.Response:
        return self.api.rpc(
            "get_client_context", token, {"p_client_id": str(client_id or self.person.client_id)}, **headers
        )

    def complete(self, token: str, **headers: str) -> httpx.Response:
        written = {
            "p_content": "A memo.", "p_subject": None, "p_details": {}, "p_language": "en", "p_context": {},
            "p_provider": "offline", "p_model": "templates", "p_usage": {}, "p_grounding": {},
        }  # fmt: skip
        return self.api.rpc("complete_draft_job", token, written, **headers)

    def both(self, token: str) -> list[tuple[int, str, str]]:
        return [refusal(self.context(token)), refusal(self.complete(token))]


@pytest.fixture
def work(api: Any, sql: psycopg.Connection[Any], forge: Forge, person: Any) -> Work:
    return Work(api, sql, forge, person)


def test_during_its_job_it_reads_and_completes(work: Work) -> None:
    """Or the rows below would prove nothing."""
    token = work.claim()
    assert work.context(token).json()["client"]["name"] == work.person.client_name
    assert work.complete(token).status_code == 200


def test_before_the_claim_a_token_that_guesses_the_fence_is_refused(work: Work) -> None:
    """Even signed with our own secret: the job must be running."""
    claims = work.forge.claims(job=work.id, fence=0) | {"act": {"sub": "agent_worker"}}
    assert work.both(work.forge.shared(claims)) == [STALE, STALE]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"fence": 2}, id="the next fence"),
        pytest.param({"fence": 0}, id="the one before"),
        pytest.param({"fence": None}, id="no fence"),
        pytest.param({"job": None}, id="no job"),
        pytest.param({"job": "00000000-0000-4000-8000-000000000001"}, id="a job that is not there"),
        pytest.param({"sub": "00000000-0000-4000-8000-000000000001"}, id="another sub"),
        pytest.param({"sub": None}, id="no sub"),
    ],
)
def test_fence_job_and_user_must_be_the_jobs_own(work: Work, changes: dict[str, Any]) -> None:
    work.claim()
    assert work.both(work.forge.shared(work.claims(**changes))) == [STALE, STALE]


@pytest.mark.parametrize("changes", [{"fence": "one"}, {"fence": 1.5}, {"fence": 2**70}, {"job": "mine"}], ids=repr)
def test_a_fence_or_job_of_another_type_is_an_error(work: Work, changes: dict[str, Any]) -> None:
    work.claim()
    token = work.forge.shared(work.claims(**changes))
    for answer in (work.context(token), work.complete(token)):
        assert (answer.status_code, answer.json()["code"][:2]) == (400, "22"), answer.text


def test_after_completion_it_reads_no_more_and_gets_the_same_draft(work: Work) -> None:
    token = work.claim()
    first = work.complete(token)
    assert refusal(work.context(token)) == STALE
    assert (work.complete(token).status_code, work.complete(token).text) == (200, first.text)
    assert work.sql.execute(
        "select count(*) from ai_drafts where client_id = %s", [work.person.client_id]
    ).fetchone() == (1,)


@pytest.mark.parametrize("code", ["refused", "provider_unavailable"], ids=["failed for good", "back in the queue"])
def test_after_failing_it_is_refused(work: Work, code: str) -> None:
    token = work.claim()
    failed = work.api.rpc("fail_job", work.api.stack.worker_key(), {"p_job_token": token, "p_code": code})
    assert failed.status_code == 200, failed.text
    assert work.both(token) == [STALE, STALE]


def test_once_another_worker_has_the_job_it_is_refused(work: Work) -> None:
    stale = work.claim()
    work.end_lease()
    fresh = work.claim()
    assert work.both(stale) == [STALE, STALE]
    assert work.context(fresh).status_code == 200


def test_a_lease_that_ended_unnoticed_still_completes_within_the_skew(work: Work) -> None:
    """PostgREST grants 30 s past exp. Nobody is hurt until another has the job: the fence judges, not the clock."""
    work.claim()
    work.end_lease()
    late = work.forge.shared(work.claims(exp=work.forge.now - 15))
    assert work.context(late).status_code == 200
    assert work.complete(late).status_code == 200


def test_past_lease_and_skew_it_is_401(work: Work) -> None:
    work.claim()
    late = work.forge.shared(work.claims(exp=work.forge.now - 31))
    for answer in (work.context(late), work.complete(late)):
        assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (401, "PGRST303", "JWT expired")


def test_without_exp_it_ends_with_its_job(work: Work) -> None:
    """PostgREST would let it live for ever; the state and the fence of its job do not."""
    work.claim()
    endless = work.forge.shared(work.claims(exp=None))
    assert work.context(endless).status_code == 200
    work.end_lease()
    work.claim()
    assert work.both(endless) == [STALE, STALE]


@pytest.mark.parametrize("change", ["banned_until = now() + interval '1 hour'", "deleted_at = now()"])
def test_when_its_user_is_banned_or_deleted_it_is_refused(work: Work, change: str) -> None:
    token = work.claim()
    work.sql.execute(f"update auth.users set {change} where id = %s", [work.person.id])
    inactive = (403, "PT403", "user_inactive")
    assert work.both(token) == [inactive, inactive]


def test_another_client_is_not_there_even_if_its_user_owns_it(work: Work) -> None:
    token = work.claim()
    row = work.sql.execute(
        "insert into clients (name, owner_id) values ('Other', %s) returning id", [work.person.id]
    ).fetchone()
    answer = work.context(token, row and row[0])
    assert refusal(answer)[1:] == ("PT403", "agent_refused"), answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/clients?select=name"),
        ("HEAD", "/clients"),
        ("GET", "/ai_drafts"),
        ("POST", "/ai_drafts"),
        ("PATCH", "/clients?name=eq.x"),
        ("DELETE", "/clients?name=eq.x"),
        ("POST", "/rpc/request_draft"),
        ("POST", "/rpc/approve_draft"),
        ("POST", "/rpc/claim_jobs"),
        ("POST", "/rpc/heartbeat_job"),
    ],
)
def test_other_functions_and_all_tables_are_refused(work: Work, method: str, path: str) -> None:
    token = work.claim()
    bodies = {
        "/rpc/request_draft": {
            "p_client_id": str(work.person.client_id),
            "p_draft_type": "memo",
            "p_purpose": "custom",
        },
        "/rpc/approve_draft": {"p_draft_id": str(work.person.id), "p_content_hash": "0" * 64},
        "/rpc/claim_jobs": {},
        "/rpc/heartbeat_job": {"p_job_token": token},
        "/ai_drafts": {"content": "x"},
        "/clients?name=eq.x": {"name": "y"},
    }
    answer = work.api.request(method, f"/rest/v1{path}", token, body=bodies.get(path) if method != "GET" else None)
    if method == "HEAD":
        assert answer.headers["proxy-status"] == "PostgREST; error=PT403"
    else:
        assert refusal(answer) == AGENT_REFUSED, answer.text


def test_reading_its_context_by_get_is_the_same_reading(work: Work) -> None:
    """The hook looks at the function, not the method; either way the transaction is read-only."""
    token = work.claim()
    path = f"/rest/v1/rpc/get_client_context?p_client_id={work.person.client_id}"
    assert work.api.request("GET", path, token).json()["client"]["name"] == work.person.client_name
    assert work.api.request("HEAD", path, token).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_completing_by_get_is_read_only_and_fails(work: Work, method: str) -> None:
    answer = work.api.request(method, "/rest/v1/rpc/complete_draft_job?p_content=x&p_language=en", work.claim())
    assert answer.status_code == 405
    assert work.sql.execute("select state from agent.jobs where id = %s", [work.id]).fetchone() == ("running",)


def test_options_reaches_no_row(work: Work) -> None:
    """PostgREST answers OPTIONS from its schema cache, without a transaction."""
    answer = work.api.request("OPTIONS", "/rest/v1/clients", work.claim())
    assert work.person.client_name not in answer.text
    assert answer.status_code in (200, 405)


@pytest.fixture
def namesake(api: Any) -> Iterator[None]:
    """A function of the same name in the other exposed schema, which a host may have."""
    with psycopg.connect(api.stack.database_superuser_url, autocommit=True) as admin:
        admin.execute(
            "create function graphql_public.get_client_context(p_client_id uuid) returns text language sql "
            "as $$ select 'the wrong one' $$; notify pgrst, 'reload schema'"
        )
        yield
        admin.execute("drop function graphql_public.get_client_context; notify pgrst, 'reload schema'")


def test_a_namesake_in_another_schema_is_not_the_function_that_was_allowed(work: Work, namesake: None) -> None:
    token = work.claim()
    assert work.context(work.forge.user(), content_profile="graphql_public").text == '"the wrong one"'
    assert refusal(work.context(token, content_profile="graphql_public")) == AGENT_REFUSED


@pytest.mark.parametrize("profile", ["content_profile", "accept_profile"])
def test_any_other_profile_is_refused(work: Work, profile: str, namesake: None) -> None:
    """Clients send both headers, and PostgREST chooses by the method."""
    assert refusal(work.context(work.claim(), **{profile: "graphql_public"})) == AGENT_REFUSED


def test_auth_knows_no_such_session(work: Work) -> None:
    """Its session_id is random: it can change no password, whatever the API's rights."""
    token = work.claim()
    assert work.api.request("GET", "/auth/v1/user", token).status_code == 403
    changed = work.api.request("PUT", "/auth/v1/user", token, body={"password": "another-password"})
    assert (changed.status_code, changed.json()["error_code"]) == (403, "session_not_found")
