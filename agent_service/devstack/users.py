"""People of the local stack: rows of auth.users with passwords that Supabase Auth would accept, too."""

from __future__ import annotations

import uuid
from typing import Any

import bcrypt
import psycopg

__all__ = ["MAX_PASSWORD_BYTES", "add_user", "hash_password", "verify_password"]

MAX_PASSWORD_BYTES = 72  # bcrypt reads no further
# Supabase Auth's own cost is 10, 50 ms; people of a local stack are fictitious, and tests sign in often.
ROUNDS = 6
# Checked when there is no such user, so that the time an answer takes does not say so.
_NOBODY = bcrypt.hashpw(b"nobody", bcrypt.gensalt(ROUNDS))


def hash_password(password: str) -> str:
    """Return a bcrypt hash, as in auth.users.encrypted_password."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(ROUNDS)).decode()


def verify_password(password: str, encrypted: str | None) -> bool:
    """Compare in the same time whether or not there is a hash to compare with."""
    given = password.encode()
    fits = len(given) <= MAX_PASSWORD_BYTES and b"\0" not in given
    matches = bcrypt.checkpw(given if fits else b"", encrypted.encode() if encrypted else _NOBODY)
    return matches and fits and bool(encrypted)


def add_user(  # noqa: PLR0913  a person has this many sides
    connection: psycopg.Connection[Any],
    email: str,
    password: str,
    *,
    full_name: str,
    role: str = "user",
    is_anonymous: bool = False,
) -> uuid.UUID:
    """Add a confirmed user with a profile in the sample CRM, as `postgres`; `role` is user or admin. Return the id."""
    user_id = uuid.uuid4()
    with connection.transaction():
        connection.execute(
            """
            insert into auth.users (
              instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data,
              raw_user_meta_data, is_anonymous, created_at, updated_at
            )
            values (
              '00000000-0000-0000-0000-000000000000', %s, 'authenticated', 'authenticated', lower(%s), %s, now(),
              '{"provider": "email", "providers": ["email"]}',
              jsonb_build_object('full_name', %s::text), %s, now(), now()
            )
            """,
            [user_id, email, hash_password(password), full_name, is_anonymous],
        )
        connection.execute(
            "insert into public.profiles (id, full_name, email, role) values (%s, %s, lower(%s), %s)",
            [user_id, full_name, email, role],
        )
    return user_id
