"""From an approved mail to a sent one: the hold, undoing, who may, how often, and what each end leaves behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from tests.mails import approve, end_hold, queue, refuse_mail, set_up_mail

SHOWN = ("state", "from_address", "reply_to", "to", "subject", "content", "references")


@pytest.fixture
def mailing(world: Any) -> Any:
    set_up_mail(world)
    return world


def begin(world: Any, job: dict[str, Any]) -> dict[str, Any]:
    return world.agent(job).rpc("begin_send_job")[0]["begin_send_job"]


def complete(world: Any, job: dict[str, Any], outcome: str, **more: Any) -> Any:
    return world.agent(job).rpc("complete_send_job", p_outcome=outcome, **more)[0]["complete_send_job"]


def look(world: Any) -> tuple[Any, ...]:
    row = world.one(
        "select s.state, s.code, d.status, d.sent_at is not null as sent, j.state as job from public.ai_sends as s "
        "join public.ai_drafts as d on d.id = s.draft_id left join agent.jobs as j on j.id = s.job_id "
        "order by s.created_at desc, s.ended_at desc limit 1"
    )
    return tuple(row.values())


def test_a_mail_is_sent_after_the_hold_and_in_the_text_that_was_approved(mailing: Any) -> None:
    draft = approve(mailing)
    send = mailing.person("ada").rpc("send_draft", p_draft_id=draft["id"])[0]
    assert (send["due_at"] - send["created_at"]).total_seconds() == 30
    assert mailing.claim() == []
    end_hold(mailing)
    (job,) = mailing.claim()
    mail = begin(mailing, job)
    assert {key: mail[key] for key in SHOWN} == {
        "state": "begun", "from_address": "ada@example.com", "reply_to": None, "to": "contact@acme.example",
        "subject": "News", "content": "Hello, here is the news.", "references": [],
    }  # fmt: skip
    assert mail["message_id"] == f"<{draft['id']}.{draft['content_hash'][:16]}@example.com>"
    assert look(mailing) == ("begun", None, "approved", False, "running")
    assert complete(mailing, job, "sent") == send["id"]
    assert look(mailing) == ("sent", None, "approved", True, "done")
    assert complete(mailing, job, "sent") == send["id"]  # its answer was lost: the same again


def test_the_hold_is_a_setting(mailing: Any) -> None:
    mailing.conn.execute("update public.ai_settings set send_hold_seconds = 0")
    mailing.person("ada").rpc("send_draft", p_draft_id=approve(mailing)["id"])
    assert len(mailing.claim()) == 1


def test_undone_within_the_hold_the_draft_is_open_again_with_its_text(mailing: Any) -> None:
    draft = approve(mailing)
    mailing.conn.execute("update public.ai_drafts set content = 'As edited.' where id = %s", [draft["id"]])
    mailing.person("ada").rpc("send_draft", p_draft_id=draft["id"])
    (back,) = mailing.person("ada").rpc("undo_send", p_draft_id=draft["id"])
    assert (back["status"], back["content"], back["approved_at"]) == ("edited", "As edited.", None)
    assert look(mailing) == ("undone", None, "edited", False, "cancelled")
    assert mailing.value("select count(*) from public.activities") == 0
    end_hold(mailing)
    assert mailing.claim() == []
    with_hash = {"p_draft_id": draft["id"], "p_content_hash": back["content_hash"]}
    mailing.person("ada").rpc("approve_draft", **with_hash)
    mailing.person("ada").rpc("send_draft", p_draft_id=draft["id"])


def test_undone_beside_a_newer_draft_it_stays_approved_and_is_not_sent(mailing: Any) -> None:
    draft = approve(mailing)
    mailing.person("ada").rpc("send_draft", p_draft_id=draft["id"])
    mailing.draft()
    (kept,) = mailing.person("ada").rpc("undo_send", p_draft_id=draft["id"])
    assert (kept["status"], kept["sent_at"]) == ("approved", None)
    assert look(mailing)[0] == "undone"
    assert mailing.value("select count(*) from public.activities") == 1


def test_what_has_begun_cannot_be_undone(mailing: Any, refused: Any) -> None:
    send = queue(mailing)
    (job,) = mailing.claim()
    begin(mailing, job)
    with refused("PT409", "send_closed"):
        mailing.person("ada").rpc("undo_send", p_draft_id=send["draft_id"])


def test_a_worker_that_claimed_loses_to_an_undo_before_it_begins(mailing: Any, refused: Any) -> None:
    send = queue(mailing)
    (job,) = mailing.claim()
    mailing.person("ada").rpc("undo_send", p_draft_id=send["draft_id"])
    with refused("PT409", "stale_fence"):
        begin(mailing, job)


@pytest.mark.drill
def test_of_an_undo_and_a_beginning_at_once_one_wins(mailing: Any, race: Any) -> None:
    mailing.conn.execute("update public.ai_settings set drafts_per_minute = 100, daily_jobs_per_user = 1000")
    for number in range(20):
        deal = mailing.value(
            "insert into public.deals (client_id, title) values (%s, 'D') returning id", mailing.clients["Acme"]
        )
        send = queue(mailing, p_deal_id=deal)
        (job,) = mailing.claim()

        def act(world: Any, place: int, job: Any = job, send: Any = send) -> Any:
            if place:
                return begin(world, job)["state"]
            return world.person("ada").rpc("undo_send", p_draft_id=send["draft_id"])[0]["status"]

        answers = race(2, act)
        assert sum(isinstance(answer, psycopg.Error) for answer in answers) == 1, (number, answers)
        assert sorted(type(answer).__name__ for answer in answers)[-1] == "str"


BROKEN = {
    "email_not_allowed": lambda w: refuse_mail(w, "Acme"),
    "recipient_changed": lambda w: w.conn.execute("update public.contacts set email = 'other@acme.example'"),
    "access_lost": lambda w: w.conn.execute(
        "update public.clients set owner_id = %s", [w.users["bob"]]
    ),
    "send_cap": lambda w: w.conn.execute("update public.ai_settings set daily_sends_per_user = 0"),
    "mail_not_set_up": lambda w: w.conn.execute(
        "update public.ai_settings set mail_from = null, mail_user_domains = '{}'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("code", BROKEN)
def test_what_changes_in_the_hold_refuses_the_mail_and_the_person_may_retry(mailing: Any, code: str) -> None:
    send = queue(mailing)
    BROKEN[code](mailing)
    (job,) = mailing.claim()
    assert begin(mailing, job) == {"state": "refused", "code": code}
    assert look(mailing) == ("refused", code, "approved", False, "failed")
    assert mailing.value("select reason from public.ai_sends") == mailing.value(
        "select sentence from agent.failure_codes where code = %s", code
    )
    if code == "send_cap":
        mailing.conn.execute("update public.ai_settings set daily_sends_per_user = 1")
        assert mailing.person("ada").rpc("send_draft", p_draft_id=send["draft_id"])[0]["state"] == "queued"


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_wrong_at_once_is_refused_at_once(mailing: Any, refused: Any, code: str) -> None:
    draft = approve(mailing)
    BROKEN[code](mailing)
    status = {"email_not_allowed": "PT403", "access_lost": "PT403", "send_cap": "PT429"}.get(code, "PT409")
    with refused(status, code):
        mailing.person("ada").rpc("send_draft", p_draft_id=draft["id"])
    assert mailing.value("select count(*) from public.ai_sends") == 0


def test_a_draft_that_was_changed_behind_the_approval_is_not_sent(mailing: Any) -> None:
    queue(mailing)
    mailing.conn.execute("update public.ai_drafts set content = 'Another text.'")
    (job,) = mailing.claim()
    assert begin(mailing, job) == {"state": "refused", "code": "draft_changed"}


def test_an_attempt_whose_worker_died_is_unknown_and_never_repeated(mailing: Any, refused: Any) -> None:
    send = queue(mailing)
    (first,) = mailing.claim()
    begin(mailing, first)
    mailing.conn.execute("update agent.jobs set due_at = now() where state = 'running'")
    (second,) = mailing.claim()
    assert begin(mailing, second) == {"state": "unknown", "code": "send_unknown"}
    assert look(mailing) == ("unknown", "send_unknown", "approved", False, "failed")
    with refused("PT409", "stale_fence"):
        complete(mailing, first, "sent")
    assert mailing.claim() == []
    with refused("PT409", "send_unknown"):
        mailing.person("ada").rpc("send_draft", p_draft_id=send["draft_id"])


def test_its_person_decides_what_becomes_of_an_unknown_one(mailing: Any) -> None:
    for answer in ("sent", "again"):
        send = queue(mailing, p_purpose="check_in" if answer == "sent" else "custom")
        (job,) = mailing.claim()
        begin(mailing, job)
        complete(mailing, job, "unknown")
        if answer == "sent":
            assert mailing.person("ada").rpc("mark_sent", p_draft_id=send["draft_id"])[0]["sent_at"] is not None
        else:
            again = mailing.person("ada").rpc("send_draft", p_draft_id=send["draft_id"], p_send_again=True)[0]
            assert again["state"] == "queued"


def test_a_second_answer_to_the_same_claim_is_unknown_too(mailing: Any) -> None:
    queue(mailing)
    (job,) = mailing.claim()
    assert begin(mailing, job)["state"] == "begun"
    assert begin(mailing, job)["state"] == "unknown"


def test_attempts_used_up_before_it_began_are_refused_and_after_unknown(mailing: Any) -> None:
    for has_begun, state in ((False, "refused"), (True, "unknown")):
        queue(mailing, p_purpose="check_in" if has_begun else "custom")
        (job,) = mailing.claim()
        if has_begun:
            begin(mailing, job)
        mailing.conn.execute("update agent.jobs set due_at = now(), attempts = max_attempts where state = 'running'")
        assert mailing.claim() == []
        assert look(mailing)[0] == state


def test_a_server_that_is_busy_is_asked_again_and_again_and_then_no_more(mailing: Any) -> None:
    queue(mailing)
    for attempt in range(1, 6):
        end_hold(mailing)
        (job,) = mailing.claim()
        begin(mailing, job)
        complete(mailing, job, "deferred", p_reply="451 4.7.1 Try later")
        expected = "queued" if attempt < 5 else "refused"
        assert look(mailing)[:2] == (expected, "mail_deferred")
    assert mailing.value("select server_reply from public.ai_sends") == "451 4.7.1 Try later"
    assert look(mailing)[2:] == ("approved", False, "failed")


def test_what_the_server_refuses_stays_approved_and_can_be_sent_again(mailing: Any) -> None:
    send = queue(mailing)
    (job,) = mailing.claim()
    begin(mailing, job)
    complete(mailing, job, "refused", p_reply="550 No such user")
    assert look(mailing) == ("refused", "mail_refused", "approved", False, "failed")
    assert mailing.person("ada").rpc("send_draft", p_draft_id=send["draft_id"])[0]["state"] == "queued"


def test_nothing_is_sent_that_has_not_begun(mailing: Any, refused: Any) -> None:
    queue(mailing)
    (job,) = mailing.claim()
    with refused("PT409", "not_begun"):
        complete(mailing, job, "sent")


def test_a_banned_person_sends_nothing_more(mailing: Any) -> None:
    queue(mailing)
    mailing.conn.execute("update auth.users set banned_until = now() + interval '1 day'")
    assert mailing.claim() == []
    assert look(mailing) == ("refused", "user_inactive", "approved", False, "cancelled")


def test_a_mail_is_queued_once_and_for_its_own_person(mailing: Any, refused: Any, race: Any) -> None:
    draft = approve(mailing)
    with refused("PT404", "draft_not_found"):
        mailing.person("bob").rpc("send_draft", p_draft_id=draft["id"])
    answers = race(8, lambda world, _: world.person("ada").rpc("send_draft", p_draft_id=draft["id"]))
    assert sum(isinstance(answer, list) for answer in answers) == 1
    assert mailing.value("select count(*) from agent.jobs where kind = 'send'") == 1


def test_a_race_does_not_pass_the_cap(mailing: Any, race: Any) -> None:
    mailing.conn.execute("update public.ai_settings set daily_sends_per_user = 3")
    drafts = [
        approve(mailing, p_purpose=purpose)["id"] for purpose in ("follow_up", "check_in", "custom", "deal_update")
    ]
    deals = [
        mailing.value(
            "insert into public.deals (client_id, title) values (%s, 'D') returning id", mailing.clients["Acme"]
        )
        for _ in range(4)
    ]
    drafts += [approve(mailing, p_deal_id=deal)["id"] for deal in deals]
    answers = race(8, lambda world, place: world.person("ada").rpc("send_draft", p_draft_id=drafts[place]))
    assert sum(isinstance(answer, list) for answer in answers) == 3


@pytest.mark.parametrize(
    ("change", "detail"),
    [("draft_type = 'note'", "not_approved"), ("status = 'pending', approved_at = null", "not_approved"),
     ("sent_at = now()", "already_sent"), ("recipient = null", "recipient_missing")],
)  # fmt: skip
def test_only_an_approved_unsent_mail_with_a_recipient_is_sent(
    mailing: Any, refused: Any, change: str, detail: str
) -> None:
    draft = approve(mailing)
    mailing.conn.execute(f"update public.ai_drafts set {change}")
    with refused("PT409", detail):
        mailing.person("ada").rpc("send_draft", p_draft_id=draft["id"])


def test_a_session_that_has_ended_sends_undoes_and_marks_nothing(mailing: Any, refused: Any) -> None:
    other = approve(mailing, p_purpose="custom")
    send = queue(mailing)
    mailing.conn.execute("delete from auth.sessions")
    for function, draft_id in (
        ("send_draft", other["id"]),
        ("undo_send", send["draft_id"]),
        ("mark_sent", other["id"]),
    ):
        with refused("PT401", "session_ended"):
            mailing.person("ada").rpc(function, p_draft_id=draft_id)


@pytest.mark.parametrize(
    ("email", "confirmed", "expected"),
    [
        ("ada@example.com", True, ("ada@example.com", "Ada", None)),
        ("ada@EXAMPLE.com", True, ("ada@EXAMPLE.com", "Ada", None)),
        ("ada@elsewhere.example", True, ("team@example.com", "The team", "ada@elsewhere.example")),
        ("ada@example.com", False, ("team@example.com", "The team", None)),
    ],
)
def test_a_mail_goes_in_the_name_that_the_settings_allow(
    mailing: Any, email: str, confirmed: bool, expected: tuple[Any, ...]
) -> None:
    mailing.conn.execute(
        "update auth.users set email = %s, email_confirmed_at = case when %s then now() end where id = %s",
        [email, confirmed, mailing.users["ada"]],
    )
    queue(mailing)
    mail = begin(mailing, mailing.claim()[0])
    assert (mail["from_address"], mail["from_name"], mail["reply_to"]) == expected


def test_a_reply_stays_in_the_thread_that_the_crm_knows(mailing: Any) -> None:
    mailing.conn.execute(
        "create function crm.thread_of(p_client_id uuid, p_contact_id uuid) returns text[] language sql stable as "
        "$$ select array['<1@acme.example>', 'no id', E'<2@acme.example>\\nBcc: x@y.z', '<3@acme.example>'] $$; "
        "grant execute on function crm.thread_of(uuid, uuid) to authenticated"
    )
    queue(mailing)
    assert begin(mailing, mailing.claim()[0])["references"] == ["<1@acme.example>", "<3@acme.example>"]


def test_the_crm_has_the_mail_as_sent_only_once_it_was_and_as_its_person(mailing: Any) -> None:
    queue(mailing)
    ada = mailing.person("ada")
    assert ada.rpc("log_sends")[0]["log_sends"] == 0
    (job,) = mailing.claim()
    begin(mailing, job)
    complete(mailing, job, "sent")
    assert mailing.person("bob").rpc("log_sends")[0]["log_sends"] == 0
    assert [ada.rpc("log_sends")[0]["log_sends"] for _ in range(2)] == [1, 0]
    (mail,) = ada.sql("select type, direction, content, created_by, occurred_at from public.activities")
    sent_at = mailing.value("select sent_at from public.ai_drafts")
    assert tuple(mail.values()) == ("email", "outbound", "Hello, here is the news.", mailing.users["ada"], sent_at)


def test_a_mail_marked_as_sent_is_logged_at_once(mailing: Any, refused: Any) -> None:
    draft = approve(mailing)
    (marked,) = mailing.person("ada").rpc("mark_sent", p_draft_id=draft["id"])
    assert marked["sent_at"] is not None
    assert mailing.value("select array_agg(type || coalesce(direction, '')) from public.activities") == [
        "emailoutbound"
    ]
    with refused("PT409", "already_sent"):
        mailing.person("ada").rpc("send_draft", p_draft_id=draft["id"])


def test_what_is_being_sent_is_not_marked_as_sent(mailing: Any, refused: Any) -> None:
    send = queue(mailing)
    with refused("PT409", "send_open"):
        mailing.person("ada").rpc("mark_sent", p_draft_id=send["draft_id"])


def test_the_agent_of_a_draft_sends_nothing(mailing: Any, refused: Any) -> None:
    mailing.request()
    (job,) = mailing.claim()
    for act in (lambda: begin(mailing, job), lambda: complete(mailing, job, "sent")):
        with refused("PT409", "stale_fence"):
            act()
    bare = replace(mailing.agent(job), hook=False)
    with refused("PT403"):
        bare.rpc("send_draft", p_draft_id=mailing.users["ada"])


def test_approving_with_send_approves_and_queues_in_one_transaction(any_world: Any, refused: Any) -> None:
    world = any_world
    set_up_mail(world)
    draft = world.draft()
    shown = {"p_draft_id": draft["id"], "p_content_hash": draft["content_hash"], "p_action": "send"}
    (approved,) = world.person("ada").rpc("approve_draft", **shown)
    assert approved["status"] == "approved"
    assert look(world) == ("queued", None, "approved", False, "queued")
    assert world.value("select content_hash from public.ai_sends") == draft["content_hash"]
    (back,) = world.person("ada").rpc("undo_send", p_draft_id=draft["id"])
    assert (back["status"], back["content"]) == ("pending", draft["content"])
    refuse_mail(world, "Acme")
    with refused("PT403", "email_not_allowed"):
        world.person("ada").rpc("approve_draft", **shown)
    assert world.value("select status from public.ai_drafts") == "pending"
    assert world.value("select count(*) from public.activities") == 0


@pytest.mark.parametrize("kind", ["note", "task", "memo"])
def test_only_a_mail_is_sent(mailing: Any, refused: Any, kind: str) -> None:
    draft = mailing.draft(p_draft_type=kind)
    shown = {"p_draft_id": draft["id"], "p_content_hash": draft["content_hash"], "p_action": "send"}
    with refused("PT409", "not_an_email", match=f"this draft is a {kind}"):
        mailing.person("ada").rpc("approve_draft", **shown)
    assert mailing.value("select status from public.ai_drafts") == "pending"
