"""The shared fixtures themselves."""

from __future__ import annotations

import psycopg
import pytest


def test_as_user_is_that_user(db, make_user, as_user):
    ada = make_user(db)
    with as_user(ada) as connection:
        row = connection.execute("select auth.uid(), auth.role(), current_user, auth.jwt() ->> 'session_id'").fetchone()
    assert row == (ada, "authenticated", "authenticated", str(ada))


def test_a_person_sees_their_own_profile_only(db, make_user, as_user):
    ada, _bob = make_user(db), make_user(db)
    with as_user(ada) as connection:
        assert connection.execute("select id from public.profiles").fetchall() == [(ada,)]


def test_anon_sees_nothing(as_user):
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for table clients"),
        as_user(None, role="anon") as connection,
    ):
        connection.execute("select from public.clients")


def test_each_test_has_a_database_of_its_own(db):
    assert db.execute("select count(*) from auth.users").fetchone() == (0,)
