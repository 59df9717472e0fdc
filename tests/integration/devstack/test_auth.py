"""Auth as supabase-py and plain HTTP see it: sessions, rotation, ends of sessions, and Supabase Auth's errors."""

from __future__ import annotations

import concurrent.futures
import time
import uuid

import httpx
import jwt
import psycopg
import pytest
from supabase_auth.errors import AuthApiError

from supabase import create_client

PASSWORD = "correct-horse"
SIGN_IN = "token?grant_type=password"
REFRESH = "token?grant_type=refresh_token"
VERSION = {"X-Supabase-Api-Version": "2024-01-01"}


@pytest.fixture
def email(stack):
    """The address of a person of this test's own."""
    address = f"{uuid.uuid4().hex[:8]}@example.com"
    stack.create_user(address, PASSWORD, full_name="Ada Example")
    return address


@pytest.fixture
def client(stack):
    made = create_client(stack.url, stack.publishable_key)
    yield made
    made.auth.close()
    made.postgrest.session.close()


@pytest.fixture
def http(stack):
    with httpx.Client(base_url=f"{stack.url}/auth/v1", headers={"apikey": stack.publishable_key, **VERSION}) as made:
        yield made


@pytest.fixture
def sql(stack):
    def run(query, *values):
        with psycopg.connect(stack.database_url) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else None

    return run


def sign_in(client, email, password=PASSWORD):
    return client.auth.sign_in_with_password({"email": email, "password": password}).session


def password_grant(http, email, password=PASSWORD):
    return http.post("token", params={"grant_type": "password"}, json={"email": email, "password": password})


def refresh(http, token):
    return http.post("token", params={"grant_type": "refresh_token"}, json={"refresh_token": token})


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def refused(response, status, code):
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["x-supabase-api-version"] == "2024-01-01"
    return True


def test_signs_in_reads_as_oneself_and_signs_out(stack, client, email, sql):
    session = sign_in(client, email)
    assert session.user.email == email
    assert client.table("profiles").select("email").execute().data == [{"email": email}]
    client.postgrest.session.close()  # the client forgets it open when it signs out
    client.auth.sign_out()
    with pytest.raises(AuthApiError) as caught:
        client.auth.get_user(session.access_token)
    assert (caught.value.status, caught.value.code) == (403, "session_not_found")


def test_an_address_is_compared_without_case(client, email):
    assert sign_in(client, email.upper()).user.email == email


def test_the_access_token_is_what_supabase_auth_issues(stack, client, email):
    session = sign_in(client, email)
    keys = httpx.get(f"{stack.url}/auth/v1/.well-known/jwks.json").json()
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(session.access_token)["kid"]]
    claims = jwt.decode(session.access_token, key, algorithms=["ES256"], audience="authenticated")
    assert claims["exp"] - claims["iat"] == session.expires_in == 3600
    assert claims["iss"] == f"{stack.url}/auth/v1"
    assert {name: claims[name] for name in ("role", "aal", "is_anonymous", "email")} == {
        "role": "authenticated", "aal": "aal1", "is_anonymous": False, "email": email,
    }  # fmt: skip
    assert claims["amr"][0]["method"] == "password"
    assert claims["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert client.auth.get_claims(session.access_token)["claims"]["sub"] == session.user.id


def test_refreshing_rotates_and_keeps_the_session(client, email):
    first = sign_in(client, email)
    second = client.auth.refresh_session().session
    assert second.refresh_token != first.refresh_token
    sessions = {jwt.decode(s.access_token, options={"verify_signature": False})["session_id"] for s in (first, second)}
    assert len(sessions) == 1
    assert client.auth.get_user().user.email == email


def test_a_token_used_again_at_once_gives_the_same_successor(http, email):
    """A client whose answer was lost."""
    token = password_grant(http, email).json()["refresh_token"]
    (successor,) = {refresh(http, token).json()["refresh_token"] for _ in range(2)}
    assert refresh(http, successor).status_code == 200


def test_a_token_used_twice_side_by_side_gives_the_same_successor(stack, http, email, sql):
    """Two tabs. Both requests are held at the session's row until both are there."""
    session = password_grant(http, email).json()
    waiting = "select count(*) from pg_stat_activity where usename = 'supabase_auth_admin' and wait_event_type = 'Lock'"
    with concurrent.futures.ThreadPoolExecutor(2) as pool, psycopg.connect(stack.database_url) as holder:
        held = "update auth.sessions set updated_at = now() where user_id = %s"
        holder.execute(held, [session["user"]["id"]])
        requests = [pool.submit(refresh, http, session["refresh_token"]) for _ in range(2)]
        deadline = time.monotonic() + 10
        while sql(waiting) != [(2,)]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        holder.commit()
        answers = [request.result() for request in requests]
    assert {answer.status_code for answer in answers} == {200}
    (successor,) = {answer.json()["refresh_token"] for answer in answers}
    assert refresh(http, successor).status_code == 200


def test_a_token_used_again_later_ends_the_session(http, email, sql):
    first = password_grant(http, email).json()
    second = refresh(http, first["refresh_token"]).json()
    sql("update auth.refresh_tokens set updated_at = now() - interval '11 s' where token = %s", first["refresh_token"])
    assert refused(refresh(http, first["refresh_token"]), 400, "refresh_token_already_used")
    assert refused(refresh(http, second["refresh_token"]), 400, "refresh_token_not_found")
    assert refused(http.get("user", headers=bearer(second["access_token"])), 403, "session_not_found")


def test_refreshing_looks_at_no_authorization(http, email):
    """supabase-py sends the old, perhaps expired, token along."""
    session = password_grant(http, email).json()
    http.headers["Authorization"] = "Bearer no.such.token"
    assert refresh(http, session["refresh_token"]).status_code == 200


def test_an_ended_session_refreshes_no_more(http, email, sql):
    session = password_grant(http, email).json()
    sql("update auth.sessions set not_after = now() where user_id = %s", session["user"]["id"])
    assert refused(refresh(http, session["refresh_token"]), 400, "session_expired")


@pytest.mark.parametrize(
    ("scope", "left"),
    [("local", {"second"}), ("others", {"first"}), ("global", set())],
)
def test_sign_out_ends_the_sessions_of_its_scope(http, email, scope, left):
    sessions = {name: password_grant(http, email).json()["access_token"] for name in ("first", "second")}
    answer = http.post("logout", params={"scope": scope}, headers=bearer(sessions["first"]))
    assert (answer.status_code, answer.content) == (204, b"")
    live = {name for name, token in sessions.items() if http.get("user", headers=bearer(token)).status_code == 200}
    assert live == left


def test_sign_out_touches_nobody_else(stack, http, email):
    other = f"{uuid.uuid4().hex[:8]}@example.com"
    stack.create_user(other, PASSWORD, full_name="Bob Example")
    others = password_grant(http, other).json()["access_token"]
    http.post("logout", params={"scope": "global"}, headers=bearer(password_grant(http, email).json()["access_token"]))
    assert http.get("user", headers=bearer(others)).status_code == 200


def test_a_new_password_replaces_the_old_and_ends_other_sessions(http, client, email):
    elsewhere = password_grant(http, email).json()
    sign_in(client, email)
    client.auth.update_user({"password": "battery-staple", "data": {"theme": "dark"}})
    assert client.auth.get_user().user.user_metadata == {"full_name": "Ada Example", "theme": "dark"}
    assert refused(http.get("user", headers=bearer(elsewhere["access_token"])), 403, "session_not_found")
    assert refused(password_grant(http, email), 400, "invalid_credentials")
    assert password_grant(http, email, "battery-staple").status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"password": "short"}, 422, "weak_password"),
        ({"password": PASSWORD}, 422, "same_password"),
        ({"password": "x" * 73}, 422, "validation_failed"),
        ({"email": "new@example.com"}, 400, "validation_failed"),
        (["password"], 400, "bad_json"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(http, email, body, status, code):
    token = password_grant(http, email).json()["access_token"]
    assert refused(http.put("user", headers=bearer(token), json=body), status, code)
    assert password_grant(http, email).status_code == 200


class TestTokensThatAreNoSession:
    """A job-scoped token is signed with a trusted key and names a real user, but its session_id exists nowhere."""

    @pytest.fixture
    def agent_token(self, stack, http, email):
        user_id = password_grant(http, email).json()["user"]["id"]

        def mint(**claims):
            now = int(time.time())
            whole = {
                "sub": user_id, "role": "authenticated", "aud": "authenticated", "iat": now, "exp": now + 60,
                "act": {"sub": "agent_worker"}, "session_id": str(uuid.uuid4()), **claims,
            }  # fmt: skip
            headers = {"kid": stack.keys.agent_kid}
            return jwt.encode(whole, stack.keys.agent_secret, algorithm="HS256", headers=headers)

        return mint

    def test_an_agent_token_is_refused(self, http, agent_token):
        for method in ("get", "put"):
            answer = http.request(method, "user", headers=bearer(agent_token()), json={"password": "battery-staple"})
            assert refused(answer, 403, "session_not_found")
        assert refused(http.post("logout", headers=bearer(agent_token())), 403, "session_not_found")

    def test_a_session_that_is_no_id_is_none(self, http, agent_token):
        answer = http.get("user", headers=bearer(agent_token(session_id="none")))
        assert refused(answer, 403, "session_not_found")

    def test_another_persons_session_does_not_help(self, stack, http, agent_token):
        other = f"{uuid.uuid4().hex[:8]}@example.com"
        stack.create_user(other, PASSWORD, full_name="Bob Example")
        claims = jwt.decode(password_grant(http, other).json()["access_token"], options={"verify_signature": False})
        token = agent_token(session_id=claims["session_id"])
        assert refused(http.get("user", headers=bearer(token)), 403, "session_not_found")

    def test_a_token_without_a_session_changes_no_password(self, http, agent_token):
        answer = http.put("user", headers=bearer(agent_token(session_id=None)), json={"password": "battery-staple"})
        assert refused(answer, 403, "session_not_found")


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ("banned_until = now() + interval '1 hour'", ["user_banned", "user_banned", "user_banned"]),
        ("deleted_at = now()", ["invalid_credentials", "user_banned", "user_not_found"]),
    ],
)
def test_banned_and_deleted_people_are_refused(http, email, sql, change, codes):
    session = password_grant(http, email).json()
    sql(f"update auth.users set {change} where id = %s", session["user"]["id"])
    assert refused(password_grant(http, email), 400, codes[0])
    assert refused(refresh(http, session["refresh_token"]), 400, codes[1])
    assert refused(http.get("user", headers=bearer(session["access_token"])), 403, codes[2])


def test_a_ban_that_is_over_is_none(http, email, sql):
    sql("update auth.users set banned_until = now() - interval '1 s' where email = %s", email)
    assert password_grant(http, email).status_code == 200


def test_a_deleted_row_is_a_user_that_does_not_exist(http, email, sql):
    session = password_grant(http, email).json()
    sql("delete from auth.users where id = %s", session["user"]["id"])
    assert refused(http.get("user", headers=bearer(session["access_token"])), 403, "user_not_found")
    assert refused(refresh(http, session["refresh_token"]), 400, "refresh_token_not_found")


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (("POST", SIGN_IN, {"email": "nobody@example.com", "password": "x"}), 400, "invalid_credentials"),
        (("POST", SIGN_IN, {"email": "nobody@example.com", "password": "x" * 80}), 400, "invalid_credentials"),
        (("POST", SIGN_IN, {"email": "a\0@example.com", "password": "x"}), 400, "bad_json"),
        (("POST", SIGN_IN, {"email": "a@example.com"}), 400, "validation_failed"),
        (("POST", SIGN_IN, {"email": 1, "password": []}), 400, "validation_failed"),
        (("POST", "token?grant_type=pkce", {}), 400, "invalid_credentials"),
        (("POST", REFRESH, {"refresh_token": "none"}), 400, "refresh_token_not_found"),
        (("POST", REFRESH, {}), 400, "refresh_token_not_found"),
        (("POST", REFRESH, {"refresh_token": "a\0b"}), 400, "bad_json"),
        (("POST", "signup", {"email": "new@example.com", "password": "battery-staple"}), 422, "signup_disabled"),
        (("GET", "user", None), 403, "bad_jwt"),
    ],
)  # fmt: skip
def test_errors_are_supabase_auths(http, request_, status, code):
    method, path, body = request_
    assert refused(http.request(method, path, json=body), status, code)


def test_an_expired_token_is_a_bad_jwt(stack, http, email):
    user = password_grant(http, email).json()["user"]
    token = stack.keys.sign_user_token({"sub": user["id"], "role": "authenticated", "exp": int(time.time()) - 60})
    answer = http.get("user", headers=bearer(token))
    assert refused(answer, 403, "bad_jwt")
    assert answer.json()["message"].startswith("invalid JWT: unable to parse or verify signature, ")


def test_clients_of_the_former_api_version_get_its_shape(stack):
    answer = httpx.post(
        f"{stack.url}/auth/v1/token?grant_type=password",
        headers={"apikey": stack.publishable_key},
        json={"email": "nobody@example.com", "password": "x"},
    )
    assert answer.json() == {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}
    assert "x-supabase-api-version" not in answer.headers


def test_the_key_set_holds_no_secret(stack):
    (key,) = httpx.get(f"{stack.url}/auth/v1/.well-known/jwks.json").json()["keys"]
    assert key["kty"] == "EC"
    assert "d" not in key
