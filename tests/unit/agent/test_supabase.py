import asyncio

import httpx
import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse, PlainTextResponse, Response

from agent_service.errors import (
    AccessDeniedError,
    ConflictError,
    KeyRefusedError,
    LeaseLimitError,
    NotFoundError,
    RateLimitedError,
    RequestRefusedError,
    RetryableError,
    ServerFailedError,
    ServerUnreachableError,
    StaleFenceError,
    TokenExpiredError,
)
from agent_service.supabase import Supabase


def call(client, name="f", params=None, **options):
    async def run():
        async with client:
            return await client.rpc(name, params or {}, **options)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        ((400, "PT400", "invalid_argument: p_limit"), RequestRefusedError),
        ((400, "57014", None), ServerFailedError),
        ((400, "55P03", None), ServerFailedError),
        ((401, "PGRST301", None), KeyRefusedError),
        ((401, "PT401", "worker_key_refused"), KeyRefusedError),
        ((403, "42501", None), AccessDeniedError),
        ((404, "PT404", "client_not_found"), NotFoundError),
        ((409, "PT409", "stale_fence"), StaleFenceError),
        ((409, "PT409", "lease_limit"), LeaseLimitError),
        ((409, "23505", "Key (id)=(1) already exists."), ConflictError),
        ((429, "PT429", "daily_jobs_cap"), RateLimitedError),
        ((500, "40001", None), ServerFailedError),
        ((503, "PGRST001", None), ServerFailedError),
    ],
)
def test_an_error_body_becomes_one_of_ours(fake, supabase, answer, refusal, expected):
    status, code, detail = refusal
    fake.faults["f"] = [answer(status, detail, code=code)]
    with pytest.raises(expected) as caught:
        call(supabase)
    assert type(caught.value) is expected
    assert (caught.value.status, caught.value.code) == (status, code)
    if detail and ":" not in detail and " " not in detail:
        assert caught.value.detail_code == detail


@pytest.mark.parametrize(
    ("message", "expected"), [("JWT expired", TokenExpiredError), ("JWT not in audience", KeyRefusedError)]
)
def test_an_expired_token_is_told_from_a_wrong_one(fake, supabase, answer, message, expected):
    fake.faults["f"] = [answer(401, code="PGRST303", message=message)]
    with pytest.raises(KeyRefusedError) as caught:
        call(supabase)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "Mon, 23 Nov 2026 10:00:30 GMT", "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_kept(fake, supabase, answer, headers, seconds):
    fake.faults["f"] = [answer(429, headers=headers)]
    with pytest.raises(RetryableError) as caught:
        call(supabase)
    assert caught.value.retry_after == seconds


def test_a_proxys_page_is_judged_by_its_status(fake, supabase):
    fake.faults["f"] = [PlainTextResponse("<html>Bad gateway</html>", status_code=502)]
    with pytest.raises(ServerFailedError) as caught:
        call(supabase)
    assert caught.value.status == 502


def test_nobody_there_is_retryable():
    with pytest.raises(ServerUnreachableError):
        call(Supabase("http://127.0.0.1:9", SecretStr("key")))


def test_a_slow_answer_is_retryable_and_bounded(fake):
    fake.faults["f"] = [5]
    timeout = httpx.Timeout(connect=1, read=0.1, write=1, pool=1)
    with pytest.raises(ServerUnreachableError, match="ReadTimeout"):
        call(Supabase(fake.url, SecretStr("key"), timeout=timeout))


def test_redirects_are_not_followed(fake, supabase):
    fake.faults["f"] = [Response(status_code=307, headers={"location": "/rest/v1/rpc/other"})]
    with pytest.raises(RequestRefusedError):
        call(supabase)
    assert fake.names() == ["f"]


@pytest.mark.parametrize("body", [7, "x", True, None, [], {"a": 1}])
def test_results_come_as_they_are(fake, supabase, body):
    fake.faults["f"] = [JSONResponse(body)]
    assert call(supabase) == body


def test_the_key_goes_into_apikey_and_the_token_into_authorization(fake, supabase):
    fake.faults["f"] = [JSONResponse(1), JSONResponse(1)]

    async def run():
        async with supabase:
            await supabase.rpc("f", {}, token=SecretStr("tok"))
            await supabase.rpc("f", {})

    asyncio.run(run())
    first, second = (headers for _, _, headers in fake.calls)
    assert (first["apikey"], first["authorization"]) == ("sb_publishable_for_tests", "Bearer tok")
    assert second["authorization"] == "Bearer sb_publishable_for_tests"


def test_a_failing_read_is_not_retried_behind_our_back(fake, supabase, answer):
    fake.faults["clients"] = [answer(503), answer(503)]

    async def run():
        async with supabase:
            await supabase.select("clients", "id", id="1")

    with pytest.raises(ServerFailedError):
        asyncio.run(run())
    assert fake.names() == ["clients"]


def test_calls_side_by_side_do_not_mix_up_their_answers(fake, supabase, answer):
    for status in (429, 500):
        fake.faults[f"f{status}"] = [answer(status, headers={"Retry-After": str(status)})]

    async def run():
        async with supabase:
            return await asyncio.gather(
                *(supabase.rpc(f"f{status}", {}) for status in (429, 500)), return_exceptions=True
            )

    found = asyncio.run(run())
    assert [(error.status, error.retry_after) for error in found] == [(429, 429.0), (500, 500.0)]


def test_repr_shows_no_key(supabase):
    assert "sb_publishable" not in repr(supabase)
