"""The unmodified supabase-py against the gateway: signing in, every filter, writes, calls and errors."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError
from postgrest.types import CountMethod

from agent_service.devstack.users import add_user
from supabase import AsyncClientOptions, AuthApiError, Client, ClientOptions, create_async_client, create_client

from .conftest import Api

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _reset(api: Api) -> None:
    api.owner.execute("select public.reset_tables()")


@pytest.fixture(scope="module")
def email(api: Api) -> str:
    address = f"py-{uuid.uuid4().hex[:8]}@example.com"
    add_user(api.owner, address, PASSWORD, full_name="Pia Python")
    return address


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with httpx.Client() as http:  # one for all of it, so that all of it is closed
        options = ClientOptions(auto_refresh_token=False, httpx_client=http)
        yield create_client(api.url, api.keys.publishable_key, options)


FILTERS: list[tuple[Callable[[Any], Any], list[int]]] = [
    (lambda q: q.eq("id", 1), [1]),
    (lambda q: q.neq("id", 1), [2, 3, 4]),
    (lambda q: q.gt("price", 10.5), [2]),
    (lambda q: q.gte("price", 10.5), [1, 2]),
    (lambda q: q.lt("price", 10.5), [4]),
    (lambda q: q.lte("price", 10.5), [1, 4]),
    (lambda q: q.is_("price", None), [3]),
    (lambda q: q.is_("is_done", "true"), [1, 4]),
    (lambda q: q.like("name", "al%"), [1]),
    (lambda q: q.like("name", "al*"), [1]),
    (lambda q: q.ilike("name", "DELTA%"), [4]),
    (lambda q: q.like_all_of("name", "a%,%a"), [1]),
    (lambda q: q.like_any_of("name", "a%,b%"), [1, 2]),
    (lambda q: q.ilike_all_of("name", "A%,%A"), [1]),
    (lambda q: q.ilike_any_of("name", "A%,B%"), [1, 2]),
    (lambda q: q.in_("id", [1, 3]), [1, 3]),
    (lambda q: q.in_("name", ['Delta, (the "4th")', "beta"]), [2, 4]),
    (lambda q: q.in_("id", []), []),
    (lambda q: q.contains("tags", ["two words"]), [4]),
    (lambda q: q.contains("data", {"a": {"b": 1}}), [1]),
    (lambda q: q.contained_by("tags", ["blue", "green"]), [2, 3]),
    (lambda q: q.overlaps("tags", ["blue", "two words"]), [1, 2, 4]),
    (lambda q: q.cs("tags", ["red"]), [1, 4]),
    (lambda q: q.cd("tags", ["blue"]), [2, 3]),
    (lambda q: q.ov("tags", ["red"]), [1, 4]),
    (lambda q: q.range_lt("during", ("5", "10")), [1, 4]),
    (lambda q: q.range_gt("during", ("1", "5")), [2, 3]),
    (lambda q: q.range_gte("during", ("3", "6")), [2, 3]),
    (lambda q: q.range_lte("during", ("3", "6")), [1, 4]),
    (lambda q: q.range_adjacent("during", ("4", "10")), [1, 3]),
    (lambda q: q.fts("words", "cat"), [1, 4]),
    (lambda q: q.plfts("words", "fat dog"), [2]),
    (lambda q: q.phfts("words", "fat"), [1, 2]),
    (lambda q: q.wfts("words", "dog or rat"), [1, 2]),
    (lambda q: q.match({"id": 1, "name": "alpha"}), [1]),
    (lambda q: q.not_.eq("id", 1), [2, 3, 4]),
    (lambda q: q.not_.in_("id", [1, 2]), [3, 4]),
    (lambda q: q.not_.is_("price", None), [1, 2, 4]),
    (lambda q: q.or_("id.eq.1,and(id.gt.2,price.is.null)"), [1, 3]),
    (lambda q: q.or_('name.eq."Delta, (the \\"4th\\")",id.eq.2'), [2, 4]),
    (lambda q: q.filter("data->a->>b", "eq", "2"), [2]),
    (lambda q: q.filter("name", "match", "^a"), [1]),
    (lambda q: q.gt("id", 1).lt("id", 4), [2, 3]),
    (lambda q: q.limit(2), [1, 2]),
    (lambda q: q.range(1, 2), [2, 3]),
]


@pytest.mark.parametrize(("narrow", "ids"), FILTERS)
def test_every_filter(client: Client, narrow: Callable[[Any], Any], ids: list[int]) -> None:
    answer = narrow(client.table("items").select("id").order("id")).execute()
    assert [row["id"] for row in answer.data] == ids


def test_a_user_signs_in_sees_their_rows_refreshes_and_leaves(api: Api, client: Client, email: str) -> None:
    assert client.table("documents").select("title").execute().data == []
    session = client.auth.sign_in_with_password({"email": email, "password": PASSWORD}).session
    assert session is not None
    user_id = session.user.id
    written = client.table("documents").insert({"owner_id": user_id, "title": "mine"}).execute()
    assert written.data[0]["title"] == "mine"
    assert [row["title"] for row in client.table("documents").select("title").execute().data] == ["mine"]

    refreshed = client.auth.refresh_session().session
    assert refreshed is not None
    assert refreshed.refresh_token != session.refresh_token
    assert [row["title"] for row in client.table("documents").select("title").execute().data] == ["mine"]
    user = client.auth.get_user()
    assert user is not None
    assert user.user.email == email

    client.auth.sign_out()
    assert client.table("documents").select("title").execute().data == []


def test_a_wrong_password_says_so(client: Client, email: str) -> None:
    with pytest.raises(AuthApiError) as refused:
        client.auth.sign_in_with_password({"email": email, "password": "wrong"})
    assert (refused.value.status, refused.value.code) == (400, "invalid_credentials")


def test_reading(client: Client) -> None:
    items = client.table("items")
    counted = items.select("id", count=CountMethod.exact).order("id", desc=True).limit(2).execute()
    assert ([row["id"] for row in counted.data], counted.count) == ([4, 3], 4)
    assert items.select("id", count=CountMethod.exact, head=True).execute().count == 4
    assert items.select("number:id, data->a->>b").eq("id", 1).single().execute().data == {"number": 1, "b": "1"}
    nothing = items.select("id").eq("id", 9).maybe_single().execute()
    assert nothing is None
    ordered = items.select("id").order("price", desc=True, nullsfirst=False).order("id").execute()
    assert [row["id"] for row in ordered.data] == [2, 1, 4, 3]
    names = client.table("odd name").select('"we:ird","100%"').eq("we:ird", "w").execute()
    assert names.data == [{"we:ird": "w", "100%": "all"}]


def test_writing(client: Client) -> None:
    pairs, items = client.table("pairs"), client.table("items")
    assert pairs.insert({"a": 2, "b": 1}).execute().data == [{"a": 2, "b": 1, "note": "none"}]
    many = pairs.insert([{"a": 3, "b": 1, "note": "x"}, {"a": 3, "b": 2}], default_to_null=False).execute()
    assert {row["note"] for row in many.data} == {"x", "none"}
    assert pairs.insert({"a": 4, "b": 1}, returning="minimal").execute().data == []
    assert pairs.upsert({"a": 1, "b": 1, "note": "new"}, on_conflict="a,b").execute().data[0]["note"] == "new"
    assert pairs.upsert({"a": 1, "b": 1, "note": "no"}, ignore_duplicates=True).execute().data == []
    assert [row["id"] for row in items.update({"name": "c"}).lt("id", 3).execute().data] == [1, 2]
    assert [row["id"] for row in items.delete().eq("id", 4).execute().data] == [4]
    assert [row["id"] for row in items.select("id").order("id").execute().data] == [1, 2, 3]


def test_calling(client: Client) -> None:
    assert client.rpc("add_numbers", {"a": 2, "b": 3}).execute().data == 5
    assert client.rpc("add_numbers", {"a": 2}, get=True).execute().data == 3
    assert client.rpc("do_nothing").execute().data == []
    assert client.rpc("item_labels").execute().data[0] == "alpha"
    assert client.rpc("one_item", {"p_id": 2}).execute().data["name"] == "beta"
    rows = client.rpc("all_items", count=CountMethod.exact).select("id").gt("id", 1).order("id").limit(2).execute()
    assert ([row["id"] for row in rows.data], rows.count) == ([2, 3], 3)
    assert client.rpc("echo_list", {"p": ["a", 'b "c"']}, get=True).execute().data == ["a", 'b "c"']


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda c: c.table("zzzzzzzz").select("*"), "PGRST205"),
        (lambda c: c.table("items").select("zzz"), "42703"),
        (lambda c: c.table("items").select("id").single(), "PGRST116"),
        (lambda c: c.table("items").select("id, pairs(*)"), "PGRST127"),
        (lambda c: c.table("pairs").insert({"a": 1, "b": 1}), "23505"),
        (lambda c: c.table("pairs").insert({"zzz": 1}), "PGRST204"),
        (lambda c: c.rpc("add_numbers", {"z": 1}), "PGRST202"),
        (lambda c: c.rpc("pick", {"a": 1}), "PGRST203"),
        (lambda c: c.rpc("fail_with", {"p_state": "PT409", "p_detail": "d", "p_hint": "h"}), "PT409"),
        (lambda c: c.rpc("make_item", {"p_name": "x"}, get=True), "25006"),
        (lambda c: c.rpc("make_two").select("id").max_affected(1), "PGRST124"),
    ],
)
def test_errors_arrive_with_their_code(client: Client, act: Callable[[Any], Any], code: str) -> None:
    with pytest.raises(APIError) as failed:
        act(client).execute()
    assert failed.value.code == code
    assert failed.value.message


def test_a_head_request_learns_its_error_too(client: Client) -> None:
    with pytest.raises(APIError) as failed:
        client.table("zzzzzzzz").select("*", head=True).execute()
    assert failed.value.code == "PGRST205"


def test_a_token_of_ones_own_is_used(api: Api, client: Client) -> None:
    client.postgrest.auth(api.tokens["user_b"])
    assert client.table("documents").select("title").execute().data == [{"title": "of b"}]
    client.postgrest.auth(api.tokens["expired"])
    with pytest.raises(APIError) as failed:
        client.table("documents").select("title").execute()
    assert (failed.value.code, failed.value.message) == ("PGRST303", "JWT expired")


async def _asynchronously(api: Api, email: str) -> None:
    async with httpx.AsyncClient() as http:
        options = AsyncClientOptions(auto_refresh_token=False, httpx_client=http)
        client = await create_async_client(api.url, api.keys.publishable_key, options)
        session = (await client.auth.sign_in_with_password({"email": email, "password": PASSWORD})).session
        assert session is not None
        await client.table("documents").insert({"owner_id": session.user.id, "title": "async"}).execute()
        found = await client.table("documents").select("title").eq("title", "async").execute()
        assert found.data == [{"title": "async"}]
        assert (await client.rpc("add_numbers", {"a": 2}).execute()).data == 3
        with pytest.raises(APIError) as failed:
            await client.table("zzzzzzzz").select("*").execute()
        assert failed.value.code == "PGRST205"
        await client.auth.sign_out()


def test_the_asynchronous_client(api: Api, email: str) -> None:
    asyncio.run(_asynchronously(api, email))
