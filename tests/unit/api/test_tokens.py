"""Whose token is believed: those that Auth signed, for people, now."""

import asyncio
import base64
import json
import time
import uuid

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import SecretStr

from agent_service.api.auth import Verifier
from agent_service.api.problems import ProblemError
from agent_service.errors import ServerUnreachableError

URL = "http://auth.example/auth/v1"
KID = "users"
USER = str(uuid.uuid4())
OURS, THEIRS = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
SECRET = "a legacy secret of at least 32 bytes"


def jwk(key, kid, algorithm="ES256"):
    family = jwt.algorithms.ECAlgorithm if algorithm == "ES256" else jwt.algorithms.RSAAlgorithm
    return json.loads(family.to_jwk(key.public_key())) | {"kid": kid, "alg": algorithm, "use": "sig"}


def claims(**changes):
    now = int(time.time())
    whole = {"sub": USER, "aud": "authenticated", "iss": URL, "iat": now, "exp": now + 600, "role": "authenticated"}
    return {name: value for name, value in (whole | changes).items() if value is not ...}


def sign(payload=None, *, key=OURS, algorithm="ES256", **headers):
    return jwt.encode(payload or claims(), key, algorithm=algorithm, headers={"kid": KID} | headers)


class Auth:
    """Supabase Auth with one key of each kind, which also knows its legacy secret."""

    def __init__(self):
        self.asked = []
        self.keys = [jwk(OURS, KID), jwk(RSA, "rsa", "RS256")]
        self.is_away = False

    def __call__(self, request):
        self.asked.append(request.url.path.rpartition("/")[2])
        if self.is_away:
            raise httpx.ConnectError("away")
        if request.url.path.endswith("jwks.json"):
            return httpx.Response(200, json={"keys": self.keys})
        try:
            token = request.headers["authorization"].removeprefix("Bearer ")
            found = jwt.decode(token, SECRET, algorithms=["HS256"], audience="authenticated")
        except jwt.InvalidTokenError:
            return httpx.Response(403, json={"code": "bad_jwt"})
        return httpx.Response(200, json={"id": found["sub"]})


@pytest.fixture
def auth():
    return Auth()


@pytest.fixture
def verify(auth):
    """Verify tokens, one after the other, with one verifier."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(auth))
    verifier = Verifier(http, auth_url=URL, publishable_key=SecretStr("sb_publishable_x"), issuer=URL)

    async def each(tokens):
        found = []
        for token in tokens:
            try:
                found.append(await verifier.verify(f"Bearer {token}"))
            except ProblemError as refusal:
                found.append(refusal)
        return found

    def verify(*tokens):
        found = asyncio.run(each(tokens))
        return found[0] if len(found) == 1 else found

    verify.verifier = verifier
    return verify


@pytest.mark.parametrize(
    "token",
    [sign(), sign(key=RSA, algorithm="RS256", kid="rsa"), sign(claims(aud=["x", "authenticated"]))],
    ids=["ES256", "RS256", "several audiences"],
)
def test_a_persons_token_is_believed_without_asking_auth(verify, auth, token):
    assert str(verify(token).user_id) == USER
    assert auth.asked == ["jwks.json"]


def unsigned():
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in
             ({"alg": "none", "typ": "JWT", "kid": KID}, claims())]  # fmt: skip
    return ".".join([*parts, ""])


def signed_with_the_public_key(kid=KID):
    """HS256 with what everybody knows for a secret. PyJWT refuses to make one, so by hand."""
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    pem = OURS.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in
             ({"alg": "HS256", "typ": "JWT", "kid": kid}, claims())]  # fmt: skip
    mac = hmac.new(pem, ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, base64.urlsafe_b64encode(mac).decode().rstrip("=")])


def with_other_claims():
    header, _, signature = sign().split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(sub=str(uuid.uuid4()))).encode()).decode().rstrip("=")
    return f"{header}.{body}.{signature}"


NOW = int(time.time())
REFUSED = {
    "alg none": (unsigned, 401),
    "HS256 with the public key": (signed_with_the_public_key, 401),
    "HS256 with the public key, no such kid": (lambda: signed_with_the_public_key("other"), 401),
    "another's key under our kid": (lambda: sign(key=THEIRS), 401),
    "other claims under the signature": (with_other_claims, 401),
    "RS256 under the kid of ES256": (lambda: sign(key=RSA, algorithm="RS256"), 401),
    "expired": (lambda: sign(claims(exp=NOW - 60)), 401),
    "expired, as text": (lambda: sign(claims(exp=str(NOW + 600))), 401),
    "expires never": (lambda: sign(claims(exp=float("inf"))), 401),
    "no exp": (lambda: sign(claims(exp=...)), 401),
    "no iat": (lambda: sign(claims(iat=...)), 401),
    "no sub": (lambda: sign(claims(sub=...)), 401),
    "no aud": (lambda: sign(claims(aud=...)), 401),
    "no iss": (lambda: sign(claims(iss=...)), 401),
    "issued in the future": (lambda: sign(claims(iat=NOW + 3600)), 401),
    "not valid yet": (lambda: sign(claims(nbf=NOW + 3600)), 401),
    "another audience": (lambda: sign(claims(aud="other")), 401),
    "another issuer": (lambda: sign(claims(iss="http://evil.example/auth/v1")), 401),
    "a sub that is no user": (lambda: sign(claims(sub="admin")), 401),
    "act": (lambda: sign(claims(act={"sub": "agent_worker"})), 403),
    "act null": (lambda: sign(claims(act=None)), 403),
    "act false": (lambda: sign(claims(act=False)), 403),
    "role anon": (lambda: sign(claims(role="anon")), 403),
    "role worker": (lambda: sign(claims(role="agent_worker")), 403),
    "role service": (lambda: sign(claims(role="service_role")), 403),
    "no role": (lambda: sign(claims(role=...)), 403),
    "an agent's, signed with the legacy secret": (
        lambda: sign(claims(act=None), key=SECRET, algorithm="HS256"),
        403,
    ),
    "expired, signed with the legacy secret": (lambda: sign(claims(exp=NOW - 60), key=SECRET, algorithm="HS256"), 401),
    "no exp, signed with the legacy secret": (lambda: sign(claims(exp=...), key=SECRET, algorithm="HS256"), 401),
    "another audience, legacy": (lambda: sign(claims(aud="other"), key=SECRET, algorithm="HS256"), 401),
    "another issuer, legacy": (lambda: sign(claims(iss="x"), key=SECRET, algorithm="HS256"), 401),
    "another secret": (lambda: sign(key="x" * 32, algorithm="HS256"), 401),
    "ES384": (
        lambda: sign(key=ec.generate_private_key(ec.SECP384R1()), algorithm="ES384"),
        401,
    ),
    "no JWT": (lambda: "not.a.jwt", 401),
    "two parts": (lambda: sign().rpartition(".")[0], 401),
    "a publishable key": (lambda: "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH", 401),
    "empty": (lambda: "", 401),
    "very long": (lambda: sign() + "A" * 10_000, 401),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_token_that_is_refused(verify, name):
    make, status = REFUSED[name]
    refusal = verify(make())
    assert isinstance(refusal, ProblemError), refusal
    assert refusal.status == status


def test_a_token_ends_while_it_is_remembered(verify, monkeypatch):
    token = sign()
    assert str(verify(token).user_id) == USER
    later = time.time() + 700
    monkeypatch.setattr("agent_service.api.auth.time.time", lambda: later)
    assert verify(token).problem.code == "token_expired"


def test_a_storm_of_unknown_kids_asks_for_the_keys_once_a_minute(verify, auth, monkeypatch):
    verify(*(sign(key=THEIRS, kid=str(number)) for number in range(50)))
    assert auth.asked.count("jwks.json") == 1
    clock = time.monotonic() + 61
    monkeypatch.setattr("agent_service.api.keys.time.monotonic", lambda: clock)
    verify(*(sign(key=THEIRS, kid=f"later-{number}") for number in range(50)))
    assert auth.asked.count("jwks.json") == 2


def test_a_new_key_is_found_and_one_taken_out_forgotten(verify, auth, monkeypatch):
    new = sign(key=THEIRS, kid="new")
    assert verify(sign(), new)[1].status == 401
    auth.keys = [jwk(THEIRS, "new")]
    clock = time.monotonic() + 61
    monkeypatch.setattr("agent_service.api.keys.time.monotonic", lambda: clock)
    found, old = verify(sign(key=THEIRS, kid="new", typ="JWT"), sign())
    assert str(found.user_id) == USER
    assert old.status == 401


def test_a_legacy_token_is_checked_with_auth_once_in_30_seconds(verify, auth, monkeypatch):
    token = sign(key=SECRET, algorithm="HS256")
    assert {str(caller.user_id) for caller in verify(token, token, token)} == {USER}
    assert auth.asked.count("user") == 1
    clock = time.monotonic() + 31
    monkeypatch.setattr("agent_service.api.auth.time.monotonic", lambda: clock)
    verify(token)
    assert auth.asked.count("user") == 2


def test_auth_away_is_no_verdict_on_a_token(verify, auth):
    auth.is_away = True
    with pytest.raises(ServerUnreachableError):
        verify(sign())
    with pytest.raises(ServerUnreachableError):
        verify(sign(key=SECRET, algorithm="HS256"))


def test_known_keys_hold_while_auth_is_away(verify, auth, monkeypatch):
    assert str(verify(sign()).user_id) == USER
    auth.is_away = True
    clock = time.monotonic() + 3600
    monkeypatch.setattr("agent_service.api.keys.time.monotonic", lambda: clock)
    assert str(verify(sign(claims(session_id="x"))).user_id) == USER
