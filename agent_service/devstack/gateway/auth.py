"""The parts of Supabase Auth that signed-in clients need: password, refresh, user, sign-out and the key set.

Answers and error codes are Supabase Auth's. Signing up, mail and other providers are not part of the local stack.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_service.devstack.gateway.tokens import TokenError, verify
from agent_service.devstack.keys import StackKeys
from agent_service.devstack.users import MAX_PASSWORD_BYTES, hash_password, verify_password

__all__ = ["AuthError", "auth_routes"]

ACCESS_SECONDS = 3600
REUSE_INTERVAL = timedelta(seconds=10)
MIN_PASSWORD_LENGTH = 6
API_VERSION = "2024-01-01"

Connection = AsyncConnection[DictRow]
Handler = Callable[["Auth", Request], Awaitable[Response]]


class AuthError(Exception):
    """A request that Auth refuses; what its transaction wrote is undone."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def response(self, request: Request) -> Response:
        """In the shape of the API version the client asked for; the echoed version tells it which."""
        if request.headers.get("x-supabase-api-version", "") < API_VERSION:
            body = {"code": self.status, "error_code": self.code, "msg": self.message}
            return JSONResponse(body, self.status, {"x-sb-error-code": self.code})
        headers = {"x-sb-error-code": self.code, "x-supabase-api-version": API_VERSION}
        return JSONResponse({"code": self.code, "message": self.message}, self.status, headers)


def auth_routes(*, pool: AsyncConnectionPool[Any], keys: StackKeys, issuer: str) -> list[Route]:
    """Return the routes below /auth/v1. `pool` connects as supabase_auth_admin; `issuer` becomes the tokens' `iss`."""
    auth = Auth(pool, keys, issuer)

    def route(path: str, method: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                return await handler(auth, request)
            except AuthError as error:
                return error.response(request)

        return Route(path, endpoint, methods=[method])

    return [
        route("/token", "POST", Auth.token),
        route("/user", "GET", Auth.get_user),
        route("/user", "PUT", Auth.update_user),
        route("/logout", "POST", Auth.logout),
        route("/signup", "POST", Auth.sign_up),
        route("/.well-known/jwks.json", "GET", Auth.jwks),
        route("/health", "GET", Auth.health),
    ]


@dataclass(frozen=True)
class Auth:
    """The handlers and what they share."""

    pool: AsyncConnectionPool[Any]
    keys: StackKeys
    issuer: str

    async def token(self, request: Request) -> Response:
        """Sign in or refresh. Authorization is not looked at: clients send an expired token when they refresh."""
        grant = request.query_params.get("grant_type")
        body = await _read_body(request)
        if grant == "password":
            return JSONResponse(await self._sign_in(body, request))
        if grant == "refresh_token":
            return JSONResponse(await self._refresh(str(body.get("refresh_token") or "")))
        raise AuthError(400, "invalid_credentials", "unsupported_grant_type")

    async def _sign_in(self, body: dict[str, Any], request: Request) -> dict[str, Any]:
        email, password = body.get("email"), body.get("password")
        if not isinstance(email, str) or not isinstance(password, str) or not email or not password:
            raise AuthError(400, "validation_failed", "missing email or password")
        async with self.pool.connection() as connection:
            user = await _one(
                connection,
                "select * from auth.users where email = lower(%s) and not is_sso_user and deleted_at is null",
                email,
            )
            encrypted = user["encrypted_password"] if user else None
            if not await run_in_threadpool(verify_password, password, encrypted) or user is None:
                raise AuthError(400, "invalid_credentials", "Invalid login credentials")
            if _is_banned(user):
                raise AuthError(400, "user_banned", "User is banned")
            if user["email_confirmed_at"] is None:
                raise AuthError(400, "email_not_confirmed", "Email not confirmed")
            seen = "update auth.users set last_sign_in_at = now() where id = %s returning *"
            user = await _row(connection, seen, user["id"])
            session = await _row(
                connection,
                "insert into auth.sessions (id, user_id, created_at, updated_at, aal, user_agent, ip) "
                "values (%s, %s, now(), now(), 'aal1', %s, %s) returning *",
                *(uuid.uuid4(), user["id"], request.headers.get("user-agent"), request.client and request.client.host),
            )
            return self._answer(user, session, await _issue(connection, session, parent=None))

    async def _refresh(self, token: str) -> dict[str, Any]:
        async with self.pool.connection() as connection:
            answer = await self._rotate(connection, token)
        if answer is None:  # raised out here, so that the end of the session is committed
            raise AuthError(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
        return answer

    async def _rotate(self, connection: Connection, token: str) -> dict[str, Any] | None:
        """Return the session with its next refresh token; None if `token` was used before, which ends the session."""
        found = await _one(connection, "select session_id from auth.refresh_tokens where token = %s", token)
        # The session is locked first: two refreshes of one token take turns, and the second sees what the first did.
        lock = "select * from auth.sessions where id = %s for update"
        session = await _one(connection, lock, found["session_id"]) if found else None
        if session is None:
            raise AuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        user = await _one(connection, "select * from auth.users where id = %s", session["user_id"])
        if user is None or user["deleted_at"] is not None or _is_banned(user):
            raise AuthError(400, "user_banned", "Invalid Refresh Token: User Banned")
        if session["not_after"] is not None and session["not_after"] <= datetime.now(UTC):
            raise AuthError(400, "session_expired", "Invalid Refresh Token: Session Expired")

        used = await _row(connection, "select * from auth.refresh_tokens where token = %s", token)
        if not used["revoked"]:
            return self._answer(user, session, await _issue(connection, session, parent=token))
        newest = "select token from auth.refresh_tokens where session_id = %s and not revoked order by id desc limit 1"
        active = await _one(connection, newest, session["id"])
        # A client whose answer was lost, or two tabs: the same successor again, never a second one. (Hosted Auth
        # tolerates the direct predecessor for longer.)
        if active is not None and used["updated_at"] + REUSE_INTERVAL >= datetime.now(UTC):
            return self._answer(user, session, active["token"])
        await connection.execute("delete from auth.sessions where id = %s", [session["id"]])
        return None

    async def get_user(self, request: Request) -> Response:
        """The user as the database has it now."""
        async with self.pool.connection() as connection:
            user, _ = await self._caller(connection, request)
        return JSONResponse(_user_json(user))

    async def update_user(self, request: Request) -> Response:
        """Change the password or the user's own metadata; a new password ends the user's other sessions."""
        body = await _read_body(request)
        async with self.pool.connection() as connection:
            user, session = await self._caller(connection, request)
            if session is None:
                raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
            if body.get("email") or body.get("phone"):
                raise AuthError(400, "validation_failed", "The local stack cannot change an email address or phone")
            if body.get("password") is not None:
                encrypted = await _new_password(body["password"], user["encrypted_password"])
                await connection.execute(
                    "update auth.users set encrypted_password = %s where id = %s", [encrypted, user["id"]]
                )
                await connection.execute(
                    "delete from auth.sessions where user_id = %s and id <> %s", [user["id"], session["id"]]
                )
            if isinstance(body.get("data"), dict):
                await connection.execute(
                    "update auth.users set raw_user_meta_data = coalesce(raw_user_meta_data, '{}') || %s where id = %s",
                    [Jsonb(body["data"]), user["id"]],
                )
            user = await _row(
                connection, "update auth.users set updated_at = now() where id = %s returning *", user["id"]
            )
        return JSONResponse(_user_json(user))

    async def logout(self, request: Request) -> Response:
        """End this session, the others, or all; access tokens of an ended session are refused here at once."""
        scope = request.query_params.get("scope", "global")
        ended = {
            "global": "user_id = %(user)s",
            "local": "user_id = %(user)s and id = %(session)s",
            "others": "user_id = %(user)s and id <> %(session)s",
        }.get(scope)
        if ended is None:
            raise AuthError(400, "validation_failed", f'Unsupported logout scope "{scope}"')
        async with self.pool.connection() as connection:
            user, session = await self._caller(connection, request)
            values = {"user": user["id"], "session": session["id"] if session else None}
            await connection.execute(f"delete from auth.sessions where {ended}".encode(), values)  # noqa: S608  from the table above
        return Response(status_code=204)

    async def sign_up(self, _request: Request) -> Response:
        """Refused: a local stack's people are made by its owner."""
        raise AuthError(422, "signup_disabled", "Signups not allowed for this instance")

    async def jwks(self, _request: Request) -> Response:
        """Public keys only: a shared secret is never published."""
        return JSONResponse(self.keys.jwks_public(), headers={"cache-control": "public, max-age=600"})

    async def health(self, _request: Request) -> Response:
        """Say who answers."""
        return JSONResponse({"name": "account-manager-agent devstack", "description": "A stand-in for Supabase Auth"})

    async def _caller(self, connection: Connection, request: Request) -> tuple[DictRow, DictRow | None]:
        """Return the user and session of the bearer token; the session is None only if the token names none."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token")
        try:
            claims = {} if token.startswith("sb_") else verify(token.strip(), self.keys)
        except TokenError as error:
            message = f"invalid JWT: unable to parse or verify signature, {error}"
            raise AuthError(403, "bad_jwt", message) from error
        user_id, session_id = claims.get("sub"), claims.get("session_id")
        if not user_id:
            raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
        if not _is_uuid(user_id):
            raise AuthError(400, "bad_jwt", "invalid claim: sub claim must be a UUID")
        user = await _one(connection, "select * from auth.users where id = %s and deleted_at is null", user_id)
        if user is None:
            raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
        if _is_banned(user):
            raise AuthError(403, "user_banned", "User is banned")
        if not session_id:
            return user, None
        session = _is_uuid(session_id) and await _one(
            connection,
            "select * from auth.sessions where id = %s and user_id = %s and (not_after is null or not_after > now())",
            *(session_id, user_id),
        )
        if not session:
            raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return user, session

    def _answer(self, user: DictRow, session: DictRow, refresh_token: str) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": str(user["id"]),
            "aud": "authenticated",
            "exp": now + ACCESS_SECONDS,
            "iat": now,
            "email": user["email"] or "",
            "phone": user["phone"] or "",
            "app_metadata": user["raw_app_meta_data"] or {},
            "user_metadata": user["raw_user_meta_data"] or {},
            "role": user["role"] or "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": int(session["created_at"].timestamp())}],
            "session_id": str(session["id"]),
            "is_anonymous": user["is_anonymous"],
        }
        return {
            "access_token": self.keys.sign_user_token(claims),
            "token_type": "bearer",
            "expires_in": ACCESS_SECONDS,
            "expires_at": now + ACCESS_SECONDS,
            "refresh_token": refresh_token,
            "user": _user_json(user),
        }


async def _issue(connection: Connection, session: DictRow, *, parent: str | None) -> str:
    """Return a new refresh token for `session`; `parent` is used up by it."""
    token = secrets.token_urlsafe(12)
    await connection.execute(
        "update auth.refresh_tokens set revoked = true, updated_at = now() where token = %s", [parent]
    )
    await connection.execute(
        "insert into auth.refresh_tokens (token, user_id, revoked, created_at, updated_at, parent, session_id) "
        "values (%s, %s, false, now(), now(), %s, %s)",
        [token, str(session["user_id"]), parent, session["id"]],
    )
    await connection.execute(
        "update auth.sessions set refreshed_at = now() at time zone 'utc', updated_at = now() where id = %s",
        [session["id"]],
    )
    return token


async def _new_password(password: object, encrypted: str | None) -> str:
    if not isinstance(password, str) or len(password) < MIN_PASSWORD_LENGTH:
        raise AuthError(422, "weak_password", f"Password should be at least {MIN_PASSWORD_LENGTH} characters.")
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise AuthError(422, "validation_failed", f"Password cannot be longer than {MAX_PASSWORD_BYTES} characters")
    if await run_in_threadpool(verify_password, password, encrypted):
        raise AuthError(422, "same_password", "New password should be different from the old password.")
    return await run_in_threadpool(hash_password, password)


async def _read_body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
        json.dumps(body, ensure_ascii=False).encode()  # refuses half a surrogate pair, as Postgres would
    except ValueError as error:
        raise AuthError(400, "bad_json", f"Could not parse request body as JSON: {error}") from error
    if not isinstance(body, dict):
        raise AuthError(400, "bad_json", "Could not parse request body as JSON: it is not an object")
    if "\\u0000" in json.dumps(body):
        raise AuthError(400, "bad_json", "Could not parse request body as JSON: text cannot hold a NUL character")
    return body


async def _one(connection: Connection, query: str, *values: object) -> DictRow | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query.encode(), values)
        return await cursor.fetchone()


async def _row(connection: Connection, query: str, *values: object) -> DictRow:
    row = await _one(connection, query, *values)
    if row is None:  # deleted between two statements
        raise AuthError(403, "user_not_found", "User does not exist any more")
    return row


def _is_banned(user: DictRow) -> bool:
    return user["banned_until"] is not None and user["banned_until"] > datetime.now(UTC)


def _is_uuid(value: object) -> bool:
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True


def _user_json(user: DictRow) -> dict[str, Any]:
    def when(column: str) -> str | None:
        moment = user[column]
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None

    return {
        "id": str(user["id"]),
        "aud": user["aud"] or "authenticated",
        "role": user["role"] or "authenticated",
        "email": user["email"] or "",
        "email_confirmed_at": when("email_confirmed_at"),
        "phone": user["phone"] or "",
        "confirmed_at": when("confirmed_at"),
        "last_sign_in_at": when("last_sign_in_at"),
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "identities": [],
        # Both clients require it; rows made by hand may lack it, as on hosted projects.
        "created_at": when("created_at") or "1970-01-01T00:00:00Z",
        "updated_at": when("updated_at"),
        "is_anonymous": user["is_anonymous"],
    }
