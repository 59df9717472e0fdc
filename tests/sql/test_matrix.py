"""policies/matrix.toml is what happens, on Postgres 18 and 15, and any mistake that is planted is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import clone
from tests.matrix import (
    COLUMN_STATEMENTS,
    COMMANDS,
    MATRIX,
    Scene,
    check_columns,
    check_function,
    check_names,
    check_rows,
    check_second_layer,
    check_table,
    make_scene,
)

READABLE = [name for name, described in MATRIX["tables"].items() if "all" not in described]
GUARDED = [name for name, described in MATRIX["tables"].items() if "guard" in described.get("update", "")]


@pytest.fixture(scope="module", params=["template_db", "template_db15"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """One scene for the module: whatever is tried is rolled back."""
    with clone(request.getfixturevalue(request.param)) as database, database.connect() as connection:
        yield make_scene(connection)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("table", MATRIX["tables"])
def test_table(scene: Scene, table: str, command: str) -> None:
    assert check_table(scene, table, command) == []


@pytest.mark.parametrize("table", READABLE)
def test_rows(scene: Scene, table: str) -> None:
    assert check_rows(scene, table) == []


@pytest.mark.parametrize("command", COLUMN_STATEMENTS)
@pytest.mark.parametrize("table", MATRIX["tables"])
def test_columns(scene: Scene, table: str, command: str) -> None:
    assert check_columns(scene, table, command) == []


@pytest.mark.parametrize("table", GUARDED)
def test_second_layer(scene: Scene, table: str) -> None:
    assert check_second_layer(scene, table) == []


@pytest.mark.parametrize("line", ["asked", "bare"])
@pytest.mark.parametrize("function", MATRIX["functions"])
def test_function(scene: Scene, function: str, line: str) -> None:
    assert check_function(scene, function, line) == []


def test_every_name_is_in_the_matrix(scene: Scene) -> None:
    assert check_names(scene) == []


# What somebody changes by mistake, the check that must see it, and what that one says.
FAULTS: list[tuple[str, Callable[..., list[str]], tuple[str, ...], str]] = [
    ("grant update on public.ai_drafts to authenticated", check_table, ("ai_drafts", "update"), "by owner: 0, not -"),
    ("grant select on agent.jobs to service_role", check_table, ("agent.jobs", "select"), "by service: 1, not -"),
    ("grant insert on public.ai_drafts to service_role", check_table, ("ai_drafts", "insert"), "by service: 42501"),
    ("grant truncate on public.clients to anon", check_table, ("clients", "truncate"), "by anon: 0A000"),
    ("drop policy clients_select_agent on public.clients", check_table, ("clients", "select"), "by late-agent: 1"),
    (
        """alter policy clients_select_agent on public.clients
        using (agent.is_agent() is not true or agent.current_job_user_id() is not null)""",
        check_table, ("clients", "select"), "by other-agent: 1, not 0",
    ),
    (
        """alter policy ai_draft_requests_select_owner on public.ai_draft_requests
        using (user_id = auth.uid() or state = 'done')""",
        check_rows, ("ai_draft_requests",), "rows of public.ai_draft_requests seen by owner: 3, not 2",
    ),
    (
        "insert into public.tasks (client_id, title) select id, 'Another' from public.clients where name = 'Bolt'",
        check_rows, ("tasks",), "public.tasks has 3 rows, not 2",
    ),
    ("drop trigger agent_guard_write on public.tasks", check_table, ("tasks", "update"), "by agent: 0, not guard"),
    (
        "alter policy ai_drafts_select_owner on public.ai_drafts using (true)",
        check_table, ("ai_drafts", "select"), "by colleague: 1, not 0",
    ),
    (
        "alter table public.ai_interactions disable row level security",
        check_table, ("ai_interactions", "select"), "by admin: 1, not 0",
    ),
    (
        "grant update (role) on public.profiles to authenticated",
        check_columns, ("profiles", "update"), "authenticated may update public.profiles.role",
    ),
    (
        "grant insert (status) on public.ai_drafts to authenticated",
        check_columns, ("ai_drafts", "insert"), "authenticated may insert public.ai_drafts.status",
    ),
    (
        "grant select (content) on public.ai_drafts to anon",
        check_columns, ("ai_drafts", "select"), "anon may select public.ai_drafts.content",
    ),
    (
        "grant select (content_hash) on public.ai_drafts to anon",
        check_columns, ("ai_drafts", "select"), "anon may select public.ai_drafts.content_hash",
    ),
    (
        "revoke insert (subject) on public.ai_drafts from authenticated",
        check_columns, ("ai_drafts", "insert"), "authenticated may not insert public.ai_drafts.subject",
    ),
    (
        "grant update on agent.jobs to agent_worker",
        check_columns, ("agent.jobs", "update"), "agent_worker may update agent.jobs.id",
    ),
    (
        "grant delete on agent.jobs to service_role",
        check_columns, ("agent.jobs", "delete"), "service_role may delete agent.jobs.id",
    ),
    (
        "drop policy tasks_update_agent on public.tasks",
        check_second_layer, ("tasks",), "unguarded update on public.tasks by agent: 1, not 0",
    ),
    (
        "drop policy tasks_insert_agent on public.tasks",
        check_second_layer, ("tasks",), "unguarded insert on public.tasks by agent: 1, not policy",
    ),
    (
        "grant execute on function public.claim_jobs to public",
        check_function, ("claim_jobs", "bare"), "by owner: 42501 permission denied for function queue_sweeps_v1",
    ),
    (
        "create or replace function agent.require_person() returns uuid language sql as 'select auth.uid()'",
        check_function, ("request_draft", "bare"), "by anonymous: client_not_found, not anonymous_user",
    ),
    (
        "create or replace function agent.check_request() returns void language sql as ''",
        check_function, ("request_draft", "asked"), "by worker: -, not worker_refused",
    ),
    (
        "create table agent.forgotten (id int)",
        check_names, (), 'add [tables."agent.forgotten"] to policies/matrix.toml: row, rows, new, set',
    ),
    ("create view public.mine as select 1", check_names, (), 'add [tables."mine"] to policies/matrix.toml'),
    (
        "create function public.helper() returns int language sql as 'select 1'",
        check_names, (), "add [functions.helper] to policies/matrix.toml: call, asked and bare",
    ),
    (
        "create function public.reject_draft(p_id int) returns int language sql as 'select 1'",
        check_names, (), "give each of the 2 functions public.reject_draft",
    ),
    ("drop table public.ai_settings", check_names, (), "take ai_settings out of policies/matrix.toml"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "check", "arguments", "told"), FAULTS, ids=[fault[0][:60] for fault in FAULTS])
def test_a_planted_fault_is_seen(
    scene: Scene, fault: str, check: Callable[..., list[str]], arguments: tuple[str, ...], told: str
) -> None:
    assert check(scene, *arguments) == []
    with scene.world.conn.transaction(force_rollback=True):
        scene.world.conn.execute(fault)
        assert told in "\n".join(check(scene, *arguments))
