"""policies/matrix.toml, executed: every table by every command and every public function, as everybody."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent_service.rules import our_catalog
from tests.world import Caller, World, make_world

MATRIX = tomllib.loads((Path(__file__).parents[2] / "policies" / "matrix.toml").read_text("utf-8"))
PRINCIPALS = [line.split()[0] for line in MATRIX["principals"].strip().splitlines()]
COMMANDS = ("select", "insert", "update", "delete", "truncate")
GUARDED = "select t.tgrelid::regclass::text from pg_trigger as t where t.tgname = 'agent_guard_write'"


@dataclass
class Scene:
    """Everybody, and the values that the matrix names."""

    world: World
    callers: dict[str, Caller]
    values: dict[str, Any] = field(default_factory=dict)


def make_scene(db: psycopg.Connection[Any]) -> Scene:
    """Acme and Bolt with one row of everything; a draft of Ada's; two running jobs and a completed one."""
    world = make_world(db)
    world.add_user("zoe")
    for client, owner in (("Acme", "ada"), ("Bolt", "bob")):
        key = world.clients[client]
        db.execute("insert into public.activities (client_id, type, content) values (%s, 'note', 'Met.')", (key,))
        db.execute(
            "insert into public.deals (client_id, owner_id, title) values (%s, %s, 'Deal')", (key, world.users[owner])
        )
        db.execute("insert into public.tasks (client_id, title) values (%s, 'Call')", (key,))
        db.execute(
            "insert into public.orders (client_id, order_number, total) values (%s, %s, 10)", (key, f"SO-{client}")
        )
    db.execute("insert into agent.host_settings values ('kept', 'for the test') on conflict do nothing")
    world.request(p_draft_type="note")
    (late,) = world.claim(lease=300)
    draft = world.one("select * from public.ai_drafts where id = %s", world.complete(late))
    request = world.request()
    world.request("bob", "Bolt")
    jobs = {job["user_id"]: job for job in world.claim(limit=2, lease=300)}
    running, other = jobs[world.users["ada"]], jobs[world.users["bob"]]
    callers = {
        "owner": world.person("ada"),
        "colleague": world.person("bob"),
        "admin": world.person("eve"),
        "anonymous": world.person("zoe", is_anonymous=True),
        "anon": world.caller("anon"),
        "agent": world.agent(running),
        "other-agent": world.agent(other),
        "late-agent": world.agent(late),
        "worker": world.worker,
        "service": world.caller("service_role"),
    }
    nobody = world.value("insert into auth.users (id, email) values (gen_random_uuid(), 'n@example.com') returning id")
    deal = world.value("select id from public.deals where client_id = %s", world.clients["Acme"])
    values = {"ada": world.users["ada"], "bob": world.users["bob"], "acme": world.clients["Acme"], "deal": deal,
              "draft": draft["id"], "hash": draft["content_hash"], "request": request["id"], "token": running["token"],
              "job": running["job_id"], "nobody": nobody}  # fmt: skip
    return Scene(world, callers, values)


@pytest.fixture(scope="module", params=["template_db", "template_db15"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """One scene for the module: whatever is tried is rolled back."""
    from tests.conftest import clone  # noqa: PLC0415

    with clone(request.getfixturevalue(request.param)) as database, database.connect() as connection:
        yield make_scene(connection)


def attempt(scene: Scene, who: str, statement: str, *, path: str, hook: bool) -> str:
    """What comes back, in the matrix's words."""
    caller = replace(scene.callers[who], hook=hook)
    query = re.sub(r"(?<!:):(\w+)", r"%(\1)s", statement)
    outcome = "ok"
    try:
        with caller.transaction(path) as cursor:
            cursor.execute(query, scene.values)
            if not statement.startswith(("truncate", "select * from public.")):
                outcome = str(cursor.rowcount)
            raise psycopg.Rollback
    except psycopg.Error as error:
        outcome = _word(error)
    return outcome


def _word(error: psycopg.Error) -> str:
    message, detail = error.diag.message_primary or "", (error.diag.message_detail or "").split(":")[0]
    if error.sqlstate == "42501" and detail == "agent_refused":
        return "guard"
    if error.sqlstate == "42501" and "violates row-level security" in message:
        return "policy"
    if error.sqlstate == "42501" and message.startswith("permission denied"):
        return "-"
    return detail if (error.sqlstate or "").startswith("PT") else f"{error.sqlstate} {message}"


def statement_of(table: str, command: str) -> str:
    described = MATRIX["tables"][table]
    name = table if "." in table else f"public.{table}"
    return {
        "select": f"select from {name} where {described['row']}",
        "insert": f"insert into {name} {described['new']}",
        "update": f"update {name} set {described['set']} where {described['row']}",
        "delete": f"delete from {name} where {described['row']}",
        "truncate": f"truncate {name} cascade",
    }[command]


def expected(described: dict[str, str], line: str) -> dict[str, str]:
    cells = described[line].split() if line in described else [described["all"]] * len(PRINCIPALS)
    return dict(zip(PRINCIPALS, cells, strict=True))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("table", MATRIX["tables"])
def test_table(scene: Scene, table: str, command: str) -> None:
    said = expected(MATRIX["tables"][table], command)
    statement = statement_of(table, command)
    path = "/" + table.rpartition(".")[2]
    bare = {who: attempt(scene, who, statement, path=path, hook=False) for who in PRINCIPALS}
    assert bare == said
    through = {who: attempt(scene, who, statement, path=path, hook=True) for who in PRINCIPALS}
    assert through == said | MATRIX["hook"]


@pytest.mark.parametrize("line", ["asked", "bare"])
@pytest.mark.parametrize("function", MATRIX["functions"])
def test_function(scene: Scene, function: str, line: str) -> None:
    described = MATRIX["functions"][function]
    statement, path = f"select * from public.{function}({described['call']})", f"/rpc/{function}"
    found = {who: attempt(scene, who, statement, path=path, hook=line == "asked") for who in PRINCIPALS}
    assert found == expected(described, line)


def gaps(db: psycopg.Connection[Any]) -> list[str]:
    """What exists and is not in the matrix, or is there and exists no more; each with what to do."""
    with our_catalog(db):
        tables = {name for (name,) in db.execute("select name from our_relations where relkind in ('r', 'p')")}
        tables |= {name for (name,) in db.execute(GUARDED)}
        functions = {name for (name,) in db.execute("select proname from our_functions where schema_name = 'public'")}
    tables = {name.removeprefix("public.") for name in tables}
    found = [
        f'add [tables."{name}"] to policies/matrix.toml with row, new, set and a line for each command, or all = "-"'
        for name in sorted(tables - MATRIX["tables"].keys())
    ]
    found += [
        f"add [functions.{name}] to policies/matrix.toml with call, asked and bare"
        for name in sorted(functions - MATRIX["functions"].keys())
    ]
    stale = (MATRIX["tables"].keys() - tables) | (MATRIX["functions"].keys() - functions)
    return found + [f"take {name} out of policies/matrix.toml: it exists no more" for name in sorted(stale)]


def test_the_matrix_names_every_table_and_function(db: psycopg.Connection[Any]) -> None:
    assert gaps(db) == []


def test_a_table_of_ours_that_is_missing_is_told(db: psycopg.Connection[Any]) -> None:
    db.execute("create table agent.forgotten (id int)")
    db.execute("alter function public.reject_draft rename to turn_down_draft")
    added, removed = gaps(db)
    assert added.startswith('add [tables."agent.forgotten"] to policies/matrix.toml with row, new, set')
    assert removed == "take reject_draft out of policies/matrix.toml: it exists no more"


FAULTS = {
    "a grant": ("grant update on public.ai_drafts to authenticated", "ai_drafts", "update"),
    "a grant to service_role": ("grant select on agent.jobs to service_role", "agent.jobs", "select"),
    "a policy dropped": ("drop policy clients_select_agent on public.clients", "clients", "select"),
    "a wider policy": ("alter policy ai_drafts_select_owner on public.ai_drafts using (true)", "ai_drafts", "select"),
    "row security off": ("alter table public.ai_interactions disable row level security", "ai_interactions", "select"),
    "a guard dropped": ("drop trigger agent_guard_write on public.tasks", "tasks", "insert"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_it_can_fail(db: psycopg.Connection[Any], fault: str) -> None:
    planted, table, command = FAULTS[fault]
    scene = make_scene(db)
    db.execute(planted)
    found = {who: attempt(scene, who, statement_of(table, command), path="/", hook=False) for who in PRINCIPALS}
    assert found != expected(MATRIX["tables"][table], command)
