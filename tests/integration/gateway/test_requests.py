"""What SQL sees of a request, and what holds between requests: claims, settings, pool, catalog."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import psycopg
import pytest

from .conftest import USER_A, USER_B, Api, running


def test_sql_sees_the_request_as_postgrest_shows_it(api: Api) -> None:
    headers = {"X-Custom": "Yes", "Cookie": "theme=dark; lang=en"}
    seen = api.request("GET", "/rpc/who?select=*", who="user_a", headers=headers).json()

    assert seen["role"] == "authenticated"
    assert seen["sub"] == USER_A
    assert seen["claims"]["role"] == "authenticated"
    assert seen["claims"]["aud"] == "authenticated"
    assert seen["method"] == "GET"
    assert seen["path"] == "/rpc/who"
    assert seen["headers"]["x-custom"] == "Yes"
    assert "cookie" not in seen["headers"]
    assert seen["cookies"] == {"theme": "dark", "lang": "en"}
    assert seen["search_path"].replace('"', "").split(", ") == ["public", "public", "extensions"]


def test_the_hook_runs_in_the_callers_role_before_the_statement(api: Api) -> None:
    assert api.request("POST", "/rpc/who", body={}).json()["hook"] == "ran as anon"
    assert api.request("POST", "/rpc/who", body={}, who="user_a").json()["hook"] == "ran as authenticated"


def test_the_secret_key_is_service_role_and_a_users_token_wins_over_it(api: Api) -> None:
    api.owner.execute("grant execute on function public.who() to service_role")
    secret = {"apikey": api.keys.secret_key}
    assert api.request("POST", "/rpc/who", body={}, who=None, headers=secret).json()["role"] == "service_role"
    assert api.request("POST", "/rpc/who", body={}, who="service", headers=secret).json()["role"] == "service_role"
    assert api.request("POST", "/rpc/who", body={}, who="user_a", headers=secret).json()["role"] == "authenticated"


def test_nothing_of_a_request_is_left_for_the_next_on_its_connection(template_db: Any) -> None:
    with running(template_db, "gateway_one_connection", pool_size=1) as api:
        api.request("POST", "/rpc/who", body={}, who="user_a")
        api.request("POST", "/rpc/fail_with", body={"p_state": "P0001"}, who="user_a")
        seen = api.request("POST", "/rpc/who", body={}, who=None, headers={"x-mine": "1"}).json()
        assert seen["role"] == "anon"
        assert seen["sub"] is None
        assert "sub" not in seen["claims"]


def test_interleaved_users_never_see_each_others_claims(template_db: Any) -> None:
    """240 requests of two users and nobody, at once over three connections; every third fails in SQL."""

    async def call(client: httpx.AsyncClient, api: Api, number: int) -> None:
        who, sub = (("user_a", USER_A), ("user_b", USER_B), ("anon", None))[number % 3]
        headers = {"apikey": api.keys.publishable_key, "authorization": f"Bearer {api.tokens[who]}", "x-n": str(number)}
        if number % 4 == 3:
            failed = await client.post("/rpc/fail_with", json={"p_state": "PT409", "p_message": who}, headers=headers)
            assert (failed.status_code, failed.json()["message"]) == (409, who)
            return
        seen = await client.post("/rpc/who", json={}, headers=headers)
        assert seen.json()["sub"] == sub
        assert seen.json()["headers"]["x-n"] == str(number)

    async def all_of_them(api: Api) -> None:
        async with httpx.AsyncClient(base_url=f"{api.url}/rest/v1", timeout=30) as client:
            await asyncio.gather(*[call(client, api, number) for number in range(240)])

    with running(template_db, "gateway_small_pool", pool_size=3) as api:
        asyncio.run(all_of_them(api))


def test_a_new_table_and_function_are_found_without_a_restart(api: Api) -> None:
    api.request("GET", "/items")
    api.owner.execute(
        "create table public.newcomer (id integer primary key); grant select, insert on public.newcomer to anon"
    )
    assert api.request("GET", "/newcomer").json() == []
    api.owner.execute("alter table public.newcomer add column label text")
    assert api.request("POST", "/newcomer", body={"id": 1, "label": "x"}).status_code == 201
    api.owner.execute("create function public.newborn() returns integer language sql as 'select 7'")
    api.owner.execute("grant execute on function public.newborn() to anon")
    assert api.request("POST", "/rpc/newborn", body={}).json() == 7


def test_notify_makes_a_changed_column_known(api: Api) -> None:
    api.owner.execute(
        "create table public.notified (id integer primary key, v text); grant all on public.notified to anon"
    )
    assert api.request("GET", "/notified").json() == []
    api.owner.execute("alter table public.notified alter column v type integer using v::integer")
    api.owner.execute("notify pgrst, 'reload schema'")
    deadline = time.monotonic() + 5
    while api.request("POST", "/notified", body={"id": 1, "v": 5}).status_code != 201:
        assert time.monotonic() < deadline


def test_a_prepared_statement_does_not_keep_the_type_a_column_had(api: Api) -> None:
    api.owner.execute(
        "create table public.shifting (id integer primary key, v text); grant all on public.shifting to anon"
    )
    for _ in range(60):  # psycopg prepares at the fifth, on each of up to ten connections
        assert api.request("GET", "/shifting?v=eq.1").json() == []
    api.owner.execute("alter table public.shifting alter column v type integer using v::integer")
    api.owner.execute("create table public.shifted (id integer); grant select on public.shifted to anon")
    assert api.request("GET", "/shifted").json() == []
    assert api.request("GET", "/shifting?v=eq.5").json() == []


def test_settings_of_the_role_hold_for_its_requests(api: Api) -> None:
    with psycopg.connect(api.owner.info.dsn, password=api.owner.info.password, autocommit=True) as owner:
        owner.execute(f"alter role authenticated in database \"{owner.info.dbname}\" set statement_timeout = '60ms'")
        owner.execute("create function public.doze(p float) returns void language sql as 'select pg_sleep(p)'")
        owner.execute(
            "grant execute on function public.doze(float) to anon, authenticated; notify pgrst, 'reload config'"
        )
    slow = api.request("POST", "/rpc/doze", body={"p": 0.2}, who="user_a")
    assert (slow.status_code, slow.json()["code"]) == (500, "57014")
    assert api.request("POST", "/rpc/doze", body={"p": 0.1}).status_code == 204


def test_a_busy_pool_is_504(template_db: Any) -> None:
    with running(template_db, "gateway_busy", pool_size=1, pool_timeout=0.2) as api:
        api.owner.execute("create function public.doze(p float) returns void language sql as 'select pg_sleep(p)'")
        api.owner.execute("grant execute on function public.doze(float) to anon")
        api.request("POST", "/rpc/doze", body={"p": 0})
        busy = asyncio.run(_both(api))
        assert sorted(response.status_code for response in busy) == [204, 504]
        [refused] = [response.json() for response in busy if response.status_code == 504]
        assert refused["code"] == "PGRST003"


async def _both(api: Api) -> list[httpx.Response]:
    headers = {"apikey": api.keys.publishable_key}
    async with httpx.AsyncClient(base_url=f"{api.url}/rest/v1", headers=headers) as client:
        return list(await asyncio.gather(*[client.post("/rpc/doze", json={"p": 0.8}) for _ in range(2)]))


def test_a_database_that_is_gone_is_503_and_comes_back(template_db: Any) -> None:
    with running(template_db, "gateway_gone", pool_timeout=0.5) as api:
        assert api.request("GET", "/items?limit=0").status_code == 200
        owner, name = api.owner, "gateway_gone"
        with psycopg.connect(template_db.server.dsn("supabase_admin"), autocommit=True) as admin:
            owner.close()
            admin.execute(f"alter database {name} allow_connections false")
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
            gone = [api.request("GET", "/items?limit=0") for _ in range(3)]
            admin.execute(f"alter database {name} allow_connections true")
        assert {response.status_code for response in gone} == {503}
        assert {response.json()["code"] for response in gone} <= {"PGRST001", "57P01", "55000"}
        answers = [api.request("GET", "/items?limit=0").status_code for _ in range(20)]
        assert answers[-1] == 200


@pytest.mark.parametrize("path", ["/rest/v1/items", "/auth/v1/user"])
def test_a_request_without_a_known_apikey_is_refused(api: Api, path: str) -> None:
    token = {"authorization": f"Bearer {api.tokens['user_a']}"}
    without = api.client.get(api.url + path, headers=token)
    assert (without.status_code, without.json()["message"]) == (401, "No API key found in request")
    unknown = api.client.get(api.url + path, headers={**token, "apikey": "sb_publishable_unknown"})
    assert (unknown.status_code, unknown.json()["message"]) == (401, "Invalid API key")


def test_the_legacy_keys_are_known_too(api: Api) -> None:
    answer = api.request("GET", "/items?limit=0", who=None, headers={"apikey": api.keys.anon_jwt})
    assert answer.status_code == 200


def test_a_browser_may_ask_before_it_signs_in(api: Api) -> None:
    wanted = (
        "apikey, authorization, x-client-info, accept-profile, content-profile, content-type, prefer, x-retry-count"
    )
    preflight = api.client.options(
        f"{api.url}/rest/v1/items",
        headers={
            "origin": "http://crm.example",
            "access-control-request-method": "PATCH",
            "access-control-request-headers": wanted,
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-max-age"] == "86400"
    allowed = {name.strip() for name in preflight.headers["access-control-allow-headers"].lower().split(",")}
    assert {name.strip() for name in wanted.split(",")} <= allowed
    methods = {name.strip() for name in preflight.headers["access-control-allow-methods"].split(",")}
    assert {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"} <= methods


@pytest.mark.parametrize(
    ("path", "who", "status"),
    [("/items", "anon", 200), ("/items", "expired", 401), ("/zzzzzzzz", "anon", 404), ("/items?id=0", "anon", 400)],
)
def test_a_browser_reads_every_answer(api: Api, path: str, who: str, status: int) -> None:
    answer = api.request("GET", path, who=who, headers={"origin": "http://crm.example"})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"content-range", "preference-applied", "proxy-status", "x-supabase-api-version", "location"} <= exposed


def test_a_refused_apikey_is_readable_by_a_browser(api: Api) -> None:
    refused = api.client.get(f"{api.url}/rest/v1/items", headers={"origin": "http://crm.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "*"


def test_functions_and_realtime_say_that_they_are_not_there(api: Api) -> None:
    for path in ("/functions/v1/hello", "/realtime/v1/websocket?apikey=x&vsn=1.0.0"):
        answer = api.client.get(api.url + path)
        assert answer.status_code == 404
        assert answer.json()["message"]


def test_a_socket_to_realtime_is_refused_with_404(api: Api) -> None:
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    answer = api.client.get(f"{api.url}/realtime/v1/websocket", headers=upgrade)
    assert answer.status_code == 404
    assert answer.json()["message"] == "Realtime is not part of the devstack."
