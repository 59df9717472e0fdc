"""Who calls: a person, by a token that Supabase Auth signed. The API has no key to sign or to verify a secret with."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import httpx
import jwt
from pydantic import SecretStr

from agent_service._jwt import unverified_claims
from agent_service.api.keys import ALGORITHMS, KeySet
from agent_service.api.problems import ProblemError
from agent_service.errors import ServerUnreachableError

__all__ = ["Caller", "Verifier"]

AUDIENCE = "authenticated"
REQUIRED = ("exp", "iat", "sub", "aud", "iss")
SKEW_SECONDS = 10.0
USER_SECONDS = 30.0
USER_ANSWERS = 10_000  # remembered at most
ASKING_AT_ONCE = 8  # forged tokens must not become a flood upon Auth
MAX_TOKEN = 8192


@dataclass(frozen=True, slots=True)
class Caller:
    """A person who is signed in. expires_at: Unix time."""

    user_id: UUID
    token: SecretStr
    expires_at: float


class Verifier:
    """Turns the Authorization header into a Caller, or refuses it."""

    def __init__(self, http: httpx.AsyncClient, *, auth_url: str, publishable_key: SecretStr, issuer: str) -> None:
        self._http = http
        self._user_url = f"{auth_url}/user"
        self._apikey = publishable_key
        self._issuer = issuer
        self._keys = KeySet(http, f"{auth_url}/.well-known/jwks.json")
        self._asking = asyncio.Semaphore(ASKING_AT_ONCE)
        self._answers: dict[bytes, tuple[float, bool]] = {}

    async def verify(self, authorization: str | None) -> Caller:
        """Return who it is. Raises ProblemError (401, 403), or ServerUnreachableError where Auth cannot be asked."""
        token = _bearer(authorization)
        claims = await self._claims(token)
        _check_times(claims)
        _check_person(claims)
        try:
            user_id = UUID(claims["sub"])
        except ValueError:
            raise _refusal("Its sub is no id of a user.") from None
        return Caller(user_id, SecretStr(token), float(claims["exp"]))

    async def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise _refusal("It is no JWT.") from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm in ALGORITHMS and isinstance(kid, str) and (key := await self._keys.find(kid)) is not None:
            if key.algorithm_name != algorithm:
                raise _refusal("Its key is for another algorithm.")
            try:
                return _signed_claims(token, key, self._issuer)
            except jwt.InvalidTokenError as error:
                raise _refusal(f"{type(error).__name__}.") from None
        if algorithm not in (*ALGORITHMS, "HS256"):
            raise _refusal("It is not signed with an algorithm that is accepted.")
        return await self._claims_by_auth(token)

    async def _claims_by_auth(self, token: str) -> Mapping[str, Any]:
        """Of a token that the key set cannot verify, such as one signed with a project's legacy secret: Auth can."""
        claims = unverified_claims(token)
        _check_person(claims)
        if missing := [name for name in REQUIRED if claims.get(name) is None]:
            raise _refusal(f"It lacks {', '.join(missing)}.")
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if AUDIENCE not in audience or claims["iss"] != self._issuer or not isinstance(claims["sub"], str):
            raise _refusal("It was issued by or for somebody else.")
        _check_times(claims)  # before Auth is troubled with it
        digest = hashlib.sha256(token.encode()).digest()
        until, is_good = self._answers.get(digest, (0.0, False))
        if time.monotonic() >= until:
            is_good = await self._ask(token, claims["sub"])
            self._remember(digest, is_good=is_good)
        if not is_good:
            raise _refusal("Supabase Auth does not accept it.")
        return claims

    def _remember(self, digest: bytes, *, is_good: bool) -> None:
        if len(self._answers) >= USER_ANSWERS:
            self._answers.clear()
        self._answers[digest] = (time.monotonic() + USER_SECONDS, is_good)

    async def _ask(self, token: str, subject: str) -> bool:
        headers = {"apikey": self._apikey.get_secret_value(), "Authorization": f"Bearer {token}"}
        try:
            async with self._asking:
                answer = await self._http.get(self._user_url, headers=headers)
            if answer.status_code >= 500 or answer.status_code == 429:
                raise ServerUnreachableError("Supabase Auth cannot answer now.")
            return answer.status_code == 200 and answer.json().get("id") == subject
        except (httpx.HTTPError, ValueError, AttributeError) as error:
            raise ServerUnreachableError("Supabase Auth could not be asked.") from error


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or token.startswith("sb_"):
        raise ProblemError(401, "not_signed_in", "You are not signed in.", hint="Send your access token as Bearer.")
    if len(token) > MAX_TOKEN or not token.isascii():
        raise _refusal("It is no JWT.")
    return token


# A client sends the same token for an hour, and checking its signature takes longer than all else we do for a request.
# Times are checked at each request; the key is part of what is remembered.
@lru_cache(maxsize=4096)
def _signed_claims(token: str, key: jwt.PyJWK, issuer: str) -> Mapping[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name],
        audience=AUDIENCE,
        issuer=issuer,
        options={"require": list(REQUIRED), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
    )


def _check_times(claims: Mapping[str, Any]) -> None:
    now = time.time()
    if _seconds(claims, "exp") <= now - SKEW_SECONDS:
        raise ProblemError(401, "token_expired", "Your sign-in has run out.", hint="Refresh the session.")
    if _seconds(claims, "iat") > now + SKEW_SECONDS:
        raise _refusal("It was issued in the future.")
    if claims.get("nbf") is not None and _seconds(claims, "nbf") > now + SKEW_SECONDS:
        raise _refusal("It is not valid yet.")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refusal(f"Its {name} is no time.")
    return float(value)


def _check_person(claims: Mapping[str, Any]) -> None:
    # Whatever its value: `act: null` is an agent's token too.
    if "act" in claims:
        raise ProblemError(403, "agent_refused", "An agent may not do this.", hint="A person has to, signed in.")
    if claims.get("role") != "authenticated":
        raise ProblemError(403, "person_required", "This is for people who are signed in.")


def _refusal(why: str) -> ProblemError:
    return ProblemError(401, "token_refused", "This token is not accepted.", hint=f"{why} Sign in again.")
