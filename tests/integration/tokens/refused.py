"""Tokens that PostgREST itself refuses, with its code, message and details, and the rule that each stands for.

Rules: [K] a key is chosen by kid and algorithm, and verifies; [H] a header that the library cannot read; [F] the form;
[C] the claims, with 30 s of skew. They are PostgREST 14's: what its documentation leaves open is as in its source and
in that of its library, jose-jwt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .forging import Forge, part

NO_KEY = "No suitable key or wrong key type"
NONE_FITS = "No suitable key was found to decode the JWT"
NONE_VERIFIES = "None of the keys was able to decode the JWT"
BAD_CRYPTO = "JWT cryptographic operation failed"
UNSECURED = "JWT is unsecured but expected 'alg' was not 'none'"
NOT_TEXT = "The JWT 'aud' claim must be a string or an array of strings"


@dataclass(frozen=True)
class Row:
    """One token; `message` and `details` are what the answer says."""

    rule: str
    make: Callable[[Forge], str]
    code: str
    message: str
    details: str | None = None


def unverified(rule: str, make: Callable[[Forge], str], details: str = NONE_VERIFIES) -> Row:
    return Row(f"[K] {rule}", make, "PGRST301", NO_KEY, details)


def unreadable(rule: str, make: Callable[[Forge], str]) -> Row:
    return Row(f"[H] {rule}", make, "PGRST301", BAD_CRYPTO)


def parts(number: int, make: Callable[[Forge], str]) -> Row:
    return Row(f"[F] {number} parts", make, "PGRST301", f"Expected 3 parts in JWT; got {number}")


def claim(rule: str, message: str, make: Callable[[Forge], str]) -> Row:
    return Row(f"[C] {rule}", make, "PGRST303", message)


def header(**changes: object) -> Callable[[Forge], str]:
    return lambda forge: forge.shared(header=changes)


KEYS = [
    unverified("forged: another ES256 key that calls itself by the right kid", lambda f: f.stranger()),
    unverified("forged: another secret under the agent's kid", lambda f: f.shared(secret=b"x" * 64)),
    unverified("forged: the empty secret", lambda f: f.shared(secret=b"")),
    unverified("forged: the publishable key as secret, without kid",
               lambda f: f.shared(secret=f.keys.publishable_key.encode(), header={"kid": None})),
    unverified("changed after signing: another sub", lambda f: f.swapped(sub="00000000-0000-4000-8000-000000000001")),
    unverified("changed after signing: another role", lambda f: f.swapped(role="service_role")),
    unverified("the signature cut short", lambda f: f.user()[:-10]),
    unverified("no signature", lambda f: f.user().rpartition(".")[0] + "."),
    unverified("the signature of 32 zero bytes", lambda f: f.shared().rpartition(".")[0] + "." + part(bytes(32))),
    unverified("wrong algorithm: HS512 over the agent's HS256 secret", header(alg="HS512"), NONE_FITS),
    unverified("wrong algorithm: HS384 over the agent's HS256 secret", header(alg="HS384"), NONE_FITS),
    unverified("wrong algorithm: RS256 in the header, HMAC beneath", header(alg="RS256"), NONE_FITS),
    unverified("wrong algorithm: ES256 under the kid of a shared secret", header(alg="ES256"), NONE_FITS),
    unverified("wrong algorithm: EdDSA", header(alg="EdDSA"), NONE_FITS),
    unverified("key confusion: the public key as JWK for an HMAC secret", lambda f: f.confused("jwk"), NONE_FITS),
    unverified("key confusion: as PEM", lambda f: f.confused("pem"), NONE_FITS),
    unverified("key confusion: as a point", lambda f: f.confused("point"), NONE_FITS),
    unverified("unknown kid", header(kid="another"), NONE_FITS),
    unverified("the kid of a key of another kind", lambda f: f.shared(header={"kid": f.keys.user_kid}), NONE_FITS),
    unverified("the kid is an address", header(kid="https://keys.example.com/1"), NONE_FITS),
    unverified("the kid is SQL", header(kid="' or '1'='1"), NONE_FITS),
    unverified("the kid is empty", header(kid=""), NONE_FITS),
    unverified("a key brought along in jwk", lambda f: f.shared(
        secret=b"y" * 64, header={"jwk": {"kty": "oct", "k": part(b"y" * 64), "kid": f.keys.agent_kid}})),
    unverified("an address to fetch a key from, jku", lambda f: f.shared(
        secret=b"y" * 64, header={"jku": "https://keys.example.com/jwks.json"})),
    unverified("an address to fetch a certificate from, x5u", lambda f: f.shared(
        secret=b"y" * 64, header={"x5u": "https://keys.example.com/cert.pem"})),
    Row("[K] alg none", lambda f: f.unsigned(), "PGRST301", "Wrong or unsupported encoding algorithm", UNSECURED),
    Row("[K] alg none with a signature", lambda f: f.unsigned(signature=part(b"x")), "PGRST301",
        "Wrong or unsupported encoding algorithm", UNSECURED),
]  # fmt: skip
HEADERS = [
    unreadable("alg None", lambda f: f.unsigned("None")),
    unreadable("alg hs256 in lower case", header(alg="hs256")),
    unreadable("alg PS256, which the library does not know", header(alg="PS256")),
    unreadable("no alg", header(alg=None)),
    unreadable("alg is a list", header(alg=["HS256"])),
    unreadable("kid is a number", header(kid=1)),
    unreadable("typ is a number", header(typ=1)),
    unreadable("encrypted: enc", header(enc="A256GCM")),
    unreadable("random characters", lambda _: "quifquirndsj.fonvoienqhh.iuqvnvhoja"),
    unreadable("the header is not base64url", lambda f: "e+/=" + f.user()),
    unreadable("the header is not JSON", lambda f: part(b"{") + "." + f.user().partition(".")[2]),
    unreadable("the header is a list", lambda f: part([]) + "." + f.user().partition(".")[2]),
    unreadable("the header is not UTF-8", lambda f: part(b"\xff") + "." + f.user().partition(".")[2]),
    unreadable("the header is nested without end", lambda f: part(b"[" * 20_000) + "." + f.user().partition(".")[2]),
    unreadable("the payload is not base64url", lambda f: f.user().replace(".", ".!", 1)),
    unreadable("the signature is not base64url", lambda f: f.user() + "!"),
]
FORMS = [
    Row("[F] empty", lambda _: "", "PGRST301", "Empty JWT is sent in Authorization header"),
    parts(1, lambda _: "one"),
    parts(2, lambda f: f.user().rpartition(".")[0]),
    parts(4, lambda f: f.user() + ".more"),
    parts(5, lambda _: "an.encrypted.token.has.five"),
]
CLAIMS = [
    claim("expired", "JWT expired", lambda f: f.user(exp=f.now - 60)),
    claim("expired by 31 s", "JWT expired", lambda f: f.user(exp=f.now - 31)),
    claim("expired at 0", "JWT expired", lambda f: f.user(exp=0)),
    claim("negative exp", "JWT expired", lambda f: f.user(exp=-(2**40))),
    claim("exp with a fraction counts as 0, even in the future", "JWT expired", lambda f: f.user(exp=f.now + 600.5)),
    claim("exp beyond 64 bits counts as 0", "JWT expired", lambda f: f.user(exp=2**63)),
    claim("exp of 1e300 counts as 0", "JWT expired", lambda f: f.user(exp=1e300)),
    *(claim(f"exp is {kind}", "The JWT 'exp' claim must be a number", lambda f, value=value: f.user(exp=value))
      for kind, value in (("text", "9999999999"), ("true", True), ("a list", [9999999999]), ("an object", {}))),
    claim("not valid before a time to come", "JWT not yet valid", lambda f: f.user(nbf=f.now + 120)),
    claim("nbf is text", "The JWT 'nbf' claim must be a number", lambda f: f.user(nbf="0")),
    claim("issued at a time to come", "JWT issued at future", lambda f: f.user(iat=f.now + 120)),
    claim("iat is text", "The JWT 'iat' claim must be a number", lambda f: f.user(iat="0")),
    *(claim(f"aud is {kind}", NOT_TEXT, lambda f, value=value: f.user(aud=value))
      for kind, value in (("a number", 5), ("an object", {"x": "authenticated"}), ("a mixed list", ["x", 5]))),
    *(claim(f"the payload is {kind}", "Parsing claims failed", lambda f, value=value: f.shared(payload=value))
      for kind, value in (("not JSON", b"role=authenticated"), ("a list", b"[]"), ("text", b'"x"'), ("null", b"null"),
                          ("empty", b""), ("not UTF-8", b'{"role": "\xff"}'), ("NaN", b'{"exp": NaN}'),
                          ("nested without end", b"[" * 20_000))),
]  # fmt: skip
REFUSED = [*KEYS, *HEADERS, *FORMS, *CLAIMS]
