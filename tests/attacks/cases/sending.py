"""Sending: without a person or approval, twice, too often, against consent, and by an agent with another job."""

from __future__ import annotations

from dataclasses import dataclass

from tests.attacks.cases.answers import AGENT_REFUSED, DENIED, INVALID, NO_DRAFT, STALE
from tests.attacks.cases.approving import approve
from tests.attacks.cases.books import verbs, written
from tests.attacks.cases.hijacking import hijack
from tests.attacks.cases.people import (
    ADMIN,
    AGENT,
    AGENTS,
    ANON,
    ANONYMOUS,
    COLLEAGUE,
    EVERYBODY,
    OWNER,
    SERVICE_ROLE,
    STRANGER,
    WORKER,
)
from tests.attacks.cases.reading import FILLED
from tests.attacks.cases.sending_values import APPROVED, BEGUN, OF_JOB, OPEN, SET_UP
from tests.attacks.model import Answer, Attack, Call, Nothing, Reply, refused, rpc, sql
from tests.attacks.scene import Scene

SESSION_ENDED = refused("PT401", "session_ended")
NOT_APPROVED = refused("PT409", "not_approved")
# So that only the functions are in the way.
ANY_STATE = "alter table ai_sends drop constraint ai_sends_state_check, drop constraint ai_sends_ended_at_check;"
AT_THE_END = frozenset(
    {
        "public.ai_sends",
        "agent.jobs",
        "agent.audit_log",
        "public.ai_alerts",
        "public.ai_draft_requests",
        "public.ai_drafts",
    }
)
# What begin_send_job looks at once more, by what happened in the hold.
IN_THE_HOLD = {
    "draft_changed": "update ai_drafts set content = 'Other words.' where id = %(mail)s",
    "email_not_allowed": "insert into ai_consents (client_id, kind, granted) values (%(acme)s, 'email', false)",
    "mail_not_set_up": "update ai_settings set mail_from = null",
    "send_cap": "update ai_settings set daily_sends_per_user = 0",
    "access_lost": "update clients set owner_id = %(colleague)s where id = %(acme)s",
    "recipient_changed": "update contacts set email = 'other@acme.example' where client_id = %(acme)s",
}

# Access by itself proves nothing: the contacts of a client that is not seen are not seen either.
GUARDS = {
    **{code: (f"guard agent.open_send_v1: {code}",) for code in ("email_not_allowed", "mail_not_set_up", "send_cap")},
    "recipient_changed": ("guard agent.queue_send_v1: recipient_changed",),
}
CHECKS = {
    **{
        code: (f"code agent.begin_send_v1: {code}",)
        for code in IN_THE_HOLD
        if code not in ("access_lost", "recipient_changed")
    },
    "recipient_changed": ("code public.begin_send_job: recipient_changed",),
}


@dataclass(frozen=True)
class Ended(Answer):
    """The attempt is on record as ended with this code, and no part of the mail comes back."""

    code: str

    def fault(self, reply: Reply, scene: Scene) -> str | None:
        if reply.error:
            return "refused otherwise"
        return (
            None if f"'code': '{self.code}'" in str(reply.value) and "content" not in str(reply.value) else "succeeded"
        )

    def __str__(self) -> str:
        return f"ended: {self.code}"


def of_a_person(s: Scene) -> list[Call]:
    """Everything that takes a person, on the owner's mail."""
    return [
        rpc("send_draft", p_draft_id=s.mail),
        rpc("undo_send", p_draft_id=s.mail),
        rpc("mark_sent", p_draft_id=s.mail),
        approve(s.mail, s.mail_hash, p_action="send"),
    ]


def send(s: Scene, **more: object) -> Call:
    return rpc("send_draft", p_draft_id=s.mail, **more)


ATTACKS = [
    Attack(
        "send-tables",
        "What was sent is written by hand, where no policy is in the way: by everybody.",
        EVERYBODY,
        lambda s: [
            *verbs(
                "ai_sends",
                {
                    "draft_id": s.mail,
                    "user_id": s.owner,
                    "channel": "mailto",
                    "state": "undone",
                    "content_hash": "x",
                    "ended_at": "2026-01-01T00:00:00Z",
                },
            ),
            sql("truncate ai_sends"),
        ],
        DENIED,
        hook=False,
        given=APPROVED + OPEN + "alter table ai_sends disable row level security",
        proves=written("public.ai_sends"),
    ),
    Attack(
        "send-read",
        "Colleagues, admins, strangers and the agent read what somebody sent.",
        (COLLEAGUE, ADMIN, STRANGER, AGENT),
        lambda s: [sql("select string_agg(t::text, ' ') from ai_sends as t")],
        Nothing(),
        hook=False,
        given=FILLED,
        proves=(
            "policy public.ai_sends_select_owner",
            "rls public.ai_sends",
            "code policy ai_sends_select_owner: agent",
        ),
    ),
    Attack(
        "send-agent",
        "The agent sends, undoes, marks and notes, where nobody asks the hook.",
        (*AGENTS, OWNER.but(act=None)),
        lambda s: [*of_a_person(s), rpc("log_sends"), sql(f"select agent.note_logged_v1('{s.mail}', '[]')")],
        AGENT_REFUSED,
        hook=False,
        given=APPROVED,
        proves=("code public.log_sends: person",),
    ),
    Attack(
        "send-agent-hook",
        "The agent does, where the hook is asked.",
        AGENTS,
        of_a_person,
        AGENT_REFUSED,
        given=APPROVED,
    ),
    Attack(
        "send-anonymous",
        "An anonymous sign-in sends.",
        (ANONYMOUS,),
        of_a_person,
        refused("PT403", "anonymous_user"),
        given=APPROVED,
    ),
    Attack(
        "send-without-sign-in",
        "The publishable key alone, service_role and a worker's key send, begin and complete.",
        (ANON, SERVICE_ROLE, WORKER),
        lambda s: [*of_a_person(s), rpc("begin_send_job"), rpc("complete_send_job", p_outcome="sent")],
        refused("42501", says="permission denied for function"),
        hook=False,
        given=APPROVED,
    ),
    Attack(
        "send-signed-out",
        "A user whose session is gone sends, undoes, marks and notes with a token that has not expired.",
        (OWNER.but(session_id="00000000-0000-4000-8000-000000000000"), OWNER.but(session_id=...)),
        lambda s: [*of_a_person(s), sql(f"select agent.note_logged_v1('{s.mail}', '[]')")],
        SESSION_ENDED,
        given=APPROVED,
        proves=("code agent.open_send_v1: live session", "code agent.mark_sent_v1: live session"),
    ),
    Attack(
        "send-signed-out-undo",
        "A user whose session is gone takes back what waits to be sent.",
        (OWNER.but(session_id="00000000-0000-4000-8000-000000000000"),),
        lambda s: [rpc("undo_send", p_draft_id=s.mail)],
        SESSION_ENDED,
        given=APPROVED + OPEN,
        proves=("code agent.undo_send_v1: live session",),
    ),
    Attack(
        "send-others",
        "A colleague, an admin and a stranger send and mark somebody else's approved mail.",
        (COLLEAGUE, ADMIN, STRANGER),
        lambda s: [rpc("send_draft", p_draft_id=s.mail), rpc("mark_sent", p_draft_id=s.mail)],
        NO_DRAFT,
        given=APPROVED
        + "select testing.cut('agent.lock_approved_mail', ' or v_draft.approved_by is distinct from p_user_id', '')",
        proves=("code agent.lock_approved_mail: whose",),
    ),
    Attack(
        "send-others-undo",
        "They undo it.",
        (COLLEAGUE, ADMIN, STRANGER),
        lambda s: [rpc("undo_send", p_draft_id=s.mail)],
        refused("PT409", "send_closed"),
        given=APPROVED + OPEN,
        proves=("guard agent.undo_send_v1: send_closed", "code agent.undo_send_v1: whose"),
    ),
    Attack(
        "send-unapproved",
        "A mail that nobody approved, and a memo that somebody did, are sent and marked as sent.",
        (OWNER,),
        lambda s: [rpc(verb, p_draft_id=draft) for draft in (s.mail, s.draft) for verb in ("send_draft", "mark_sent")],
        NOT_APPROVED,
        given=APPROVED.replace("%(mail)s", "%(draft)s"),
        proves=("guard agent.lock_approved_mail: not_approved",),
    ),
    Attack(
        "send-no-mail",
        "Something else than a mail is approved with the action send.",
        (OWNER,),
        lambda s: [approve(s.draft, s.draft_hash, p_action="send")],
        refused("PT409", "not_an_email"),
        given=SET_UP,
    ),
    Attack(
        "send-twice",
        "A mail that has been sent is sent and marked once more.",
        (OWNER,),
        lambda s: [send(s), send(s, p_send_again=True), rpc("mark_sent", p_draft_id=s.mail)],
        refused("PT409", "already_sent"),
        given=APPROVED + "update ai_drafts set sent_at = now() where id = %(mail)s",
        proves=("guard agent.lock_approved_mail: already_sent",),
    ),
    Attack(
        "send-while-sending",
        "A mail that waits to be sent is sent and marked once more.",
        (OWNER,),
        lambda s: [send(s), send(s, p_send_again=True), rpc("mark_sent", p_draft_id=s.mail)],
        refused("PT409", "send_open"),
        given=APPROVED + OPEN + "drop index ai_sends_draft_id_idx",
        proves=("guard agent.open_send_v1: send_open", "guard agent.mark_sent_v1: send_open"),
    ),
    Attack(
        "send-unknown-again",
        "A mail that may have left is sent again without saying so.",
        (OWNER,),
        lambda s: [send(s), send(s, p_send_again=None)],
        refused("PT409", "send_unknown"),
        given=APPROVED + OPEN + "update ai_sends set state = 'unknown', begun_at = now(), ended_at = now()",
        proves=("guard agent.open_send_v1: send_unknown",),
    ),
    Attack(
        "send-undo-too-late",
        "A mail that a worker has begun to send is undone.",
        (OWNER,),
        lambda s: [rpc("undo_send", p_draft_id=s.mail)],
        refused("PT409", "send_closed"),
        given=APPROVED + OPEN + BEGUN,
        proves=("guard agent.undo_send_v1: send_closed",),
    ),
    Attack(
        "send-nobody",
        "A mail without a recipient is sent.",
        (OWNER,),
        lambda s: [send(s)],
        refused("PT409", "recipient_missing"),
        given=APPROVED + "update ai_drafts set recipient = null where id = %(mail)s",
    ),
    *(
        Attack(
            f"send-{code.replace('_', '-')}",
            f"A mail is sent although: {code.replace('_', ' ')}.",
            (OWNER,),
            lambda s: [send(s)],
            refused(
                {"send_cap": "PT429", "email_not_allowed": "PT403", "access_lost": "PT403"}.get(code, "PT409"), code
            ),
            given=f"{APPROVED}{change}",
            proves=GUARDS.get(code, ()),
        )
        for code, change in IN_THE_HOLD.items()
        if code != "draft_changed"
    ),
    *(
        Attack(
            f"send-hold-{code.replace('_', '-')}",
            f"In the hold it came to be: {code.replace('_', ' ')}. The agent begins to send.",
            (AGENT,),
            lambda s: [rpc("begin_send_job")],
            Ended(code),
            given=f"{APPROVED}{OPEN}{OF_JOB}{change}",
            changes=AT_THE_END,
            proves=CHECKS.get(code, ()),
        )
        for code, change in IN_THE_HOLD.items()
    ),
    Attack(
        "send-begin-twice",
        "The agent begins a mail that was begun before: it is unknown then, and its parts are not given again.",
        (AGENT,),
        lambda s: [rpc("begin_send_job")],
        Ended("send_unknown"),
        given=APPROVED + OPEN + OF_JOB + BEGUN,
        changes=AT_THE_END,
    ),
    Attack(
        "send-begin-ended",
        "The agent begins a mail that was undone.",
        (AGENT,),
        lambda s: [rpc("begin_send_job")],
        STALE,
        given=f"{APPROVED}{OPEN}{OF_JOB}{ANY_STATE}update ai_sends set state = 'undone', ended_at = now()",
        proves=("guard agent.begin_send_v1: stale_fence",),
    ),
    Attack(
        "send-begin-banned",
        "The agent begins for somebody who has been banned since, where nobody asks the hook.",
        (AGENT,),
        lambda s: [rpc("begin_send_job")],
        refused("PT403", "user_inactive"),
        hook=False,
        given=f"{APPROVED}{OPEN}{OF_JOB}update auth.users set banned_until = 'infinity' where id = %(owner)s",
        proves=("guard agent.begin_send_v1: user_inactive",),
    ),
    Attack(
        "send-other-job",
        "The agent of a draft's job sends; a stale one does.",
        AGENTS,
        lambda s: [rpc("begin_send_job"), rpc("complete_send_job", p_outcome="sent")],
        STALE,
        hook=False,
        given=APPROVED + OPEN + "update ai_sends set job_id = %(agent_job)s",
        proves=("guard agent.lock_send: stale_fence",),
    ),
    Attack(
        "send-erased",
        "The agent begins a mail that was erased.",
        (AGENT,),
        lambda s: [rpc("begin_send_job"), rpc("complete_send_job", p_outcome="sent")],
        NO_DRAFT,
        given=APPROVED + "update agent.jobs set kind = 'send' where id = %(agent_job)s",
        proves=("guard agent.lock_send: draft_not_found",),
    ),
    Attack(
        "send-by-users",
        "A person begins a mail and says that it was sent, as an agent does.",
        (OWNER, COLLEAGUE, ADMIN),
        lambda s: [rpc("begin_send_job"), rpc("complete_send_job", p_outcome="sent")],
        refused("PT403", "not_an_agent"),
        given=APPROVED + OPEN + OF_JOB,
    ),
    Attack(
        "send-outcomes",
        "The agent hands in outcomes that there are not.",
        (AGENT,),
        lambda s: [
            rpc("complete_send_job", p_outcome=outcome)
            for outcome in (None, "", "SENT", "sent'; drop table ai_sends; --")
        ],
        INVALID,
        given=APPROVED + OPEN + OF_JOB + BEGUN + ANY_STATE,
        proves=("guard agent.finish_send_v1: invalid_argument: p_outcome",),
    ),
    Attack(
        "send-not-begun",
        "The agent says that a mail was sent which it has not begun.",
        (AGENT,),
        lambda s: [
            rpc("complete_send_job", p_outcome=outcome) for outcome in ("sent", "deferred", "refused", "unknown")
        ],
        refused("PT409", "not_begun"),
        given=APPROVED + OPEN + OF_JOB,
        proves=("guard agent.finish_send_v1: not_begun",),
    ),
    Attack(
        "send-log",
        "Somebody notes as written into the CRM what was not sent, or is somebody else's.",
        (OWNER, COLLEAGUE, ADMIN),
        lambda s: [sql(f"select agent.note_logged_v1(id, '[]') from agent.sends_of_test('{s.mail}') as t (id)")],
        refused("PT409", "send_closed"),
        given=APPROVED
        + OPEN
        + "create function agent.sends_of_test(uuid) returns setof uuid language sql security definer "
        "as 'select id from public.ai_sends where draft_id = $1'; "
        "grant execute on function agent.sends_of_test(uuid) to authenticated",
        proves=("guard agent.note_logged_v1: send_closed",),
    ),
    *(
        hijack(who, tag, where, calls, given=given)
        for where in ("playground", "pg_temp")
        for who, tag, calls, given in (
            (
                OWNER,
                "sender",
                lambda s: [
                    f"select agent.open_send_v1('{s.mail}', false)",
                    f"select agent.undo_send_v1('{s.mail}')",
                    f"select agent.mark_sent_v1('{s.mail}')",
                    f"select agent.note_logged_v1('{s.mail}', '[]')",
                ],
                APPROVED,
            ),
            (AGENT, "sending-agent", lambda s: ["select agent.begin_send_v1()"], APPROVED + OPEN + OF_JOB),
        )
    ),
]
