"""The SQL in the handbook runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sql\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks() -> list[Any]:
    files = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "policies" / "README.md"]
    return [
        pytest.param(block, id=f"{file.name}-{number}")
        for file in files
        for number, block in enumerate(BLOCK.findall(file.read_text()), 1)
    ]


@pytest.mark.parametrize("block", blocks())
def test_sql_of_the_handbook_runs(world: Any, block: str) -> None:
    with world.conn.transaction(force_rollback=True):  # roles are the cluster's: none must stay
        world.conn.execute(block.replace("agent_listener", "another_listener"))  # the devstack has that one already
