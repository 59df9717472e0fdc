"""Checks JWTs the way PostgREST does: by the header's kid among the trusted keys, claims with 30 s of skew."""

from __future__ import annotations

import base64
import json
import re
import time
from functools import lru_cache
from typing import Any, NoReturn

from jwt import PyJWK

from agent_service.devstack.gateway.errors import RestError
from agent_service.devstack.keys import StackKeys

__all__ = ["TokenError", "verify"]

SKEW_SECONDS = 30
ALGORITHMS = ["none", "EdDSA", *(f"{family}{bits}" for family in ("ES", "HS", "RS") for bits in (256, 384, 512))]
BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")
BAD_CRYPTO = "JWT cryptographic operation failed"
NO_KEY = "No suitable key or wrong key type"
UNSECURED = "JWT is unsecured but expected 'alg' was not 'none'"


class TokenError(RestError):
    """The token is not to be trusted; `code` is PGRST301 (cannot be read) or PGRST303 (its claims refuse it)."""

    def __init__(self, code: str, message: str, details: str | None = None) -> None:
        challenge = f'Bearer error="invalid_token", error_description="{message}"'
        super().__init__(code, message, details=details, headers={"WWW-Authenticate": challenge})


def verify(token: str, keys: StackKeys) -> dict[str, Any]:
    """Return the claims of a token signed by one of `keys` and valid now, or raise TokenError.

    Unlike PyJWT, a token without `exp` is accepted, `aud` is not compared, and a fractional time counts as 0.
    """
    claims = dict(_signed_claims(token, keys.trusted))
    now = int(time.time())
    if (expires := _seconds(claims, "exp")) is not None and expires < now - SKEW_SECONDS:
        raise TokenError("PGRST303", "JWT expired")
    if (begins := _seconds(claims, "nbf")) is not None and begins > now + SKEW_SECONDS:
        raise TokenError("PGRST303", "JWT not yet valid")
    if (issued := _seconds(claims, "iat")) is not None and issued > now + SKEW_SECONDS:
        raise TokenError("PGRST303", "JWT issued at future")
    audience = claims.get("aud")
    names = audience if isinstance(audience, list) else [audience]
    if audience is not None and not all(isinstance(name, str) for name in names):
        raise TokenError("PGRST303", "The JWT 'aud' claim must be a string or an array of strings")
    return claims


def _seconds(claims: dict[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenError("PGRST303", f"The JWT '{name}' claim must be a number")
    return int(value) if value == value // 1 and abs(value) < 2**63 else 0


# A client sends the same token for minutes, and checking an ES256 signature costs as much as a small query. The keys
# are part of what is remembered: a token of a key that is revoked is checked again.
@lru_cache(maxsize=1024)
def _signed_claims(token: str, trusted: tuple[PyJWK, ...]) -> dict[str, Any]:
    if not token:
        raise TokenError("PGRST301", "Empty JWT is sent in Authorization header")
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenError("PGRST301", f"Expected 3 parts in JWT; got {len(parts)}")
    header, payload, signature = _read(parts)
    algorithm, kid = header["alg"], header.get("kid")
    if algorithm == "none":
        raise TokenError("PGRST301", "Wrong or unsupported encoding algorithm", UNSECURED)
    # The key decides the algorithm, never the token: an HS256 token must not be checked against a public key.
    candidates = [key for key in trusted if key.algorithm_name == algorithm and kid in (None, key.key_id)]
    if not candidates:
        raise TokenError("PGRST301", NO_KEY, "No suitable key was found to decode the JWT")
    signed = f"{parts[0]}.{parts[1]}".encode()
    if not any(key.Algorithm.verify(signed, key.key, signature) for key in candidates):
        raise TokenError("PGRST301", NO_KEY, "None of the keys was able to decode the JWT")
    try:
        claims = json.loads(payload, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise TokenError("PGRST303", "Parsing claims failed") from exc
    if not isinstance(claims, dict):
        raise TokenError("PGRST303", "Parsing claims failed")
    return claims


def _read(parts: list[str]) -> tuple[dict[str, Any], bytes, bytes]:
    """Return header, payload and signature, or refuse what PostgREST's library cannot read.

    That is a header without an algorithm it knows or with a kid that is no text. It knows no other parameters, so that
    crit, jku and jwk are passed over.
    """
    try:
        header = json.loads(_decode(parts[0]), parse_constant=_refuse_constant)
        payload, signature = _decode(parts[1]), _decode(parts[2])
    except (ValueError, RecursionError) as exc:
        raise TokenError("PGRST301", BAD_CRYPTO) from exc
    texts = ("kid", "typ", "cty")
    if (
        not isinstance(header, dict)
        or header.get("alg") not in ALGORITHMS
        or "enc" in header  # encrypted, which has five parts
        or not all(isinstance(header.get(name), str | None) for name in texts)
    ):
        raise TokenError("PGRST301", BAD_CRYPTO)
    return header, payload, signature


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _decode(part: str) -> bytes:
    # Python's decoder drops characters it does not know, which would give one token many spellings.
    if not BASE64URL.match(part):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
