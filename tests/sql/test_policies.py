"""policies/ is what the catalog has, on both Postgres versions, and any change of rights is a difference in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent_service.cli import build_app
from agent_service.policies import compare, describe, write

COMMITTED = Path(__file__).parents[2] / "policies"


@pytest.mark.parametrize("which", ["database", "database15"])
def test_the_committed_files_are_what_the_catalog_has(which: str, request: pytest.FixtureRequest) -> None:
    found = compare(describe(request.getfixturevalue(which).dsn()), COMMITTED)
    assert found == "", f"run `make policies` and review:\n{found}"


CHANGES = {
    "a wider policy": (
        "alter policy ai_drafts_select_owner on public.ai_drafts using (true)",
        "ai_drafts.sql", "+  using (true);",
    ),
    "a policy dropped": (
        "drop policy deals_update_agent on public.deals", "deals.sql", "-create policy deals_update_agent",
    ),
    "a grant": (
        "grant update (status) on public.ai_drafts to authenticated", "ai_drafts.sql", "+grant insert (id,",
    ),
    "a trigger dropped": (
        "drop trigger agent_guard_write on public.tasks", "tasks.sql", "-CREATE TRIGGER agent_guard_write",
    ),
    "a trigger switched off": (
        "alter table public.tasks disable trigger agent_guard_write", "tasks.sql", " -- enabled: D",
    ),
    "row security switched off": (
        "alter table agent.jobs disable row level security", "agent.jobs.sql", "+alter table agent.jobs disable row",
    ),
    "a function for everybody": (
        "grant execute on function agent.sign_jwt(jsonb) to public", "functions.sql", "agent.sign_jwt(jsonb) to public",
    ),
    "what deleting a row takes with it": (
        "alter table public.ai_drafts drop constraint ai_drafts_approved_by_fkey", "ai_drafts.sql",
        "-alter table public.ai_drafts add constraint ai_drafts_approved_by_fkey",
    ),
    "another owner": (
        "grant create on schema agent to authenticated; alter table agent.failure_codes owner to authenticated",
        "schemas.sql", "+alter table agent.failure_codes owner to authenticated;",
    ),
    "a function that became definer": (
        "alter function public.approve_draft security definer", "functions.sql", "security definer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_rights_is_a_difference(change: str, db: Any, database: Any) -> None:
    statement, file, line = CHANGES[change]
    db.execute(statement)
    found = compare(describe(database.dsn()), COMMITTED)
    assert f"--- policies/{file}" in found
    assert line in found


def test_a_file_left_over_or_missing_is_a_difference(database: Any, tmp_path: Path) -> None:
    files = describe(database.dsn())
    write(files, tmp_path)
    assert compare(files, tmp_path) == ""
    (tmp_path / "ai_gone.sql").write_text("create policy x;\n")
    (tmp_path / "tasks.sql").unlink()
    found = compare(files, tmp_path)
    assert "-create policy x;" in found
    assert "+++ catalog/tasks.sql" in found
    (tmp_path / "README.md").write_text("kept")
    write(files, tmp_path)
    assert compare(files, tmp_path) == ""
    assert (tmp_path / "README.md").exists()
    assert not (tmp_path / "ai_gone.sql").exists()


def test_the_command_tells_the_truth_by_its_exit_code(database: Any, tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(build_app("policies"), ["policies", "--folder", str(tmp_path), *arguments])

    url = ["--database-url", database.dsn()]
    assert run(*url).exit_code == 0
    assert run("--check", *url).exit_code == 0
    (tmp_path / "tasks.sql").write_text("")
    checked = run("--check", *url)
    assert checked.exit_code == 1
    assert "+alter table public.tasks enable row level security;" in checked.stdout
    assert (tmp_path / "tasks.sql").read_text() == ""
    assert run("--database-url", "postgresql://postgres@127.0.0.1:1/postgres").exit_code == 2
