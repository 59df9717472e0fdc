"""Where PostgREST is lenient: each row says so, and what holds all the same.

Only a holder of a trusted key can make any of these tokens, and Auth writes exp, aud and role into every one that it
signs: signing in never yields a token like these.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import refusal
from .forging import Forge

Make = Callable[[Forge], str]
OWN = "/clients?select=name"
APPROVAL = {"p_draft_id": str(uuid.UUID(int=1)), "p_content_hash": "0" * 64}
ASKING = {"p_draft_type": "email", "p_purpose": "follow_up"}


def with_null(forge: Forge, name: str) -> str:
    return forge.shared(payload=json.dumps({**forge.claims(), name: None}).encode())


# What PostgREST lets pass; what holds all the same; the token.
ACCEPTED: list[tuple[str, str, Make]] = [
    ("exp over by less than 30 s", "31 s are refused", lambda f: f.user(exp=f.now - 20)),
    ("nbf ahead by less than 30 s", "120 s are refused", lambda f: f.user(nbf=f.now + 20)),
    ("iat ahead by less than 30 s", "120 s are refused", lambda f: f.user(iat=f.now + 20)),
    ("no exp", "see below", lambda f: f.user(exp=None)),
    ("exp null is no exp", "see below", lambda f: with_null(f, "exp")),
    ("no iat, no aud", "row security", lambda f: f.user(iat=None, aud=None)),
    ("nbf beyond 64 bits counts as 0", "exp counts as 0 too, and is over", lambda f: f.user(nbf=2**70)),
    ("nbf with a fraction counts as 0", "exp counts as 0 too, and is over", lambda f: f.user(nbf=f.now + 600.5)),
    ("any aud", "keys belong to one project: no other's token verifies", lambda f: f.user(aud="elsewhere")),
    ("a list of audiences", "the same", lambda f: f.user(aud=["elsewhere", "anywhere"])),
    ("claims it does not know", "no policy reads them", lambda f: f.user(user_metadata={"role": "admin"}, admin=True)),
    ("no kid: every key of that algorithm", "the signature", lambda f: f.shared(header={"kid": None})),
    ("crit is passed over, against RFC 7515", "only a key's holder writes it", lambda f: f.shared(
        header={"crit": ["b64"], "b64": False})),
    ("jku, x5u, jwk are passed over", "nothing is fetched", lambda f: f.shared(
        header={"jku": "https://keys.example.com", "x5u": "https://c.example.com", "jwk": {"kty": "oct", "k": "AA"}})),
    ("typ says that it is something else", "the signature", lambda f: f.shared(header={"typ": "at+jwt"})),
]  # fmt: skip


@pytest.mark.parametrize("make", [pytest.param(row[2], id=f"{row[0]}: {row[1]}") for row in ACCEPTED])
def test_postgrest_accepts_it_and_row_security_holds(
    api: Any, forge: Forge, person: Any, new_person: Any, make: Make
) -> None:
    new_person()  # somebody else's client is there and is not shown
    answer = api.get(OWN, make(forge))
    assert (answer.status_code, answer.json()) == (200, [{"name": person.client_name}])


def test_a_users_token_without_exp_reads_until_its_key_goes_but_cannot_approve_or_ask_for_ever(
    api: Any, forge: Forge, person: Any, sql: Any
) -> None:
    """Nothing of ours stops such a token from reading: it ends when the key that signed it is revoked.

    Signing out stops it from approving, a ban from asking.
    """
    token = forge.user(exp=None)
    assert refusal(api.rpc("approve_draft", token, APPROVAL)) == (401, "PT401", "session_ended")

    sql.execute("update auth.users set banned_until = now() + interval '1 day' where id = %s", [person.id])
    asked = api.rpc("request_draft", token, {"p_client_id": str(person.client_id), **ASKING})
    assert refusal(asked) == (403, "PT403", "user_inactive")
    assert api.get(OWN, token).json() == [{"name": person.client_name}]


def test_without_a_role_it_is_anon(api: Any, forge: Forge) -> None:
    answer = api.get(OWN, forge.user(role=None))
    assert (answer.status_code, answer.json()["code"]) == (401, "42501")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_is_written_in_any_case(api: Any, forge: Forge, person: Any, scheme: str) -> None:
    answer = api.request("GET", f"/rest/v1{OWN}", forge.user(), scheme=scheme)
    assert answer.json() == [{"name": person.client_name}]


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
def test_any_other_scheme_is_no_token(api: Any, forge: Forge, scheme: str) -> None:
    answer = api.request("GET", f"/rest/v1{OWN}", forge.user(), scheme=scheme)
    assert (answer.status_code, answer.json()["code"]) == (401, "42501")


@pytest.mark.parametrize("sub", ["not-a-uuid", "", "' or true --", 7, {"id": 1}])
def test_a_sub_that_is_no_uuid_reads_nothing(api: Any, forge: Forge, person: Any, sub: Any) -> None:
    """Policies ask auth.uid(), which is a uuid, null or an error."""
    answer = api.get(OWN, forge.user(sub=sub))
    assert answer.json() == [] or (answer.status_code, answer.json()["code"]) == (400, "22P02"), answer.text


def test_without_sub_it_reads_nothing(api: Any, forge: Forge, person: Any) -> None:
    assert api.get(OWN, forge.user(sub=None)).json() == []


@pytest.fixture
def who_is_it(sql: Any) -> Iterator[None]:
    """A function that says its role twice: as Postgres has it, and as the claims have it."""
    sql.execute(
        "create function public.who_is_it() returns text language sql stable as $$ "
        "select current_user || ' ' || (current_setting('request.jwt.claims')::jsonb ->> 'role') $$; "
        "grant execute on function public.who_is_it() to anon, authenticated; notify pgrst, 'reload schema'"
    )
    yield
    sql.execute("drop function public.who_is_it(); notify pgrst, 'reload schema'")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"role": "anon"}, {"role": "authenticated"}),
        ({"role": "authenticated"}, {"role": "anon"}),
        ({"act": {}}, {"sub": "x"}),
    ],
)
def test_of_a_claim_given_twice_one_counts_for_everybody(
    api: Any, forge: Forge, who_is_it: None, first: dict[str, Any], second: dict[str, Any]
) -> None:
    """Which one is the JSON library's choice. SQL sees what was read, written anew, so the two cannot disagree."""
    claims = {name: value for name, value in forge.claims().items() if name not in (first | second)}
    text = "{" + ", ".join(json.dumps(some)[1:-1] for some in (first, claims, second)) + "}"
    answer = api.rpc("who_is_it", forge.shared(payload=text.encode()))
    assert answer.text in ('"anon anon"', '"authenticated authenticated"') or answer.status_code == 403, answer.text
