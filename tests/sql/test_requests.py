"""Asking for a draft: one request, one job, inside the caps, for a client that the person sees."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

JOBS = "select count(*) from agent.jobs"
REQUESTS = "select count(*) from public.ai_draft_requests"


def add(world: Any, table: str, client: str, **columns: Any) -> uuid.UUID:
    """A row of the CRM that belongs to this client."""
    values = {"client_id": world.clients[client], **columns}
    return world.value(
        f"insert into public.{table} ({', '.join(values)}) values ({', '.join(['%s'] * len(values))}) returning id",
        *values.values(),
    )


def set_cap(world: Any, **caps: Any) -> None:
    for name, value in caps.items():
        world.conn.execute(f"update public.ai_settings set {name} = %s", [value])


def test_a_request_is_one_row_and_one_job(world: Any) -> None:
    request = world.request(p_hints="  Mention the fair.\n", p_language="de")
    job = world.one("select * from agent.jobs")
    primary = world.value("select id from public.contacts where client_id = %s", world.clients["Acme"])
    assert request["state"] == job["state"] == "queued"
    assert request["job_id"] == job["id"]
    assert request["user_id"] == job["user_id"] == world.users["ada"]
    assert request["contact_id"] == primary
    assert job["payload"] == {
        "request_id": str(request["id"]), "draft_type": "email", "purpose": "follow_up", "language": "de",
        "contact_id": str(primary), "deal_id": None, "task_id": None,
    }  # fmt: skip
    # The hints stay with the request, which goes with its user; the job does not. A claim hands them out.
    assert request["hints"] == "Mention the fair."
    (claimed,) = world.claim()
    assert claimed["payload"]["hints"] == "Mention the fair."
    assert world.one("select actor, actor_id, entity_id from agent.audit_log where action = 'draft_requested'") == {
        "actor": "user",
        "actor_id": world.users["ada"],
        "entity_id": request["id"],
    }


def test_all_faults_are_named_at_once(world: Any, refused: Any) -> None:
    foreign = {
        "p_contact_id": world.value("select id from public.contacts where client_id = %s", world.clients["Bolt"]),
        "p_deal_id": add(world, "deals", "Bolt", title="Theirs"),
        "p_task_id": add(world, "tasks", "Bolt", title="Theirs"),
    }
    wrong = {"p_draft_type": "sms", "p_purpose": None, "p_hints": "é" * 1025, "p_language": "English please"}
    with refused("PT400", "invalid_argument") as caught:
        world.request(**wrong, **foreign, p_interactive=None)
    message = caught.value.diag.message_primary
    for argument in [*wrong, *foreign, "p_interactive"]:
        assert argument in message
    assert world.value(JOBS) == world.value(REQUESTS) == 0


def test_hints_may_have_exactly_2048_bytes(world: Any) -> None:
    assert world.request(p_hints=f" {'é' * 1024} ")["hints"] == "é" * 1024


@pytest.mark.parametrize("argument", ["p_contact_id", "p_deal_id", "p_task_id"])
def test_a_foreign_row_is_refused_in_the_words_of_one_that_does_not_exist(
    world: Any, refused: Any, argument: str
) -> None:
    columns = {"name": "Cid"} if argument == "p_contact_id" else {"title": "Theirs"}
    theirs = add(world, f"{argument[2:-3]}s", "Bolt", **columns)
    messages = set()
    for row in (theirs, uuid.uuid4()):
        with refused("PT400", "invalid_argument", match=argument) as caught:
            world.request(**{argument: row})
        messages.add(caught.value.diag.message_primary)
    assert len(messages) == 1


def test_a_row_of_another_client_of_ones_own_is_refused_too(world: Any, refused: Any) -> None:
    world.add_client("Aqua", "ada")
    rows = {
        "p_contact_id": world.value("select id from public.contacts where client_id = %s", world.clients["Aqua"]),
        "p_deal_id": add(world, "deals", "Aqua", title="Hers"),
        "p_task_id": add(world, "tasks", "Aqua", title="Hers"),
    }
    for argument, row in rows.items():
        with refused("PT400", "invalid_argument", match=argument):
            world.request(**{argument: row})
    assert world.request("ada", "Aqua", **rows)["deal_id"] == rows["p_deal_id"]


def test_a_foreign_client_is_refused_in_the_words_of_one_that_does_not_exist(world: Any, refused: Any) -> None:
    answers = set()
    for client in (world.clients["Bolt"], uuid.uuid4(), None):
        with refused("PT404", "client_not_found") as caught:
            world.request(p_client_id=client)
        answers.add((caught.value.diag.message_primary, caught.value.diag.message_hint))
    assert len(answers) == 1
    assert world.value(JOBS) == 0


def test_the_same_open_request_again_is_the_same_row(world: Any) -> None:
    first = world.request(p_hints="Mention the fair.")
    assert world.request(p_hints=" Mention the fair.\r\n")["id"] == first["id"]
    world.claim()
    again = world.request(p_hints="Mention the fair.")
    assert (again["id"], again["state"]) == (first["id"], "running")
    assert world.value(JOBS) == 1


def test_no_hints_and_empty_hints_are_the_same(world: Any) -> None:
    assert world.request()["id"] == world.request(p_hints=" \n")["id"]


@pytest.mark.parametrize("other", [{"p_hints": "Mention the lunch."}, {"p_language": "fr"}])
def test_other_wishes_wait_for_the_open_request(world: Any, refused: Any, other: dict[str, Any]) -> None:
    first = world.request(p_hints="Mention the fair.")
    with refused("PT409", "request_open") as caught:
        world.request(**{"p_hints": "Mention the fair.", **other})
    assert caught.value.diag.message_detail == f"request_open: {first['id']}"


@pytest.mark.parametrize("other", [{"p_draft_type": "note"}, {"p_purpose": "check_in"}])
def test_another_type_or_purpose_is_another_request(world: Any, other: dict[str, Any]) -> None:
    assert world.request()["id"] != world.request(**other)["id"]


def test_an_open_draft_is_named_and_a_closed_one_is_in_nobodys_way(world: Any, refused: Any) -> None:
    draft = world.draft()
    with refused("PT409", "draft_open") as caught:
        world.request()
    assert caught.value.diag.message_detail == f"draft_open: {draft['id']}"
    world.person("ada").rpc("reject_draft", p_draft_id=draft["id"])
    assert world.request()["state"] == "queued"


def test_an_expired_draft_is_in_nobodys_way(world: Any) -> None:
    draft = world.draft()
    world.conn.execute("update public.ai_drafts set expires_at = now() - interval '1 second'")
    second = world.draft()
    rows = world.conn.execute("select id, status from public.ai_drafts").fetchall()
    assert dict(rows) == {draft["id"]: "expired", second["id"]: "pending"}


def test_colleagues_do_not_share_requests(world: Any) -> None:
    assert world.request("ada")["id"] != world.request("eve")["id"]  # an admin sees Acme too


@pytest.mark.drill
def test_of_64_racing_requests_the_cap_of_10_admits_10(world: Any, race: Any) -> None:
    deals = [add(world, "deals", "Acme", title=f"Deal {number}") for number in range(64)]
    results = race(64, lambda mine, number: mine.request(p_deal_id=deals[number])["id"])
    refusals = [result for result in results if isinstance(result, psycopg.Error)]
    assert {(error.sqlstate, error.diag.message_detail) for error in refusals} == {("PT429", "open_jobs_cap: 10")}
    assert len(refusals) == 54
    assert world.value(JOBS) == world.value(REQUESTS) == 10


@pytest.mark.drill
def test_64_identical_requests_at_once_are_one_request_and_one_job(world: Any, race: Any) -> None:
    results = race(64, lambda mine, _: mine.request(p_hints="Mention the fair.")["id"])
    assert results == [world.value("select id from public.ai_draft_requests")] * 64
    assert world.value(JOBS) == world.value(REQUESTS) == 1


def test_the_open_cap_is_per_person_and_frees_with_each_job(world: Any, refused: Any) -> None:
    set_cap(world, open_jobs_per_user=1)
    world.request()
    with refused("PT429", "open_jobs_cap"):
        world.request(p_purpose="check_in")
    world.request("bob", "Bolt")
    world.complete(next(job for job in world.claim(2) if job["user_id"] == world.users["ada"]))
    world.request(p_purpose="check_in")


def test_a_day_begins_at_midnight_where_the_organisation_is(world: Any, refused: Any) -> None:
    # The last midnight of one zone is before that of the other: a request made in between is of today in one only.
    midnight = "date_trunc('day', now() at time zone name) at time zone name"
    zones = "(values ('Pacific/Kiritimati'), ('Pacific/Niue')) as zones (name)"
    early, late = (row[0] for row in world.conn.execute(f"select name from {zones} order by {midnight}"))
    set_cap(world, daily_jobs_per_user=1, time_zone=early)
    world.draft()
    world.conn.execute(
        f"update public.ai_draft_requests set created_at = (select {midnight} from {zones} where name = %s)", [early]
    )
    with refused("PT429", "daily_jobs_cap") as caught:
        world.request(p_purpose="check_in")
    assert early in caught.value.diag.message_hint
    set_cap(world, time_zone=late)
    world.request(p_purpose="check_in")


def test_the_day_before_ends_one_moment_before_midnight(world: Any) -> None:
    set_cap(world, daily_jobs_per_user=1)
    world.draft()
    world.conn.execute(
        "update public.ai_draft_requests set created_at = date_trunc('day', now()) - interval '1 microsecond'"
    )
    world.request(p_purpose="check_in")


def test_an_interactive_job_is_held_back_and_wakes_nobody(world: Any, database: Any) -> None:
    with database.connect() as listener:
        listener.execute("listen agent_jobs")
        listener.execute("listen test_end")
        world.request(p_interactive=True)
        world.conn.execute("select pg_notify('test_end', '')")
        assert [n.channel for n in listener.notifies(timeout=10, stop_after=1)] == ["test_end"]

        assert world.claim() == []
        held = world.value("select extract(epoch from due_at - created_at) from agent.jobs")
        assert held == 5

        world.request(p_purpose="check_in")
        assert [(n.channel, n.payload) for n in listener.notifies(timeout=10, stop_after=1)] == [("agent_jobs", "")]
    assert len(world.claim(10)) == 1


def test_only_a_person_asks(world: Any, refused: Any) -> None:
    asked = {"p_client_id": world.clients["Acme"], "p_draft_type": "email", "p_purpose": "check_in"}
    world.request()
    job = world.claim()[0]
    person = world.person("ada").claims
    worker = {"jti": str(world.worker_jti)}
    for caller, sqlstate, detail in [
        (world.caller("anon"), "42501", None),
        (world.caller("service_role"), "42501", None),
        (world.caller("authenticated"), "PT401", "not_signed_in"),
        (world.caller("authenticated", **{**person, "is_anonymous": True}), "PT403", "anonymous_user"),
        (world.agent(job), "PT403", "agent_refused"),
        (world.agent(job, hook=False), "PT403", "agent_refused"),
        (world.caller("authenticated", hook=False, **person, act=None), "PT403", "agent_refused"),
        (world.caller("agent_worker", **worker), "PT403", "worker_refused"),
        (world.caller("agent_worker", hook=False, **worker), "42501", None),
    ]:
        with refused(sqlstate, detail):
            caller.rpc("request_draft", **asked)
    assert world.value(REQUESTS) == 1


@pytest.mark.parametrize("column", ["banned_until = now() + interval '1 day'", "deleted_at = now()"])
def test_a_banned_or_deleted_user_asks_for_nothing(world: Any, refused: Any, column: str) -> None:
    world.conn.execute(f"update auth.users set {column} where id = %s", [world.users["ada"]])
    with refused("PT403", "user_inactive"):
        world.request()


def test_a_ban_that_is_over_is_none(world: Any) -> None:
    world.conn.execute("update auth.users set banned_until = now() where id = %s", [world.users["ada"]])
    assert world.request()["state"] == "queued"


def test_nobody_writes_a_request_by_hand(world: Any, refused: Any) -> None:
    world.request()
    for statement in (
        "insert into public.ai_draft_requests (user_id) select user_id from public.ai_draft_requests",
        "update public.ai_draft_requests set state = 'done'",
        "delete from public.ai_draft_requests",
    ):
        with refused("42501", match="permission denied"):
            world.person("ada").sql(statement)
