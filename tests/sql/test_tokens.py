"""The tokens that the database signs: any verifier accepts ours, we accept ours alone, nobody comes near a key."""

from __future__ import annotations

import base64
import json
import time
import uuid
from typing import Any

import jwt
import pytest

from tests.world import read_claims

SECRET = "only-for-tests-" + "x" * 40
AUDIENCE = "authenticated"


def decode(token: str, secret: str = SECRET) -> dict[str, Any]:
    return jwt.decode(token, secret, algorithms=["HS256"], audience=AUDIENCE, leeway=0)


@pytest.fixture
def job(world: Any) -> dict[str, Any]:
    """Ada's job for Acme, claimed."""
    world.request()
    return world.claim()[0]


def add_key(world: Any, kid: str, secret: str) -> None:
    world.conn.execute("select vault.create_secret(%s, %s)", [secret, f"secret of {kid}"])
    world.conn.execute("select agent.add_signing_key(%s, %s)", [kid, f"secret of {kid}"])


def beat(world: Any, token: str | None) -> str:
    return world.worker.rpc("heartbeat_job", p_job_token=token)[0]["token"]


def test_pyjwt_verifies_a_job_token(any_world: Any) -> None:
    any_world.conn.execute('update auth.users set raw_app_meta_data = \'{"team": "Süd"}\'')
    any_world.request()
    (job,) = any_world.claim(lease=60)
    claims = decode(job["token"])
    assert claims == {
        "iss": "account-manager-agent", "aud": AUDIENCE, "role": "authenticated", "sub": str(any_world.users["ada"]),
        "act": {"sub": "agent_worker"}, "job": str(job["job_id"]), "fence": 1, "app_metadata": {"team": "Süd"},
        "iat": claims["iat"], "exp": int(job["lease_expires_at"].timestamp()), "session_id": claims["session_id"],
    }  # fmt: skip
    assert jwt.get_unverified_header(job["token"]) == {"alg": "HS256", "typ": "JWT", "kid": "test-kid"}
    assert isinstance(claims["iat"], int)
    assert isinstance(claims["exp"], int)
    assert claims["iat"] <= time.time()
    assert not any_world.value("select exists (select from auth.sessions where id = %s)", claims["session_id"])


def test_pyjwt_verifies_a_worker_key(any_world: Any) -> None:
    claims = decode(any_world.value("select agent.mint_worker_key('another', 30)"))
    assert (claims["role"], claims["exp"] - claims["iat"]) == ("agent_worker", 30 * 86400)
    assert "sub" not in claims
    row = any_world.one("select name, revoked_at from agent.worker_keys where jti = %s", claims["jti"])
    assert row == {"name": "another", "revoked_at": None}


@pytest.mark.parametrize("length", [32, 63, 64, 65, 200])
def test_secrets_of_any_length_sign_as_others_do(any_world: Any, length: int) -> None:
    secret = ("Schlüssel-" * 20)[:length]
    add_key(any_world, f"long-{length}", secret)
    assert decode(any_world.value("select agent.mint_worker_key('another', 1)"), secret)


def test_times_are_whole_seconds_and_never_ahead_of_the_clock(world: Any) -> None:
    while time.time() % 1 < 0.5:  # only in this half does rounding give a second that has not come yet
        time.sleep(0.01)
    world.request()
    for token in (world.claim()[0]["token"], world.value("select agent.mint_worker_key('another', 1)")):
        claims = decode(token)  # PyJWT refuses an iat in the future
        assert (type(claims["iat"]), type(claims["exp"])) == (int, int)


@pytest.mark.parametrize("days", [0, 731, None])
def test_a_worker_key_lives_two_years_at_most(world: Any, refused: Any, days: int | None) -> None:
    with refused("P0001", match="1 to 730"):
        world.conn.execute("select agent.mint_worker_key('another', %s)", [days])


NEW_SECRET = "the-new-secret-" + "y" * 40


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


@pytest.fixture
def standby(world: Any) -> str:
    """A second key that was added and not promoted."""
    world.conn.execute("select vault.create_secret(%s, 'new')", [NEW_SECRET])
    world.conn.execute("select agent.add_standby_key('new-kid', 'new')")
    return "new-kid"


def swap_worker_key(world: Any, kid: str) -> str:
    """Mint a worker key under `kid` and let the world's worker use it."""
    key = world.value("select agent.mint_worker_key('swapped', 1, %s)", kid)
    world.worker_jti = uuid.UUID(read_claims(key)["jti"])
    return key


def test_a_key_on_standby_signs_only_the_worker_keys_that_name_it(
    world: Any, job: dict[str, Any], standby: str
) -> None:
    assert kid_of(beat(world, job["token"])) == "test-kid"
    assert kid_of(world.value("select agent.mint_worker_key('another', 1)")) == "test-kid"
    key = swap_worker_key(world, standby)
    assert (kid_of(key), decode(key, NEW_SECRET)["role"]) == (standby, "agent_worker")
    assert kid_of(beat(world, job["token"])) == "test-kid"  # whatever key the worker has


def test_a_promoted_key_signs_and_the_former_is_good_until_it_is_retired(
    world: Any, standby: str, refused: Any
) -> None:
    swap_worker_key(world, standby)
    world.request()
    job = world.claim()[0]
    world.conn.execute("select agent.promote_signing_key(%s)", [standby])
    fresh = beat(world, job["token"])
    assert (kid_of(job["token"]), kid_of(fresh)) == ("test-kid", standby)
    assert decode(fresh, NEW_SECRET)["fence"] == job["fence"]

    assert world.value("select agent.retire_signing_key('test-kid')") is True
    assert world.value("select agent.retire_signing_key('test-kid')") is False
    with refused("PT403", "invalid_job_token"):
        beat(world, job["token"])
    assert beat(world, fresh)
    actions = world.conn.execute(
        "select action, details ->> 'kid' from agent.audit_log where entity = 'signing_key' order by id"
    ).fetchall()
    assert actions == [
        ("signing_key_added", "test-kid"),
        ("signing_key_promoted", "test-kid"),
        ("signing_key_added", standby),
        ("signing_key_promoted", standby),
        ("signing_key_retired", "test-kid"),
    ]


def test_promoting_the_former_key_again_is_the_way_back(world: Any, job: dict[str, Any], standby: str) -> None:
    world.conn.execute("select agent.promote_signing_key(%s)", [standby])
    world.conn.execute("select agent.promote_signing_key('test-kid')")
    assert kid_of(beat(world, job["token"])) == "test-kid"


def test_retiring_a_key_ends_the_worker_keys_it_signed_and_no_others(
    world: Any, job: dict[str, Any], standby: str, refused: Any
) -> None:
    """Whether PostgREST trusts it still or not."""
    world.conn.execute("select agent.promote_signing_key(%s)", [standby])
    former = world.worker_jti
    swap_worker_key(world, standby)
    world.conn.execute("select agent.retire_signing_key('test-kid')")
    (again,) = world.claim()
    assert (again["job_id"], again["fence"]) == (job["job_id"], job["fence"] + 2), "ended with its worker key, and free"
    world.worker_jti = former
    with refused("PT401", "worker_key_refused"):
        world.claim()


@pytest.mark.parametrize("kid", ["never-added", "test-kid"])
def test_a_key_that_is_retired_or_unknown_is_not_promoted(world: Any, standby: str, kid: str, refused: Any) -> None:
    world.conn.execute("select agent.retire_signing_key('test-kid')")
    with refused("P0001", match="or it is retired"):
        world.conn.execute("select agent.promote_signing_key(%s)", [kid])
    with refused("PT500", "no_signing_key"):
        world.conn.execute("select agent.mint_worker_key('another', 1, %s)", [kid])


def test_without_a_key_that_signs_nothing_is_claimed(world: Any, standby: str, refused: Any) -> None:
    world.request()
    swap_worker_key(world, standby)
    world.conn.execute("select agent.retire_signing_key('test-kid')")
    with refused("PT500", "no_signing_key"):
        world.claim()
    assert world.value("select state from agent.jobs") == "queued"
    world.conn.execute("select agent.promote_signing_key(%s)", [standby])
    assert kid_of(world.claim()[0]["token"]) == standby


@pytest.mark.parametrize("secret", [None, "too-short-to-be-a-secret"])
def test_a_signing_key_needs_its_secret_in_vault(world: Any, refused: Any, secret: str | None) -> None:
    if secret is not None:
        world.conn.execute("select vault.create_secret(%s, 'short')", [secret])
    with refused("P0001", match="at least 32 characters"):
        world.conn.execute("select agent.add_signing_key('another', 'short')")
    with refused("P0001", match="at least 32 characters"):
        world.conn.execute("select agent.add_standby_key('another', 'short')")


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def with_claims(token: str, **claims: Any) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{encoded({**jwt.decode(token, options={'verify_signature': False}), **claims})}.{signature}"


def alg_none(token: str, *, kid: bool) -> str:
    header = {"alg": "none", "typ": "JWT"} | ({"kid": "test-kid"} if kid else {})
    return f"{encoded(header)}.{token.split('.')[1]}."


def signed(token: str, secret: str, kid: str | None, **claims: Any) -> str:
    whole = {**jwt.decode(token, options={"verify_signature": False}), **claims}
    return jwt.encode(whole, secret, "HS256", headers={"kid": kid} if kid else None)


FORGERIES = {
    "another fence": lambda t: with_claims(t, fence=2),
    "another user": lambda t: with_claims(t, sub=str(uuid.uuid4())),
    "signature cut": lambda t: t[:-1],
    "signature longer": lambda t: t + "A",
    "padded": lambda t: t + "=",
    "no signature": lambda t: t.rpartition(".")[0],
    "empty signature": lambda t: t.rpartition(".")[0] + ".",
    "alg none": lambda t: alg_none(t, kid=False),
    "alg none with our kid": lambda t: alg_none(t, kid=True),
    "other secret": lambda t: signed(t, "z" * 40, "test-kid"),
    "unknown kid": lambda t: signed(t, SECRET, "other-kid"),
    "no kid": lambda t: signed(t, SECRET, None),
    "header is a list": lambda t: f"{encoded(['HS256'])}.{t.split('.', 1)[1]}",
    "header holds a NUL": lambda t: f"{encoded({'kid': chr(0)})}.{t.split('.', 1)[1]}",
    "header is no UTF-8": lambda t: f"__79.{t.split('.', 1)[1]}",
    "header is no base64": lambda t: f"%%%.{t.split('.', 1)[1]}",
    "four parts": lambda t: t + ".e30",
    "garbage": lambda t: "garbage",
    "dots": lambda t: "..",
    "umlauts": lambda t: "ä.ö.ü",
    "empty": lambda t: "",
    "null": lambda t: None,
    "long": lambda t: "A" * 100_000 + "." + t.split(".", 1)[1],
}


def test_a_token_that_we_did_not_sign_is_nobodys(world: Any, job: dict[str, Any], refused: Any) -> None:
    for forgery, forge in FORGERIES.items():
        print(forgery)  # the last one printed is the one that was taken
        token = forge(job["token"])
        with refused("PT403", "invalid_job_token"):
            beat(world, token)
        with refused("PT403", "invalid_job_token"):
            world.worker.rpc("fail_job", p_job_token=token, p_code="refused")
    assert world.value("select state from agent.jobs") == "running"
    assert beat(world, job["token"])


def test_a_token_of_ours_for_another_purpose_is_no_jobs_token(world: Any, job: dict[str, Any], refused: Any) -> None:
    worker_key = world.value("select agent.mint_worker_key('another', 1)")
    claims = {k: v for k, v in decode(job["token"]).items() if k != "act"}
    persons = jwt.encode(
        claims, SECRET, "HS256", headers={"kid": "test-kid"}
    )  # Auth, on a project with the legacy secret
    for token in (worker_key, persons):
        with refused("PT403", "invalid_job_token"):
            beat(world, token)


def test_a_token_is_judged_by_its_fence_and_not_by_the_clock(world: Any, job: dict[str, Any]) -> None:
    late = signed(job["token"], SECRET, "test-kid", exp=1)
    assert decode(beat(world, late))["fence"] == job["fence"]


def test_the_job_of_a_token_may_be_gone(world: Any, job: dict[str, Any], refused: Any) -> None:
    world.conn.execute("delete from agent.jobs")
    with refused("PT409", "stale_fence"):
        beat(world, job["token"])


def test_revoking_a_worker_key_ends_it_at_once(world: Any, refused: Any) -> None:
    world.request()
    assert world.value("select agent.revoke_worker_key(%s)", world.worker_jti) is True
    with refused("PT401", "worker_key_refused"):
        world.claim()
    assert world.value("select agent.revoke_worker_key(%s)", world.worker_jti) is False
    audited = world.one("select actor, entity_id from agent.audit_log where action = 'worker_key_revoked'")
    assert audited == {"actor": "database", "entity_id": world.worker_jti}


def test_revoking_a_worker_key_ends_the_tokens_of_its_jobs_and_frees_them(
    world: Any, job: dict[str, Any], refused: Any
) -> None:
    stolen = world.worker_jti
    another = read_claims(world.value("select agent.mint_worker_key('another', 1)"))["jti"]
    assert world.value("select agent.revoke_worker_key(%s)", another) is True
    assert world.agent(job).rpc("get_client_context", p_client_id=world.clients["Acme"]), "that was another's key"

    assert world.value("select agent.revoke_worker_key(%s)", stolen) is True
    for hook in (True, False):
        with refused("PT409" if hook else "PT403"):
            world.agent(job, hook=hook).rpc("get_client_context", p_client_id=world.clients["Acme"])
        with refused("PT409", "stale_fence"):
            world.agent(job, hook=hook).rpc("complete_draft_job", p_content="Late.", p_subject="Late")
    world.worker_jti = read_claims(world.value("select agent.mint_worker_key('the next', 1)"))["jti"]
    with refused("PT409", "stale_fence"):
        beat(world, job["token"])
    assert world.claim()[0]["job_id"] == job["job_id"]


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "agent_worker"])
def test_no_role_of_the_api_reads_agents_tables_or_vault(world: Any, refused: Any, role: str) -> None:
    ours = (
        "select oid::regclass::text from pg_class where relnamespace = 'agent'::regnamespace and relkind in ('r', 'p')"
    )
    tables = world.conn.execute(ours).fetchall()
    assert len(tables) >= 5
    caller = world.person("eve") if role == "authenticated" else world.caller(role, jti=str(world.worker_jti))
    caller.hook = False
    for (table,) in [*tables, ("vault.secrets",), ("vault.decrypted_secrets",)]:
        for statement in (f"select from {table}", f"delete from {table}", f"truncate {table}"):
            with refused("42501", match="permission denied"):
                caller.sql(statement)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "agent_worker"])
def test_no_role_of_the_api_signs_or_verifies(world: Any, job: dict[str, Any], refused: Any, role: str) -> None:
    caller = world.person("eve") if role == "authenticated" else world.caller(role, jti=str(world.worker_jti))
    caller.hook = False
    for call in (
        "mint_worker_key('x', 1)",
        "mint_job_token(null)",
        "sign_jwt('{}')",
        "verify_jwt('x')",
        "jwt_signature('x', 'test-kid')",
        "add_signing_key('x', 'test_secret')",
        "add_standby_key('x', 'test_secret')",
        "promote_signing_key('test-kid')",
        "retire_signing_key('test-kid')",
        "signing_kid()",
        f"revoke_worker_key('{world.worker_jti}')",
        "require_worker()",
        "job_of_token('x')",
        f"close_jobs(array['{job['job_id']}']::uuid[], 'failed', 'refused')",
        "current_job()",
    ):
        with refused("42501", match="permission denied for function"):
            caller.sql(f"select agent.{call}")
    assert world.value("select state from agent.jobs") == "running"
