"""A session's own temporary types must not be what our functions mean by uuid or jsonb."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

# A domain's check runs as whoever casts to it: the caller, or the owner of a definer function.
PLANT = """
create function pg_temp.tell(p_text pg_catalog.text) returns boolean language plpgsql as $$
begin
  if current_user = 'postgres' then
    raise exception 'ran as the owner';
  end if;
  return true;
end
$$;
create domain pg_temp.uuid as pg_catalog.uuid check (pg_temp.tell(value::pg_catalog.text));
create domain pg_temp.jsonb as pg_catalog.jsonb check (pg_temp.tell(value::pg_catalog.text));
create domain pg_temp.text as pg_catalog.text check (pg_temp.tell(value));
create domain pg_temp.bytea as pg_catalog.bytea check (pg_temp.tell(value::pg_catalog.text));
create domain pg_temp.timestamptz as pg_catalog.timestamptz check (pg_temp.tell(value::pg_catalog.text));
"""


def test_a_temporary_type_runs_nothing_with_the_owners_rights(any_world: Any) -> None:
    world = any_world
    with world.person("ada").transaction() as cursor:
        cursor.execute(PLANT)  # all that follows is the same session
    world.draft()


def test_with_an_empty_search_path_it_would(world: Any) -> None:
    world.conn.execute("alter function agent.is_admin() set search_path = ''")
    with world.person("ada").transaction() as cursor:
        cursor.execute(PLANT)
        with pytest.raises(psycopg.errors.RaiseException, match="ran as the owner"):
            cursor.execute("select agent.is_admin()")
