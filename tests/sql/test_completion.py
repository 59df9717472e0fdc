"""How a job ends well: draft, books and job in one transaction, once, under the fence and the user's rights."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

COUNTS = """
  select (select count(*) from public.ai_drafts) as drafts,
    (select count(*) from public.ai_interactions) as interactions,
    (select count(*) from agent.audit_log where action = 'draft_written') as audit,
    (select state from agent.jobs order by created_at limit 1) as job,
    (select state from public.ai_draft_requests order by created_at limit 1) as request
"""
UNWRITTEN = {"drafts": 0, "interactions": 0, "audit": 0, "job": "running", "request": "running"}
WRITTEN = {"drafts": 1, "interactions": 1, "audit": 1, "job": "done", "request": "done"}


@pytest.fixture
def job(world: Any) -> dict[str, Any]:
    """Ada's job for Acme, claimed."""
    world.request(p_hints="Mention the fair.")
    return world.claim()[0]


def give_client_to(world: Any, owner: str) -> None:
    world.conn.execute(
        "update public.clients set owner_id = %s where id = %s", [world.users[owner], world.clients["Acme"]]
    )


def test_one_call_writes_the_draft_the_books_and_the_audit_and_closes_the_job(world: Any, job: dict[str, Any]) -> None:
    usage = {
        "input_tokens": 900,
        "output_tokens": 80,
        "cache_read_tokens": 700,
        "latency_ms": 1200,
        "request_id": "r-1",
    }
    draft_id = world.complete(job, p_provider="offline", p_model="offline-1", p_usage=usage, p_language="de")
    assert world.one(COUNTS) == WRITTEN

    draft = world.one("select * from public.ai_drafts")
    assert (draft["id"], draft["status"], draft["created_by"]) == (draft_id, "pending", world.users["ada"])
    assert (draft["client_id"], draft["request_id"]) == (world.clients["Acme"], uuid.UUID(job["payload"]["request_id"]))
    assert (draft["content"], draft["subject"]) == (draft["generated_content"], draft["generated_subject"])
    assert (draft["context_version"], draft["language"], draft["approved_by"]) == ("v1", "de", None)

    booked = world.one("select * from public.ai_interactions")
    assert (booked["user_id"], booked["job_id"], booked["attempt"]) == (world.users["ada"], job["job_id"], 1)
    assert (booked["purpose"], booked["provider"], booked["outcome"]) == ("draft.follow_up", "offline", "completed")
    assert (booked["input_tokens"], booked["cache_read_tokens"], booked["output_tokens"]) == (900, 700, 80)
    assert (booked["latency_ms"], booked["request_id"]) == (1200, "r-1")

    row = world.one("select * from agent.jobs")
    assert (row["result_id"], row["finished_at"] is not None, "hints" in row["payload"]) == (draft_id, True, False)
    audited = world.one("select * from agent.audit_log where action = 'draft_written'")
    assert (audited["actor"], audited["actor_id"], audited["entity_id"]) == ("agent", world.users["ada"], draft_id)


def test_a_completion_that_is_not_committed_never_was(world: Any, job: dict[str, Any]) -> None:
    with world.agent(job).transaction("/rpc/complete_draft_job") as cursor:
        cursor.execute("select public.complete_draft_job('Hello.', 'News')")
        raise psycopg.Rollback
    assert world.one(COUNTS) == UNWRITTEN
    world.complete(job)
    assert world.one(COUNTS) == WRITTEN


def test_the_same_fence_again_is_the_same_draft_and_not_a_word_more(world: Any, job: dict[str, Any]) -> None:
    first = world.complete(job)
    assert world.complete(job, p_content="Something else.", p_subject="Else") == first
    assert world.one(COUNTS) == WRITTEN
    assert world.value("select content from public.ai_drafts") == "Hello, here is the news."


@pytest.mark.drill
def test_sixteen_completions_at_once_are_one_draft(world: Any, job: dict[str, Any], race: Any) -> None:
    ids = race(16, lambda mine, number: mine.complete(job, p_content=f"Text {number}"))
    assert ids == [world.value("select id from public.ai_drafts")] * 16
    assert world.one(COUNTS) == WRITTEN


def test_any_other_fence_is_refused_and_changes_nothing(world: Any, job: dict[str, Any], refused: Any) -> None:
    for step in (-1, 1, 100):
        for hook in (True, False):
            caller = world.agent(job, hook=hook, fence=job["fence"] + step)
            with refused("PT409", "stale_fence"):
                caller.rpc("complete_draft_job", p_content="x", p_subject="x")
    assert world.one(COUNTS) == UNWRITTEN


@pytest.mark.parametrize("hook", [True, False])
def test_a_token_completes_its_own_users_job_only(world: Any, job: dict[str, Any], refused: Any, hook: bool) -> None:
    world.request("bob", "Bolt")
    theirs = world.claim()[0]
    assert theirs["fence"] == job["fence"]
    with refused("PT409", "stale_fence"):
        world.agent(job, hook=hook, job=str(theirs["job_id"])).rpc("complete_draft_job", p_content="x", p_subject="x")
    assert world.one(COUNTS) == UNWRITTEN


@pytest.mark.parametrize("hook", [True, False])
@pytest.mark.parametrize("loss", ["deleted", "banned", "client"])
def test_rights_lost_since_the_request_leave_nothing_written(
    world: Any, job: dict[str, Any], refused: Any, loss: str, hook: bool
) -> None:
    sqlstate, detail, code = "PT403", "user_inactive", "user_inactive"
    if loss == "deleted":
        world.conn.execute("delete from auth.users where id = %s", [world.users["ada"]])
    elif loss == "banned":
        world.conn.execute("update auth.users set banned_until = 'infinity' where id = %s", [world.users["ada"]])
    else:
        give_client_to(world, "bob")
        sqlstate, detail, code = "PT404", "client_not_found", "access_lost"
    with refused(sqlstate, detail):
        world.agent(job, hook=hook).rpc("complete_draft_job", p_content="x", p_subject="x")
    assert world.one(COUNTS) == UNWRITTEN | {"request": None if loss == "deleted" else "running"}

    state = world.worker.rpc("fail_job", p_job_token=job["token"], p_code=code)[0]["fail_job"]
    assert state == ("failed" if loss == "client" else "cancelled")
    assert world.one("select state, failure_code from agent.jobs") == {"state": state, "failure_code": code}
    if loss != "deleted":
        sentence = world.value("select sentence from agent.failure_codes where code = %s", code)
        assert world.one("select state, error from public.ai_draft_requests") == {"state": state, "error": sentence}


def test_all_faults_of_the_output_are_named_at_once_and_it_may_be_mended(
    world: Any, job: dict[str, Any], refused: Any
) -> None:
    faults: dict[str, Any] = {
        "p_content": "\u200b <!-- nothing -->", "p_subject": " ", "p_details": ["no object"], "p_language": "English!",
        "p_context": {"text": "x" * 262_144}, "p_provider": "Some Provider", "p_grounding": ["x" * 262_144],
        "p_usage": {"input_tokens": "many"},
    }  # fmt: skip
    with refused("PT400", "invalid_output") as caught:
        world.complete(job, **faults)
    for argument in faults:
        assert argument in caught.value.diag.message_primary
    assert world.one(COUNTS) == UNWRITTEN
    assert world.complete(job)


def test_what_is_too_long_is_refused_and_never_cut(world: Any, job: dict[str, Any], refused: Any) -> None:
    with refused("PT400", "invalid_output", match="p_content has 20001 .* p_subject has 301"):
        world.complete(job, p_content="x" * 20_001, p_subject="y" * 301)
    world.complete(job, p_content="x" * 20_000, p_subject="y" * 300)
    assert world.one("select length(content) as c, length(subject) as s from public.ai_drafts") == {
        "c": 20_000,
        "s": 300,
    }


UNBOOKABLE = ["[]", "7", '"x"', *[{"input_tokens": n} for n in (-1, 0.5, 10**12, [1], "1", True)]]


def test_usage_that_cannot_be_booked_is_refused_by_name(world: Any, job: dict[str, Any], refused: Any) -> None:
    for usage in UNBOOKABLE:
        with refused("PT400", "invalid_output", match="p_usage"):
            world.complete(job, p_usage=usage)
        with refused("PT400", "invalid_argument", match="p_usage"):
            world.worker.rpc("fail_job", p_job_token=job["token"], p_code="refused", p_usage=usage)
    assert world.one(COUNTS) == UNWRITTEN


@pytest.mark.parametrize(
    "details", [{"priority": "urgent"}, {"due_at": "tomorrow"}, {"due_at": "2026-02-30T09:00Z"}, {"note": "x" * 9000}]
)
def test_the_details_of_a_task_are_checked(world: Any, refused: Any, details: dict[str, Any]) -> None:
    world.request(p_draft_type="task")
    with refused("PT400", "invalid_output", match="p_details"):
        world.complete(world.claim()[0], p_details=details)


def test_the_recipient_is_the_contacts_address_in_the_crm(world: Any, job: dict[str, Any]) -> None:
    world.complete(
        job, p_content="To: mallory@evil.example", p_details={"recipient": "mallory@evil.example", "contact_id": "1"}
    )
    assert world.value("select recipient from public.ai_drafts") == "contact@acme.example"


def test_a_contact_that_went_to_another_client_receives_nothing(world: Any, job: dict[str, Any]) -> None:
    world.conn.execute("update public.contacts set client_id = %s", [world.clients["Bolt"]])
    world.complete(job)
    assert world.value("select recipient from public.ai_drafts") is None


INSERT = """
  insert into public.ai_drafts (
    client_id, draft_type, content, created_by, purpose, language, generated_content, request_id, provider,
    expires_at {more}
  ) values (
    %(client)s, 'note', 'Hello.', %(user)s, 'custom', 'en', 'Hello.', %(request)s, 'offline',
    now() + interval '1 day' {values}
  )
"""


def insert(world: Any, caller: Any, job: dict[str, Any], *, begin: bool, more: str = "", **other: Any) -> None:
    """Insert a draft by hand, as no function of ours does."""
    column, _, value = more.partition(" = ")
    query = INSERT.format(more=f", {column}" if more else "", values=f", {value}" if more else "")
    values = {"client": job["client_id"], "user": job["user_id"], "request": job["payload"]["request_id"], **other}
    with caller.transaction("/rpc/complete_draft_job") as cursor:
        if begin:
            cursor.execute("select agent.begin_complete_v1()")
        cursor.execute(query, values)


def test_a_draft_is_inserted_in_the_completion_of_its_job_only(world: Any, job: dict[str, Any], refused: Any) -> None:
    world.conn.execute("update public.clients set owner_id = %s", [world.users["ada"]])  # she sees both
    other = world.person("bob"), world.request("ada", "Bolt")["id"]
    by_policy = [
        (world.person("ada"), False, {}),
        (world.person("eve"), False, {"user": world.users["eve"]}),
        (other[0], False, {"user": world.users["bob"]}),
        (world.agent(job), False, {}),
        (world.agent(job), True, {"client": world.clients["Bolt"]}),
        (world.agent(job), True, {"user": world.users["bob"]}),
        (world.agent(job), True, {"request": other[1]}),
        (world.agent(job), True, {"request": None}),
    ]
    for caller, begin, values in by_policy:
        with refused("42501", match="row-level security"):
            insert(world, caller, job, begin=begin, **values)
    for more in ("status = 'approved'", f"approved_by = '{job['user_id']}'", "approved_at = now()", "sent_at = now()"):
        with refused("42501", match="permission denied"):
            insert(world, world.agent(job), job, begin=True, more=more)
    for role in ("anon", "service_role", "agent_worker"):
        with refused("42501", match="permission denied"):
            insert(world, world.caller(role, hook=False), job, begin=False)
    # What is refused above differs from this in one thing. This comes as far as the commit, where its end is missing.
    with refused("PT409", "not_completed"):
        insert(world, world.agent(job), job, begin=True)
    assert world.one(COUNTS)["drafts"] == 0


@pytest.mark.parametrize(
    "statement", ["update public.ai_drafts set status = 'approved'", "delete from public.ai_drafts"]
)
def test_nobody_changes_a_draft_by_hand(world: Any, job: dict[str, Any], refused: Any, statement: str) -> None:
    world.complete(job)
    for caller in (world.person("ada"), world.person("eve"), world.agent(job, hook=False)):
        with refused("42501", match="permission denied"):
            caller.sql(statement)


def test_a_person_neither_begins_nor_finishes_a_completion(world: Any, job: dict[str, Any], refused: Any) -> None:
    with refused("PT403", "not_an_agent"):
        world.person("ada").sql("select agent.begin_complete_v1()")
    with refused("PT409", "stale_fence"):
        world.person("ada").sql("select agent.finish_complete_v1(%s, 'offline', null, '{}')", uuid.uuid4())
    with refused("42501"):
        world.caller("agent_worker", hook=False).sql("select agent.begin_complete_v1()")
    assert world.one(COUNTS) == UNWRITTEN


def test_a_job_is_finished_on_its_own_draft_in_the_transaction_that_began_it(
    world: Any, job: dict[str, Any], refused: Any
) -> None:
    theirs = world.complete(job)
    world.request(p_purpose="check_in")
    second = world.claim()[0]
    mine = world.agent(second)
    finish = "select agent.finish_complete_v1(%s, 'offline', null, '{}')"
    path = "/rpc/complete_draft_job"
    for draft_id in (theirs, uuid.uuid4(), None):
        with refused("PT409", "stale_fence"), mine.transaction(path) as cursor:
            cursor.execute("select agent.begin_complete_v1()")
            cursor.execute(finish, [draft_id])
    world.conn.execute("alter table public.ai_drafts disable trigger ai_drafts_require_completion")
    insert(world, mine, second, begin=True)  # committed, and the job is still open
    own = world.value("select id from public.ai_drafts where id <> %s", theirs)
    with refused("PT409", "stale_fence"):
        mine.sql(finish, own, path=path)
    assert world.value("select count(*) from agent.jobs where state = 'running'") == 1
