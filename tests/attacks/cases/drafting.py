"""Inserting drafts by hand."""

from __future__ import annotations

from tests.attacks.cases.answers import BY_POLICY, DENIED
from tests.attacks.cases.completing import BEGIN, NOBODY, UNBOOKED, complete, inserted
from tests.attacks.cases.people import ADMIN, AGENT, AGENT_AFTER, AGENT_BESIDE, AGENT_STALE, ANONYMOUS, COLLEAGUE, OWNER
from tests.attacks.model import Attack, Call, Rows, Statement, one_of, refused, sql
from tests.attacks.scene import Scene

# What a job's completion may not say of its draft.
NOT_ITS_TO_SAY = {
    "status": "approved",
    "approved_by": None,
    "approved_at": "2026-01-01",
    "sent_at": "2026-01-01",
    "created_at": "2001-01-01",
    "version": 7,
    "supersedes_id": None,
    "rejected_reason": "x",
    "notice": "Approved by your bank.",
    "written": [],
    "updated_at": "2001-01-01",
}


def by_hand(s: Scene, **more: object) -> Call:
    """Insert a row between the two halves of a completion."""
    return sql(BEGIN + inserted(s, **more))


def draft(s: Scene, **more: object) -> dict[str, object]:
    return {
        "client_id": s.acme,
        "draft_type": "memo",
        "content": "c",
        "created_by": s.owner,
        "purpose": "custom",
        "language": "en",
        "generated_content": "c",
        "provider": "offline",
        "expires_at": "2099-01-01",
        **more,
    }


NO_CHECKS = "".join(
    f"alter table ai_drafts drop constraint ai_drafts_{column}_check;" for column in ("approved_at", "sent_at")
)


ATTACKS = [
    Attack(
        "forge-draft",
        "A person inserts a draft, for their own client, for another's, over REST.",
        (OWNER, COLLEAGUE, ADMIN, ANONYMOUS),
        lambda s: [
            Rows("POST", "ai_drafts", draft(s, **more))
            for more in (
                {},
                {"client_id": s.bolt},
                {"created_by": s.colleague},
                {"request_id": s.queued_request},
                {"request_id": s.agent_request},
            )
        ],
        BY_POLICY,
        proves=("policy public.ai_drafts_insert_completing_agent", "rls public.ai_drafts"),
    ),
    Attack(
        "forge-draft-approved",
        "A person or the agent inserts a draft that is approved, sent, or older than it is.",
        (OWNER, AGENT),
        lambda s: [Rows("POST", "ai_drafts", draft(s, **{column: value})) for column, value in NOT_ITS_TO_SAY.items()],
        DENIED,
        hook=False,
    ),
    Attack(
        "forge-draft-agent",
        "The agent inserts one over REST, without completing anything.",
        (AGENT, AGENT_AFTER, AGENT_STALE),
        lambda s: [
            Rows("POST", "ai_drafts", draft(s, **more))
            for more in ({}, {"request_id": s.agent_request, "draft_type": "email"})
        ],
        BY_POLICY,
        hook=False,
        proves=("code policy ai_drafts_insert_completing_agent: request",),
    ),
    Attack(
        "forge-draft-columns",
        "The agent, while it completes its job, writes each column that is not its to write.",
        (AGENT,),
        lambda s: [by_hand(s, **{column: value}) for column, value in NOT_ITS_TO_SAY.items()],
        DENIED,
        hook=False,
        proves=("column public.ai_drafts.*", "table public.ai_drafts insert"),
        given=UNBOOKED + NO_CHECKS + "alter policy ai_drafts_insert_completing_agent on ai_drafts with check (true)",
    ),
    Attack(
        "forge-draft-approved-alone",
        "The agent completes with an approved draft where it holds the grant: the policy takes pending ones.",
        (AGENT,),
        lambda s: [
            by_hand(s, **more)
            for more in (
                {"status": "approved", "approved_at": "2026-01-01"},
                {"status": "approved", "approved_at": "2026-01-01", "approved_by": s.owner},
                {"status": "rejected"},
                {"status": "edited"},
                {"status": "expired"},
                {"approved_by": s.owner},
                {"approved_at": "2026-01-01"},
                {"sent_at": "2026-01-01"},
            )
        ],
        BY_POLICY,
        hook=False,
        given=UNBOOKED + NO_CHECKS + "grant insert on ai_drafts to authenticated",
        proves=tuple(
            f"code policy ai_drafts_insert_completing_agent: {what}"
            for what in ("status", "approved_by", "approved_at", "sent_at")
        ),
    ),
    Attack(
        "forge-draft-for-others",
        "The agent, while it completes its job, writes it in another user's name.",
        (AGENT,),
        lambda s: [by_hand(s, created_by=s.colleague), by_hand(s, created_by=s.admin)],
        BY_POLICY,
        hook=False,
        given=UNBOOKED,
        proves=("code policy ai_drafts_insert_completing_agent: created_by",),
    ),
    Attack(
        "forge-draft-other-client",
        "The agent, while it completes its job, writes for another client: its user's, another's, none there is.",
        (AGENT,),
        lambda s: [by_hand(s, client_id=client) for client in (s.apex, s.bolt, NOBODY)],
        BY_POLICY,
        hook=False,
    ),
    Attack(
        "forge-draft-other-client-alone",
        "The agent writes for its user's other client where crm.clients shows it.",
        (AGENT,),
        lambda s: [by_hand(s, client_id=s.apex, purpose="custom")],
        BY_POLICY,
        hook=False,
        given=UNBOOKED + "drop policy clients_select_agent on clients",
        proves=("code policy ai_drafts_insert_completing_agent: client",),
    ),
    Attack(
        "forge-draft-no-access",
        "The agent writes for its own client after its user lost it.",
        (AGENT,),
        lambda s: [by_hand(s)],
        BY_POLICY,
        hook=False,
        given=UNBOOKED + "update clients set owner_id = %(colleague)s where id = %(acme)s",
        proves=("code policy ai_drafts_insert_completing_agent: client visible",),
    ),
    Attack(
        "forge-draft-other-request",
        "The agent writes on another request: of its user's, of another's, on none.",
        (AGENT,),
        lambda s: [
            by_hand(s, request_id=request)
            for request in (s.queued_request, s.agent_beside_request, s.agent_after_request, NOBODY, None)
        ],
        BY_POLICY,
        hook=False,
        given=UNBOOKED,
        proves=("code policy ai_drafts_insert_completing_agent: request",),
    ),
    Attack(
        "forge-draft-two",
        "Two drafts in one completion; one with the id of another's draft.",
        (AGENT,),
        lambda s: [
            sql(BEGIN + inserted(s) + inserted(s, purpose="custom")),
            by_hand(s, id=s.bobs_draft),
            by_hand(s, id=s.draft),
        ],
        refused("23505"),
        hook=False,
        given=UNBOOKED,
        proves=("unique ai_drafts_request_id_key",),
    ),
    Attack(
        "forge-draft-second-open",
        "A second open draft of the same kind for the same client and purpose.",
        (AGENT,),
        lambda s: [by_hand(s, draft_type="memo", purpose="check_in")],
        refused("23505"),
        hook=False,
        given=UNBOOKED,
        proves=("unique ai_drafts_open_subject_idx",),
    ),
    Attack(
        "forge-draft-values",
        "Values that complete_draft_job() refuses, written by hand: checks of the table.",
        (AGENT,),
        lambda s: [
            by_hand(s, **more)
            for more in (
                {"draft_type": "sms"},
                {"purpose": "spam"},
                {"subject": "x" * 301},
                {"subject": "a\nBcc: b"},
                {"content": ""},
                {"content": "x" * 20001},
                {"details": "[]"},
                {"details": '{"a": "' + "x" * 8200 + '"}'},
                {"context_snapshot": '{"a": "' + "x" * 262144 + '"}'},
            )
        ],
        refused("23514"),
        hook=False,
        given=UNBOOKED,
        proves=tuple(
            f"check ai_drafts_{name}_check"
            for name in ("draft_type", "purpose", "subject", "content", "details", "context_snapshot")
        ),
    ),
    Attack(
        "forge-draft-read-back",
        "INSERT … RETURNING, ON CONFLICT DO UPDATE, COPY, MERGE into ai_drafts while completing.",
        (AGENT,),
        lambda s: [
            sql(BEGIN + inserted(s).rstrip("; ") + " returning content"),
            sql(BEGIN + inserted(s, id=s.draft).rstrip("; ") + " on conflict (id) do update set content = 'taken'"),
            sql(
                BEGIN
                + "merge into ai_drafts using (select 1) as x on true when matched then update set status = 'approved'"
            ),
            Statement("copy public.ai_drafts (client_id, content) from stdin", f"{s.acme}\tx\n"),
        ],
        one_of(BY_POLICY, DENIED, refused("0A000", says="row-level security")),
        hook=False,
        only="sql: COPY is no request of PostgREST's",
    ),
    Attack(
        "forge-draft-hash",
        "A draft with a content_hash of one's own.",
        (AGENT,),
        lambda s: [by_hand(s, content_hash="0" * 64)],
        one_of(DENIED, refused("428C9")),
        hook=False,
    ),
    Attack(
        "forge-draft-unbooked",
        "The agent begins a completion, inserts its draft and leaves, so that nothing is booked and its job goes on.",
        (AGENT,),
        lambda s: [by_hand(s)],
        refused("PT409", "not_completed"),
        hook=False,
        proves=(
            "trigger public.ai_drafts.ai_drafts_require_completion",
            "guard agent.tg_ai_drafts__require_completion: not_completed",
        ),
    ),
    Attack(
        "forge-draft-recipient",
        "A recipient that is not the contact's, written by hand, is not approved.",
        (OWNER,),
        lambda s: [
            sql(
                f"select status from public.approve_draft('{NOBODY}', (select content_hash from ai_drafts where id = "
                f"'{NOBODY}'))"
            )
        ],
        refused("PT409", "recipient_changed"),
        hook=False,
        before=lambda s: [
            (
                AGENT,
                sql(
                    BEGIN
                    + inserted(s, id=NOBODY, subject="x", recipient="thief@example.com", contact_id=s.acme_contact)
                    + f"select agent.finish_complete_v1('{NOBODY}', 'offline', 'x', null)"
                ),
            ),
        ],
        proves=("guard public.approve_draft: recipient_changed",),
    ),
    Attack(
        "forge-completion-of-other",
        "The agent of another user's job inserts a draft for this one's request.",
        (AGENT_BESIDE,),
        lambda s: [
            by_hand(s),
            by_hand(s, created_by=s.colleague),
            by_hand(s, created_by=s.colleague, client_id=s.bolt),
        ],
        BY_POLICY,
        hook=False,
    ),
    Attack(
        "forge-after-completion",
        "The agent completes its job once more over the same connection that has just refused it.",
        (AGENT_STALE,),
        lambda s: [complete(), complete(), sql(BEGIN + inserted(s, request_id=s.agent_stale_request))],
        refused("PT409", "stale_fence"),
        hook=False,
    ),
]
