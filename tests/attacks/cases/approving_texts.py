"""Approving another text than was shown, a draft that is closed, one that may go nowhere any more."""

from __future__ import annotations

from tests.attacks.cases.answers import INVALID
from tests.attacks.cases.approving import CLOSED, approve, both, closed_in, shown_then
from tests.attacks.cases.people import OWNER
from tests.attacks.model import Attack, Held, refused, sql

ATTACKS = [
    Attack(
        "approve-other-text",
        "A person approves a text that they were not shown: another hash, none, another draft's.",
        (OWNER,),
        lambda s: [
            request
            for shown in ("0" * 64, "", None, s.mail_hash, s.draft_hash.upper())
            for request in (
                approve(s.draft, shown),
                sql(f"select agent.approve_draft_v1('{s.draft}', {'null' if shown is None else repr(shown)})"),
            )
        ],
        refused("PT409", "draft_changed"),
        proves=("guard agent.approve_draft_v1: draft_changed",),
    ),
    *[
        Attack(
            f"approve-edited-{part}",
            f"The {part} changed after the draft was shown.",
            (OWNER,),
            lambda s: [sql(f"select agent.approve_draft_v1('{s.draft}', content_hash) from public.shown")],
            refused("PT409", "draft_changed"),
            given=shown_then(change),
            proves=(f"code agent.draft_content_hash: {part}",),
        )
        for part, change in (
            ("type", "draft_type = 'note'"),
            ("recipient", "recipient = 'thief@example.com'"),
            ("subject", "subject = 'x'"),
            ("content", "content = 'x'"),
            ("details", 'details = \'{"due_at": "2026-01-01T00:00:00Z"}\''),
        )
    ],
    *[
        Attack(
            f"approve-closed-{state}",
            f"A draft that is {state} is approved or rejected.",
            (OWNER,),
            lambda s: both(s.draft, s.draft_hash),
            CLOSED,
            given=closed_in(state),
            proves=("code agent.lock_open_draft: status",),
        )
        for state in ("approved", "rejected", "superseded")
    ],
    Attack(
        "approve-expired",
        "A draft whose time is over is approved though no sweeper has been by.",
        (OWNER,),
        lambda s: both(s.draft, s.draft_hash),
        CLOSED,
        given="update ai_drafts set expires_at = now() where id = %(draft)s",
        proves=("code agent.lock_open_draft: expired",),
    ),
    Attack(
        "approve-twice-at-once",
        "The same approval arrives twice at once, so that a note would be logged twice.",
        (OWNER,),
        lambda s: [approve(s.mail, s.mail_hash)],
        CLOSED,
        held=lambda s: Held(OWNER, approve(s.mail, s.mail_hash)),
        changes=frozenset({"public.ai_drafts", "public.activities", "agent.audit_log", "agent.client_changes"}),
        unharmed="select count(*) = 1 from activities where subject = 'News'",
        given="select testing.cut('agent.note_written_v1', ' and written is null', '')",
        proves=("code agent.lock_open_draft: lock",),
        only="sql: it takes an open transaction beside it",
    ),
    Attack(
        "approve-access-lost",
        "A person approves after the client was taken from them.",
        (OWNER,),
        lambda s: [approve(s.draft, s.draft_hash)],
        refused("PT403", "access_lost"),
        given="update clients set owner_id = %(colleague)s where id = %(acme)s",
        proves=("guard public.approve_draft: access_lost",),
    ),
    Attack(
        "approve-recipient-changed",
        "A mail is approved after its contact's address changed.",
        (OWNER,),
        lambda s: [approve(s.mail, s.mail_hash)],
        refused("PT409", "recipient_changed"),
        given="update contacts set email = 'other@acme.example' where client_id = %(acme)s",
        proves=("guard public.approve_draft: recipient_changed",),
    ),
    Attack(
        "approve-recipient-elsewhere",
        "A mail is approved after its contact went to another client of the same user.",
        (OWNER,),
        lambda s: [approve(s.mail, s.mail_hash)],
        refused("PT409", "recipient_changed"),
        given="update contacts set client_id = %(apex)s where client_id = %(acme)s",
        proves=("code public.approve_draft: recipient's client",),
    ),
    Attack(
        "approve-no-such-action",
        "Approving is asked for an action that there is not.",
        (OWNER,),
        lambda s: [
            approve(s.mail, s.mail_hash, p_action=action)
            for action in (None, "", "SAVE", "Send", "save'; drop table ai_drafts; --")
        ],
        INVALID,
        proves=("guard public.approve_draft: invalid_argument: p_action",),
    ),
]
