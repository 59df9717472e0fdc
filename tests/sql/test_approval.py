"""A person approves exactly what they were shown, once, under their own rights; nobody else and nothing else does."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest


def approve(world: Any, draft: dict[str, Any], who: str = "ada", **options: Any) -> dict[str, Any]:
    options.setdefault("p_content_hash", draft["content_hash"])
    return world.person(who).rpc("approve_draft", p_draft_id=draft["id"], **options)[0]


def status(world: Any, draft: dict[str, Any]) -> str:
    return world.value("select status from public.ai_drafts where id = %s", draft["id"])


def written(world: Any) -> tuple[int, int]:
    """How many activities and tasks the CRM holds."""
    row = world.one("select (select count(*) from activities) as activities, (select count(*) from tasks) as tasks")
    return row["activities"], row["tasks"]


def test_approving_an_email_logs_it_as_the_person(world: Any) -> None:
    draft = world.draft()
    approved = approve(world, draft)
    assert approved["status"] == "approved"
    assert approved["approved_by"] == world.users["ada"]
    assert approved["approved_at"] is not None
    activity = world.one("select * from activities")
    assert (activity["type"], activity["direction"]) == ("note", None)
    assert (activity["subject"], activity["content"]) == (draft["subject"], draft["content"])
    assert (activity["created_by"], activity["contact_id"]) == (world.users["ada"], draft["contact_id"])
    audit = world.one("select * from agent.audit_log where action = 'draft_approved'")
    assert (audit["actor"], audit["actor_id"], audit["entity_id"]) == ("user", world.users["ada"], draft["id"])
    assert audit["details"]["content_hash"] == draft["content_hash"]


@pytest.mark.parametrize(
    ("draft_type", "options", "expected"),
    [
        ("email", {}, (1, 0)),
        ("note", {}, (1, 0)),
        ("memo", {}, (0, 0)),
        ("task", {}, (0, 1)),
        ("email", {"p_log_activity": False}, (0, 0)),
        ("memo", {"p_log_activity": True}, (1, 0)),
        ("task", {"p_log_activity": True}, (1, 1)),
        ("email", {"p_create_task": True}, (1, 1)),
        ("memo", {"p_create_task": True}, (0, 1)),
        ("task", {"p_create_task": True}, (0, 1)),
    ],
)
def test_what_an_approval_writes(world: Any, draft_type: str, options: dict[str, Any], expected: Any) -> None:
    approve(world, world.draft(p_draft_type=draft_type), **options)
    assert written(world) == expected


def test_a_task_keeps_its_date_priority_and_deal(world: Any) -> None:
    deal = uuid.uuid4()
    world.conn.execute("insert into deals (id, client_id, title) values (%s, %s, 'Big')", (deal, world.clients["Acme"]))
    world.request(p_draft_type="task", p_deal_id=deal)
    details = {"due_at": "2026-12-01T09:00:00+02:00", "priority": "high"}
    draft_id = world.complete(world.claim()[0], p_details=details, p_subject="Call")
    approve(world, world.one("select * from ai_drafts where id = %s", draft_id))
    task = world.one("select * from tasks")
    assert (task["title"], task["priority"], task["deal_id"]) == ("Call", "high", deal)
    assert task["due_at"].isoformat().startswith("2026-12-01T07:00:00")
    assert task["assigned_to"] == world.users["ada"]


@pytest.mark.parametrize("due_at", ["2026-02-30T10:00:00Z", "2026-13-01T10:00Z", "2026-12-01T25:00:00Z", "2026-12-01"])
def test_a_task_that_could_never_be_approved_is_not_written(world: Any, refused: Any, due_at: str) -> None:
    world.request(p_draft_type="task")
    with refused("PT400", "invalid_output", match="due_at"):
        world.complete(world.claim()[0], p_details={"due_at": due_at})


@pytest.mark.parametrize("content_hash", [None, "", "0" * 64])
def test_the_hash_of_another_text_approves_nothing(world: Any, refused: Any, content_hash: str | None) -> None:
    draft = world.draft()
    with refused("PT409", "draft_changed"):
        approve(world, draft, p_content_hash=content_hash)
    assert (status(world, draft), written(world)) == ("pending", (0, 0))


@pytest.mark.parametrize("column", ["subject", "content", "recipient", "details"])
def test_the_hash_covers_all_that_is_approved(world: Any, refused: Any, column: str) -> None:
    draft = world.draft()
    value = "'{\"a\": 1}'" if column == "details" else "'other'"
    world.conn.execute(f"update ai_drafts set {column} = {value}")
    with refused("PT409", "draft_changed"):
        approve(world, draft)


def test_an_unknown_action_is_refused(world: Any, refused: Any) -> None:
    draft = world.draft()
    for action in ("post", "SEND", "", None):
        with refused("PT400", "invalid_argument", match="p_action"):
            approve(world, draft, p_action=action)
    assert (status(world, draft), written(world)) == ("pending", (0, 0))


@pytest.mark.parametrize("function", ["approve_draft", "reject_draft"])
def test_who_may_not_close_a_draft(world: Any, refused: Any, function: str) -> None:
    draft = world.draft()
    arguments = {"p_draft_id": draft["id"]}
    if function == "approve_draft":
        arguments["p_content_hash"] = draft["content_hash"]
    world.request(p_draft_type="memo")
    job = world.claim()[0]
    ada = world.person("ada")

    with refused("PT403", "agent_refused"):  # the request hook
        world.agent(job).rpc(function, **arguments)
    for act in ({"sub": "agent_worker"}, None, False):  # the function itself, for a person's live session too
        caller = world.person("ada", act=act)
        caller.hook = False
        with refused("PT403", "agent_refused"):
            caller.rpc(function, **arguments)
    with refused("PT403", "worker_refused"):
        world.worker.rpc(function, **arguments)
    for role in ("anon", "service_role", "agent_worker"):
        with refused("42501", match="permission denied for function"):
            type(ada)(world.conn, role, hook=False).rpc(function, **arguments)
    with refused("PT403", "anonymous_user"):
        world.person("ada", is_anonymous=True).rpc(function, **arguments)
    for other in ("bob", "eve"):  # eve is an admin
        with refused("PT404", "draft_not_found"):
            world.person(other).rpc(function, **arguments)
    with refused("PT401", "session_ended"):  # somebody else's live session
        world.person("ada", session_id=str(world.sessions["bob"])).rpc(function, **arguments)
    for session in (str(uuid.uuid4()), "", None):
        with refused("PT401", "session_ended"):
            world.person("ada", session_id=session).rpc(function, **arguments)
    world.conn.execute("update auth.sessions set not_after = now() - interval '1 second'")
    with refused("PT401", "session_ended"):
        ada.rpc(function, **arguments)
    world.conn.execute("update auth.sessions set not_after = null")
    for column in ("banned_until", "deleted_at"):
        world.conn.execute(
            f"update auth.users set {column} = now() + interval '1 hour' where id = %s", (world.users["ada"],)
        )
        with refused("PT403", "user_inactive"):
            ada.rpc(function, **arguments)
        world.conn.execute(f"update auth.users set {column} = null")
    assert (status(world, draft), written(world)) == ("pending", (0, 0))
    assert ada.rpc(function, **arguments)[0]["status"] == ("approved" if function == "approve_draft" else "rejected")


def test_a_closed_draft_stays_closed(world: Any, refused: Any) -> None:
    draft = world.draft()
    approve(world, draft)
    with refused("PT409", "draft_closed"):
        approve(world, draft)
    with refused("PT409", "draft_closed"):
        world.person("ada").rpc("reject_draft", p_draft_id=draft["id"])
    expired = world.draft(p_draft_type="memo")
    world.conn.execute("update ai_drafts set expires_at = now() where id = %s", (expired["id"],))
    with refused("PT409", "draft_closed", match="expired"):
        approve(world, expired)
    assert written(world) == (1, 0)


def test_a_changed_recipient_stops_the_approval(world: Any, refused: Any) -> None:
    draft = world.draft()
    assert draft["recipient"] == "contact@acme.example"
    for change in ("set email = 'else@example.com'", "set email = null", None):
        world.conn.execute(f"update contacts {change}" if change else "delete from contacts")
        with refused("PT409", "recipient_changed"):
            approve(world, draft)
    assert (status(world, draft), written(world)) == ("pending", (0, 0))


@pytest.mark.parametrize("draft_type", ["note", "task"])
def test_a_contact_or_deal_that_is_gone_does_not_stop_a_note_or_task(world: Any, draft_type: str) -> None:
    deal = uuid.uuid4()
    world.conn.execute("insert into deals (id, client_id, title) values (%s, %s, 'Big')", (deal, world.clients["Acme"]))
    draft = world.draft(p_draft_type=draft_type, p_deal_id=deal)
    world.conn.execute("delete from contacts")
    world.conn.execute("delete from deals")
    assert approve(world, draft)["status"] == "approved"
    assert sum(written(world)) == 1


def test_access_to_the_client_lost(world: Any, refused: Any) -> None:
    draft = world.draft()
    world.conn.execute("update clients set owner_id = %s", (world.users["bob"],))
    with refused("PT403", "access_lost"):
        approve(world, draft)
    assert (status(world, draft), written(world)) == ("pending", (0, 0))
    rejected = world.person("ada").rpc("reject_draft", p_draft_id=draft["id"])[0]
    assert rejected["status"] == "rejected"


@pytest.mark.parametrize(("draft_type", "table"), [("email", "activities"), ("note", "activities"), ("task", "tasks")])
def test_what_the_person_may_not_write_approving_does_not_write(
    world: Any, refused: Any, draft_type: str, table: str
) -> None:
    draft = world.draft(p_draft_type=draft_type)
    world.conn.execute(f"drop policy {table}_insert_of_visible_client on {table}")
    with refused("42501", match="violates row-level security"):
        approve(world, draft)
    world.conn.execute(f"revoke insert on {table} from authenticated")
    with refused("42501", match="permission denied"):
        approve(world, draft)
    assert (status(world, draft), written(world)) == ("pending", (0, 0))
    assert world.one("select from agent.audit_log where action = 'draft_approved'") is None


def test_rejecting_keeps_the_reason(world: Any) -> None:
    draft = world.draft()
    rejected = world.person("ada").rpc("reject_draft", p_draft_id=draft["id"], p_reason="  too long " + "x" * 2000)[0]
    assert rejected["rejected_reason"].startswith("too long x")
    assert len(rejected["rejected_reason"]) <= 1000
    assert (rejected["approved_by"], rejected["approved_at"], written(world)) == (None, None, (0, 0))
    audit = world.one("select * from agent.audit_log where action = 'draft_rejected'")
    assert (audit["actor_id"], audit["entity_id"]) == (world.users["ada"], draft["id"])
    again = world.draft()  # a rejected draft is in nobody's way
    assert world.person("ada").rpc("reject_draft", p_draft_id=again["id"], p_reason=" ")[0]["rejected_reason"] is None


@pytest.mark.parametrize("role", ["authenticated", "anon", "service_role", "agent_worker"])
def test_nobody_writes_our_tables(world: Any, refused: Any, role: str) -> None:
    caller = world.person("eve") if role == "authenticated" else type(world.worker)(world.conn, role, hook=False)
    statements = [
        "update ai_drafts set status = 'approved', approved_at = now()",
        "delete from ai_drafts",
        "truncate ai_drafts",
    ]
    columns = {
        "ai_draft_requests": "state",
        "ai_interactions": "purpose",
        "ai_settings": "time_zone",
        "deal_stage_history": "to_stage",
    }
    for table, column in columns.items():
        statements += [
            f"insert into {table} default values", f"update {table} set {column} = {column}", f"delete from {table}",
            f"truncate {table} cascade",
        ]  # fmt: skip
    for statement in statements:
        with refused("42501", match="permission denied for (table|schema)"):
            caller.sql(statement)


def test_a_person_cannot_insert_a_draft(world: Any, refused: Any) -> None:
    insert = (
        "insert into ai_drafts (client_id, draft_type, content, created_by, purpose, language, generated_content, "
        "provider, expires_at{0}) values (%s, 'note', 'x', %s, 'custom', 'en', 'x', 'offline', now(){1})"
    )
    values = (world.clients["Acme"], world.users["ada"])
    with refused("42501", match="violates row-level security"):
        world.person("ada").sql(insert.format("", ""), *values)
    with refused("42501", match="permission denied"):
        world.person("ada").sql(insert.format(", status", ", 'approved'"), *values)
    world.request()
    job = world.claim()[0]
    with refused("PT403", "agent_refused"):  # the agent too, outside of complete_draft_job
        world.agent(job).sql(insert.format("", ""), *values)
    with refused("42501", match="violates row-level security"):
        world.agent(job, hook=False).sql(insert.format("", ""), *values)


def test_twenty_approvals_at_once_are_one(world: Any, database: Any) -> None:
    draft = world.draft()
    ada = world.person("ada")

    def try_once(_: int) -> str:
        with database.connect() as connection:
            try:
                caller = type(ada)(connection, ada.role, ada.claims)
                return caller.rpc("approve_draft", p_draft_id=draft["id"], p_content_hash=draft["content_hash"])[0][
                    "status"
                ]
            except psycopg.Error as error:
                return f"{error.sqlstate} {error.diag.message_detail}"

    with ThreadPoolExecutor(20) as pool:
        outcomes = sorted(pool.map(try_once, range(20)))
    assert outcomes == ["PT409 draft_closed: approved"] * 19 + ["approved"]
    assert written(world) == (1, 0)
