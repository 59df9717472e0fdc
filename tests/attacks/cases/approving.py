"""Approving and rejecting what is not one's own to judge."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attacks.cases.answers import AGENT_REFUSED, NO_DRAFT
from tests.attacks.cases.people import (
    ACTS,
    ADMIN,
    AGENT,
    AGENT_AFTER,
    AGENTS,
    ANON,
    ANONYMOUS,
    BANNED,
    COLLEAGUE,
    OWNER,
    SERVICE_ROLE,
    STRANGER,
    WORKER,
)
from tests.attacks.model import Attack, Call, refused, rpc, sql

CLOSED = refused("PT409", "draft_closed")


def approve(draft: object, shown: object, **more: object) -> Call:
    return rpc("approve_draft", p_draft_id=draft, p_content_hash=shown, **more)


def both(draft: object, shown: object) -> Iterator[Call]:
    """Approve and reject, by the public functions and by the helpers behind them."""
    yield approve(draft, shown)
    yield rpc("reject_draft", p_draft_id=draft)
    yield sql(f"select agent.approve_draft_v1('{draft}', '{shown}')")
    yield sql(f"select agent.reject_draft_v1('{draft}', 'x')")


def public(draft: object, shown: object) -> list[Call]:
    return list(both(draft, shown))[:2]


def closed_in(state: str) -> str:
    times = ", approved_at = now(), approved_by = created_by" if state == "approved" else ""
    return f"update ai_drafts set status = '{state}'{times} where id = %(draft)s"


def shown_then(change: str) -> str:
    """What the person was shown, hashed as the function hashes it today, and what somebody made of the draft since."""
    return f"""
    update ai_drafts set content = content where id = %(draft)s;
    create table public.shown as select content_hash from ai_drafts where id = %(draft)s;
    grant select on public.shown to authenticated;
    update ai_drafts set {change} where id = %(draft)s;
    """


ATTACKS = [
    Attack(
        "approve-agent",
        "The agent approves or rejects a draft of its user, the one it wrote included.",
        AGENTS,
        lambda s: [*public(s.draft, s.draft_hash), *public(s.done_draft, s.done_draft_hash)],
        AGENT_REFUSED,
    ),
    Attack(
        "approve-agent-no-hook",
        "The agent approves or rejects where nobody asks the pre-request hook, by the helpers too.",
        AGENTS,
        lambda s: [*both(s.draft, s.draft_hash), *both(s.done_draft, s.done_draft_hash)],
        AGENT_REFUSED,
        hook=False,
    ),
    Attack(
        "approve-agent-live-session",
        "The agent approves where the random session of its token happens to exist.",
        (AGENT_AFTER,),
        lambda s: both(s.done_draft, s.done_draft_hash),
        AGENT_REFUSED,
        hook=False,
        given="insert into auth.sessions (id, user_id) values (%(agent_after_session)s, %(owner)s)",
        proves=("guard agent.require_person: agent_refused", "code agent.require_live_session: person"),
    ),
    Attack(
        "approve-act-without-value",
        "A token with its user's own session and an `act` that is null, empty or false approves.",
        tuple(OWNER.but(act=act) for act in ACTS),
        lambda s: both(s.draft, s.draft_hash),
        AGENT_REFUSED,
        hook=False,
        proves=("code agent.is_agent: the key",),
    ),
    Attack(
        "approve-act-without-value-hook",
        "A token whose `act` is null, empty or false comes to the pre-request hook.",
        tuple(OWNER.but(act=act) for act in ACTS),
        lambda s: [*both(s.draft, s.draft_hash), sql("select 1")],
        AGENT_REFUSED,
        proves=("code agent.check_request_v1: the key",),
    ),
    Attack(
        "approve-others",
        "A colleague, an admin and a stranger approve or reject somebody else's draft.",
        (COLLEAGUE, ADMIN, STRANGER),
        lambda s: both(s.draft, s.draft_hash),
        NO_DRAFT,
        proves=("code agent.lock_open_draft: whose", "guard agent.lock_open_draft: draft_not_found"),
    ),
    Attack(
        "approve-unknown",
        "A draft that does not exist is answered like one that is somebody else's.",
        (COLLEAGUE, STRANGER),
        lambda s: both(s.owner, "x"),
        NO_DRAFT,
    ),
    Attack(
        "approve-anonymous",
        "An anonymous sign-in approves a draft of its own.",
        (ANONYMOUS,),
        lambda s: both(s.nemos_draft, s.nemos_draft_hash),
        refused("PT403", "anonymous_user"),
        proves=("guard agent.require_person: anonymous_user",),
    ),
    Attack(
        "approve-banned",
        "A banned user approves a draft of their own with a token from before.",
        (BANNED,),
        lambda s: both(s.bens_draft, s.bens_draft_hash),
        refused("PT403", "user_inactive"),
        proves=("guard agent.require_person: user_inactive", "code agent.is_active_user: banned"),
    ),
    Attack(
        "approve-deleted",
        "A deleted user does.",
        (OWNER,),
        lambda s: both(s.draft, s.draft_hash),
        refused("PT403", "user_inactive"),
        given="update auth.users set deleted_at = now() where id = %(owner)s",
        proves=("code agent.is_active_user: deleted",),
    ),
    Attack(
        "approve-signed-out",
        "A user whose session is gone, names none, or is another user's, approves with a token that has not expired.",
        (
            OWNER.but(session_id="00000000-0000-4000-8000-000000000000"),
            OWNER.but(session_id=...),
            OWNER.but(session_id=""),
            OWNER.but(session_id=lambda s: str(s.colleague_session)),
        ),
        lambda s: both(s.draft, s.draft_hash),
        refused("PT401", "session_ended"),
        proves=(
            "guard agent.require_live_session: session_ended",
            "code agent.require_live_session: whose",
            "code agent.approve_draft_v1: live session",
            "code agent.reject_draft_v1: live session",
        ),
    ),
    Attack(
        "approve-session-over",
        "A user whose session has an end that is over.",
        (OWNER,),
        lambda s: both(s.draft, s.draft_hash),
        refused("PT401", "session_ended"),
        given="update auth.sessions set not_after = now() where id = %(owner_session)s",
        proves=("code agent.require_live_session: not_after",),
    ),
    Attack(
        "approve-without-sign-in",
        "The publishable key alone, service_role and a worker's key approve.",
        (ANON, SERVICE_ROLE, WORKER),
        lambda s: public(s.draft, s.draft_hash),
        refused("42501", says="permission denied for function"),
        hook=False,
        proves=("function public.approve_draft", "function public.reject_draft"),
    ),
    Attack(
        "approve-nobody",
        "A token whose subject is nobody approves.",
        (OWNER.but(sub="00000000-0000-4000-8000-000000000000"),),
        lambda s: both(s.draft, s.draft_hash),
        refused("PT403", "user_inactive"),
    ),
    Attack(
        "approve-no-user",
        "A token of role authenticated without a user, where nobody asks whether they are active.",
        (OWNER.but(sub=...),),
        lambda s: [*both(s.draft, s.draft_hash), sql("select agent.require_person()")],
        refused("PT401", "not_signed_in"),
        given="select testing.cut('agent.require_person', 'agent.is_active_user(auth.uid()) is not true', 'false')",
        proves=("guard agent.require_person: not_signed_in",),
    ),
    Attack(
        "approve-role",
        "A token with a user's subject and another role, where that role may run the functions.",
        (OWNER.but(role="service_role"), OWNER.but(role="anon")),
        lambda s: [sql("select agent.require_person()"), *both(s.draft, s.draft_hash)],
        refused("PT401", "not_signed_in"),
        proves=("code agent.require_person: role",),
        given="grant execute on all functions in schema agent, public to service_role, anon",
    ),
    Attack(
        "approve-by-claims",
        "The agent says in its claims that it is an admin, a person, a worker.",
        tuple(
            AGENT.but(**claims)
            for claims in (
                {"user_role": "admin"},
                {"app_metadata": {"role": "admin"}},
                {"is_anonymous": False, "amr": [{"method": "password"}]},
                {"aal": "aal2"},
                {"jti": lambda s: str(s.worker_jti)},
            )
        ),
        lambda s: both(s.draft, s.draft_hash),
        AGENT_REFUSED,
        hook=False,
    ),
]
