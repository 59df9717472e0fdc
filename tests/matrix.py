"""policies/matrix.toml, executed as everybody. Each check returns what differs from it, as sentences."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg

from tests.world import Caller, World, make_world

MATRIX = tomllib.loads((Path(__file__).parents[1] / "policies" / "matrix.toml").read_text("utf-8"))
PRINCIPALS = [line.split()[0] for line in MATRIX["principals"].strip().splitlines()]
COMMANDS = ("select", "insert", "update", "delete", "truncate")
ROLES = {"authenticated": "owner", "anon": "anon", "agent_worker": "worker", "service_role": "service"}
# Whatever lies in public here is ours or a CRM table that we guard: the sample CRM has nothing else.
TABLES = """select oid::regclass::text from pg_class
where relnamespace in ('public'::regnamespace, 'agent'::regnamespace) and relkind in ('r', 'p', 'v', 'm', 'f')"""
FUNCTIONS = "select proname, count(*) from pg_proc where pronamespace = 'public'::regnamespace group by proname"
# Nobody can write a generated column; a delete has no columns, one statement tells.
COLUMNS = """select attname from pg_attribute
where attrelid = %(table)s::regclass and attnum > 0 and not attisdropped
  and (attgenerated = '' or %(command)s = 'select') and (attnum = 1 or %(command)s <> 'delete') order by attnum"""


@dataclass
class Scene:
    """Everybody, and the values that the matrix names."""

    world: World
    callers: dict[str, Caller]
    values: dict[str, Any] = field(default_factory=dict)


def make_scene(db: psycopg.Connection[Any]) -> Scene:
    """Acme and Bolt with one row of everything and one draft each; two running jobs and two completed ones."""
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
    alert = world.value(
        "insert into public.ai_alerts (kind, dedupe_key, severity, message) "
        "values ('error_rate', 'x', 'critical', 'X') returning id"
    )
    db.execute("insert into agent.host_settings values ('kept', 'for the test') on conflict do nothing")
    world.request(p_draft_type="note")
    (late,) = world.claim(lease=300)
    draft = world.one("select * from public.ai_drafts where id = %s", world.complete(late))
    world.draft("bob", "Bolt")
    db.execute(
        "insert into public.ai_draft_revisions (draft_id, version, content, details, edited_by) "
        "select id, 9, 'Edited.', '{}', created_by from public.ai_drafts"
    )
    db.execute(
        "insert into public.ai_sends (draft_id, user_id, channel, state, content_hash, ended_at) "
        "select id, created_by, 'mailto', 'undone', content_hash, now() from public.ai_drafts"
    )
    db.execute(
        "insert into public.agent_suggestions (client_id, assigned_to, suggestion_type, title, rule_key, score, "
        "dedupe_key, action_data) "
        "select id, owner_id, 'follow_up', 'Call', 'no_activity', 50, 'x', '{\"kind\": \"task\", \"title\": \"Call\"}' "
        "from public.clients"
    )
    db.execute(
        "insert into public.client_insights (client_id, user_id, insights, computed_from) "
        "select id, owner_id, '{}', '{}' from public.clients"
    )
    suggestion = world.value("select id from public.agent_suggestions where client_id = %s", world.clients["Acme"])
    request = world.request()
    world.request("eve", "Bolt")
    jobs = {job["user_id"]: job for job in world.claim(limit=2, lease=300)}
    running, other = jobs[world.users["ada"]], jobs[world.users["eve"]]
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
              "job": running["job_id"], "nobody": nobody, "alert": alert, "suggestion": suggestion}  # fmt: skip
    return Scene(world, callers, values)


def attempt(scene: Scene, who: str, statement: str, on: str, *, path: str = "/", hook: bool = False) -> str:
    """What comes back, in the matrix's words; `on` is the table or function that a `-` must be about."""
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
        outcome = _word(error, on)
    return outcome


def _word(error: psycopg.Error, on: str) -> str:
    message, detail = error.diag.message_primary or "", (error.diag.message_detail or "").split(":")[0]
    if error.sqlstate == "42501" and detail == "agent_refused":
        return "guard"
    if error.sqlstate == "42501" and "violates row-level security" in message:
        return "policy"
    if error.sqlstate == "42501" and re.fullmatch(rf"permission denied for (table|view|function) {on}", message):
        return "-"
    return detail if MATRIX["errors"].get(detail) == error.sqlstate else f"{error.sqlstate} {detail or message}"


def qualified(table: str) -> tuple[str, str]:
    """The table's name with its schema, and without."""
    return table if "." in table else f"public.{table}", table.rpartition(".")[2]


def statement_of(table: str, command: str) -> str:
    described, (name, _) = MATRIX["tables"][table], qualified(table)
    return {
        "select": f"select from {name} where {described['row']}",
        "insert": f"insert into {name} {described['new']}",
        "update": f"update {name} set {described['set']} where {described['row']}",
        "delete": f"delete from {name} where {described['row']}",
        "truncate": f"truncate {name}",  # cascade would also ask for rights on other tables
    }[command]


def expected(described: dict[str, str], line: str) -> dict[str, str]:
    cells = described[line].split() if line in described else [described["all"]] * len(PRINCIPALS)
    return dict(zip(PRINCIPALS, cells, strict=True))


def _differences(what: str, found: dict[str, str], said: dict[str, str]) -> list[str]:
    return [f"{what} by {who}: {found[who]}, not {said[who]}" for who in found if found[who] != said[who]]


def check_table(scene: Scene, table: str, command: str) -> list[str]:
    """The command on the real row, by everybody: at the table itself, and through the hook."""
    said, statement = expected(MATRIX["tables"][table], command), statement_of(table, command)
    name, bare_name = qualified(table)
    bare = {who: attempt(scene, who, statement, bare_name) for who in PRINCIPALS}
    through = {who: attempt(scene, who, statement, bare_name, path=f"/{bare_name}", hook=True) for who in PRINCIPALS}
    return [
        *_differences(f"{command} on {name}", bare, said),
        *_differences(f"{command} on {name} through the hook", through, said | MATRIX["hook"]),
    ]


def check_rows(scene: Scene, table: str) -> list[str]:
    """How many of all the rows that there are each sees, whoever they belong to."""
    described, (name, bare_name) = MATRIX["tables"][table], qualified(table)
    if not {"rows", "seen"} <= described.keys():
        return [f'add to [tables."{table}"]: rows (how many {name} has in the scene) and seen (how many each sees)']
    present = scene.world.value(f"select count(*) from {name}")
    found = {who: attempt(scene, who, f"select from {name}", bare_name) for who in PRINCIPALS}
    return [
        *([f"{name} has {present} rows, not {described['rows']}"] if present != described["rows"] else []),
        *_differences(f"rows of {name} seen", found, expected(described, "seen")),
    ]


# Each column by itself, and no row: the statements above also need a right to read, and name few columns.
COLUMN_STATEMENTS = {
    "select": "select {column} from {table} where false",
    "insert": "insert into {table} ({column}) overriding system value select null where false",
    "update": "update {table} set {column} = default where false",
    "delete": "delete from {table} where false",
}


def check_columns(scene: Scene, table: str, command: str) -> list[str]:
    """What each role's grants reach, column by column."""
    described, (name, bare_name) = MATRIX["tables"][table], qualified(table)
    rows = scene.world.conn.execute(COLUMNS, {"table": name, "command": command})
    columns = [column for (column,) in rows]
    named = described.get(f"{command}_columns", " ".join(columns)).split()
    found = [f"{name} has no column {column} to {command}" for column in named if column not in columns]
    for role, who in ROLES.items():
        granted = named if expected(described, command)[who] != "-" else []
        for column in columns:
            statement = COLUMN_STATEMENTS[command].format(table=name, column=column)
            if (attempt(scene, who, statement, bare_name) != "-") != (column in granted):
                found.append(f"{role} may {'not ' * (column in granted)}{command} {name}.{column}")
    return found


def check_second_layer(scene: Scene, table: str) -> list[str]:
    """The same commands with the guards' triggers off: the restrictive policies alone."""
    db, (name, bare_name) = scene.world.conn, qualified(table)
    found = []
    with db.transaction(force_rollback=True):
        db.execute(f"alter table {name} disable trigger user")
        for command, word in MATRIX["unguarded"].items():
            guarded = [who for who, cell in expected(MATRIX["tables"][table], command).items() if cell == "guard"]
            statement = statement_of(table, command)
            outcomes = {who: attempt(scene, who, statement, bare_name) for who in guarded}
            found += _differences(f"unguarded {command} on {name}", outcomes, dict.fromkeys(guarded, word))
    return found


def check_function(scene: Scene, function: str, line: str) -> list[str]:
    """The function by everybody: asked through the hook, or bare."""
    described = MATRIX["functions"][function]
    call = f"select * from public.{function}({described['call']})"
    path, hook = f"/rpc/{function}", line == "asked"
    found = {who: attempt(scene, who, call, function, path=path, hook=hook) for who in PRINCIPALS}
    return _differences(f"{function} ({line})", found, expected(described, line))


def check_names(scene: Scene) -> list[str]:
    """Whatever exists is in the matrix, and the other way round; if not, what to write."""
    tables = {name for (name,) in scene.world.conn.execute(TABLES)}
    functions = dict(scene.world.conn.execute(FUNCTIONS).fetchall())
    stale = (MATRIX["tables"].keys() - tables) | (MATRIX["functions"].keys() - functions.keys())
    return [
        *(
            f'add [tables."{name}"] to policies/matrix.toml: row, rows, new, set, seen and a line for each command, or '
            'row, new, set and all = "-"'
            for name in sorted(tables - MATRIX["tables"].keys())
        ),
        *(
            f"add [functions.{name}] to policies/matrix.toml: call, asked and bare"
            for name in sorted(functions.keys() - MATRIX["functions"].keys())
        ),
        *(f"take {name} out of policies/matrix.toml: it exists no more" for name in sorted(stale)),
        *(f"give each of the {n} functions public.{name} a name of its own" for name, n in functions.items() if n > 1),
    ]
