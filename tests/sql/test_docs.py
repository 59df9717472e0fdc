"""The SQL in the handbook runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sql\n(.*?)^```", re.DOTALL | re.MULTILINE)


# cron.md needs extensions that are not here: test_cron.py has stand-ins for them.
FILES = [*sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "cron.md"}), ROOT / "policies" / "README.md"]
BLOCKS = {file.name: found for file in FILES if (found := BLOCK.findall(file.read_text()))}


@pytest.mark.parametrize("name", BLOCKS)
def test_sql_of_the_handbook_runs_from_top_to_bottom(world: Any, name: str) -> None:
    with world.conn.transaction(force_rollback=True):  # roles are the cluster's: none must stay
        for block in BLOCKS[name]:
            world.conn.execute(block.replace("agent_listener", "another_listener"))  # the devstack has that one already


def _block(words: str) -> str:
    return next(block for found in BLOCKS.values() for block in found if words in block)


ON_HOST_TABLES = """
select tgrelid::regclass::text, tgname from pg_trigger where not tgisinternal and tgrelid = any (%(tables)s::regclass[])
union all
select polrelid::regclass::text, polname from pg_policy where polrelid = any (%(tables)s::regclass[])"""


def test_the_guards_come_off_as_the_handbook_says(world: Any, host_database: Any) -> None:
    def found(connection: Any) -> set[tuple[str, str]]:
        return set(connection.execute(ON_HOST_TABLES, {"tables": tables}).fetchall())

    with host_database.connect() as host:
        tables = [name for (name,) in host.execute("select format('%I.%I', schemaname, tablename) from pg_policies")]
        before = found(host)
    guarded = found(world.conn)
    assert ("tasks", "agent_guard_write") in guarded
    world.conn.execute(_block("$guards$"))
    assert found(world.conn) == before
    world.conn.execute("select agent.guard_crm_tables()")
    assert guarded - found(world.conn) == {("deals", "agent_record_first_stage"), ("deals", "agent_record_stage")}
