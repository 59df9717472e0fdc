"""migrate: once, in order, all of a file or nothing, and recorded as the Supabase CLI records it."""

from __future__ import annotations

import itertools
import threading

import pytest
from psycopg import sql

from agent_service.database import MigrationError, migrate, pending, read_migrations

_names = itertools.count(1)
CREATE_THINGS = "-- why\ncreate table things (id int);\ninsert into things values (1);\n"
HISTORY = "supabase_migrations.schema_migrations"


@pytest.fixture
def empty_url(pg):
    """The URL of an empty database. The superuser's: what is tested here is the bookkeeping."""
    import psycopg  # noqa: PLC0415

    name = sql.Identifier(f"empty_{next(_names)}")
    with psycopg.connect(pg.dsn("supabase_admin"), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(name))
        yield pg.dsn("supabase_admin", name.as_string().strip('"'))
        admin.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "20260101000000_create_things.sql").write_text(CREATE_THINGS)
    (tmp_path / "20260102000000_fill_things.sql").write_text("insert into things values (2);")
    return tmp_path


def rows(url, query):
    import psycopg  # noqa: PLC0415

    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_applies_in_order_once(empty_url, folder):
    assert [m.path.name for m in pending(empty_url, folder=folder)] == sorted(f.name for f in folder.iterdir())
    assert migrate(empty_url, folder=folder) == ["20260101000000_create_things.sql", "20260102000000_fill_things.sql"]
    assert migrate(empty_url, folder=folder) == []
    assert pending(empty_url, folder=folder) == []
    assert rows(empty_url, "select id from things order by id") == [(1,), (2,)]


def test_records_what_the_supabase_cli_records(empty_url, folder):
    migrate(empty_url, folder=folder)
    assert rows(
        empty_url, "select version, name, statements from supabase_migrations.schema_migrations order by 1"
    ) == [
        ("20260101000000", "create_things", ["-- why\ncreate table things (id int)", "insert into things values (1)"]),
        ("20260102000000", "fill_things", ["insert into things values (2)"]),
    ]


def test_goes_on_from_a_history_of_the_cli_that_has_versions_only(empty_url, folder):
    import psycopg  # noqa: PLC0415

    with psycopg.connect(empty_url) as connection:
        connection.execute("create schema supabase_migrations")
        connection.execute("create table supabase_migrations.schema_migrations (version text not null primary key)")
        connection.execute(
            "insert into supabase_migrations.schema_migrations values ('20260101000000'), ('20990101000000')"
        )
        connection.execute("create table things (id int)")
    assert migrate(empty_url, folder=folder) == ["20260102000000_fill_things.sql"]
    assert rows(empty_url, "select id from things") == [(2,)]


def test_a_failing_file_leaves_nothing_and_names_the_place(empty_url, folder):
    bad = folder / "20260103000000_break.sql"
    bad.write_text("create table half (id int);\n\n-- a comment\nselect 1,\n  nonsense\nfrom things;\n")
    with pytest.raises(MigrationError) as caught:
        migrate(empty_url, folder=folder)
    assert str(caught.value).startswith(
        '20260103000000_break.sql, line 5: column "nonsense" does not exist\n  nonsense\n'
    )
    assert rows(empty_url, "select to_regclass('half'), count(*) from things") == [(None, 2)]
    assert rows(empty_url, "select count(*) from supabase_migrations.schema_migrations") == [(2,)]
    bad.write_text("create table half (id int);")
    assert migrate(empty_url, folder=folder) == ["20260103000000_break.sql"]


def test_detail_and_hint_are_shown(empty_url, folder):
    (folder / "20260103000000_raise.sql").write_text(
        "do $$ begin\n raise exception 'no' using detail = 'the detail', hint = 'the hint';\nend $$;"
    )
    with pytest.raises(MigrationError, match=r"line 1: no\n.*\nDetail: the detail\nHint: the hint\n"):
        migrate(empty_url, folder=folder)


def test_any_number_may_run_at_once(empty_url, folder):
    (folder / "20260103000000_wait.sql").write_text("select pg_sleep(0.1); insert into things values (3);")
    applied: list[str] = []
    threads = [threading.Thread(target=lambda: applied.extend(migrate(empty_url, folder=folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == sorted(f.name for f in folder.iterdir())
    assert rows(empty_url, "select id from things order by id") == [(1,), (2,), (3,)]


def test_an_unreachable_database_is_a_sentence(folder):
    with pytest.raises(MigrationError, match=r"The database cannot be reached: (.|\n)*Check DATABASE_URL"):
        migrate("postgresql://nobody@127.0.0.1:1/none", folder=folder)


def test_our_migrations_apply_as_postgres_on_both_versions(any_database):
    """The template was migrated as `postgres`, which is no superuser."""
    with any_database.connect() as connection:
        applied = connection.execute("select version from supabase_migrations.schema_migrations order by 1").fetchall()
        assert connection.execute("show is_superuser").fetchone() == ("off",)
    assert [version for (version,) in applied] == [migration.version for migration in read_migrations()]
    assert migrate(any_database.dsn()) == []
