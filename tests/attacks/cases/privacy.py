"""Consents, holds, erasure, export and the chain of the audit log: by whom they are not set, and what they stop."""

from __future__ import annotations

from tests.attacks.cases.answers import DENIED, INVALID
from tests.attacks.cases.books import verbs, written
from tests.attacks.cases.money import reserve
from tests.attacks.cases.people import ADMIN, AGENT, AGENT_AFTER, COLLEAGUE, EVERYBODY, OWNER, STRANGER, WORKER
from tests.attacks.model import Attack, Call, Nothing, refused, rpc, sql, sql_as_owner
from tests.attacks.scene import Scene

WITHDRAWN = "insert into ai_consents (client_id, kind, granted) values (%(acme)s, 'processing', false);"
HELD = "insert into agent.legal_holds (client_id, reason, set_by) values (%(acme)s, 'A lawsuit.', %(owner)s);"
SESSION_ENDED = refused("PT401", "session_ended")
NOT_AN_ADMIN = refused("PT403", "not_an_admin")
NO_SAY = refused("PT404", "client_not_found")
AGENT_ROWS = {
    "legal_holds": (
        "lifted_at = now()",
        "(client_id, reason, set_by) values (gen_random_uuid(), 'x', gen_random_uuid())",
    ),
    "data_tables": ("on_age = null", "(relation, place, kept) values ('x', 1, 'x')"),
    "audit_anchors": ("head_hash = 'x'", "(count, head_hash) values (99, 'x')"),
}


def consent(s: Scene, kind: str = "training", *, granted: bool = True, **subject: object) -> Call:
    return rpc("record_consent", p_kind=kind, p_granted=granted, **subject or {"p_client_id": s.acme})


def of_an_admin(s: Scene) -> list[Call]:
    return [
        rpc("set_legal_hold", p_is_held=True, p_client_id=s.acme, p_reason="x"),
        rpc("set_legal_hold", p_is_held=False, p_client_id=s.nemo),
        rpc("erase_client_ai_data", p_client_id=s.acme),
        rpc("export_client_data", p_client_id=s.acme),
    ]


ATTACKS = [
    Attack(
        "privacy-tables",
        "Holds, the list of what is removed, and anchors are written by hand: by everybody.",
        EVERYBODY,
        lambda s: [
            sql(text)
            for table, (change, row) in AGENT_ROWS.items()
            for text in (
                f"update agent.{table} set {change}",
                f"delete from agent.{table}",
                f"truncate agent.{table}",
                f"insert into agent.{table} {row}",
            )
        ],
        DENIED,
        hook=False,
        given=HELD,
        proves=written(*(f"agent.{table}" for table in AGENT_ROWS)),
    ),
    Attack(
        "privacy-consents",
        "Consents are added, changed, deleted, renumbered by hand where no policy is in the way: by everybody.",
        EVERYBODY,
        lambda s: [
            *verbs("ai_consents", {"client_id": s.acme, "kind": "training", "granted": True}),
            sql("truncate ai_consents"),
            sql("select setval('public.ai_consents_id_seq', 1)"),
        ],
        DENIED,
        hook=False,
        given=WITHDRAWN + "alter table ai_consents disable row level security",
        proves=(*written("public.ai_consents"), "sequence public.ai_consents_id_seq"),
    ),
    Attack(
        "privacy-read-consents",
        "Somebody reads what clients and users agreed to, where the table may be read.",
        (OWNER, ADMIN, STRANGER, AGENT),
        lambda s: [sql("select string_agg(c::text, ' ') from ai_consents as c")],
        Nothing(),
        hook=False,
        given=WITHDRAWN + "grant select on ai_consents to authenticated",
        proves=("rls public.ai_consents",),
    ),
    Attack(
        "privacy-others",
        "A colleague and a stranger say what somebody else's client agreed to, or read it.",
        (COLLEAGUE, STRANGER),
        lambda s: [consent(s), consent(s, "processing", granted=False), rpc("list_consents", p_client_id=s.acme)],
        NO_SAY,
        proves=("guard agent.require_say_over: client_not_found",),
    ),
    Attack(
        "privacy-for-others",
        "Users say what another user agreed to, or read it.",
        (OWNER, COLLEAGUE, STRANGER),
        lambda s: [consent(s, p_subject_user_id=s.admin), rpc("list_consents", p_subject_user_id=s.admin)],
        NOT_AN_ADMIN,
        proves=("guard agent.require_say_over: not_an_admin",),
    ),
    Attack(
        "privacy-whose",
        "A consent is recorded of a client and a user at once, and of nobody.",
        (OWNER, ADMIN),
        lambda s: [
            consent(s, p_client_id=s.acme, p_subject_user_id=s.owner),
            consent(s, p_client_id=None),
            rpc("list_consents"),
        ],
        INVALID,
        proves=("guard agent.require_say_over: invalid_argument: p_client_id, p_user_id",),
    ),
    Attack(
        "privacy-values",
        "Consents and holds of no kind, without an answer, without a reason, of nobody.",
        (ADMIN,),
        lambda s: [
            consent(s, "selling"),
            rpc("record_consent", p_kind="email", p_granted=None, p_client_id=s.acme),
            rpc("record_consent", p_kind="email", p_granted=True, p_client_id=s.acme, p_reason="x" * 501),
            rpc("set_legal_hold", p_is_held=True, p_client_id=s.acme, p_reason=" "),
            rpc("set_legal_hold", p_is_held=None, p_client_id=s.acme, p_reason="x"),
            rpc("set_legal_hold", p_is_held=True, p_reason="x"),
            rpc("erase_client_ai_data", p_client_id=None),
        ],
        INVALID,
        proves=("guard agent.erase_client_ai_data_v1: invalid_argument: p_client_id", "fault agent.*"),
    ),
    Attack(
        "privacy-not-an-admin",
        "Users hold, release, erase and export a client of their own, and read what is held.",
        (OWNER, COLLEAGUE, STRANGER),
        lambda s: [*of_an_admin(s), rpc("list_legal_holds")],
        NOT_AN_ADMIN,
        given=HELD,
    ),
    Attack(
        "privacy-signed-out",
        "Somebody whose session has ended records a consent, holds, erases and exports.",
        (ADMIN,),
        lambda s: [*of_an_admin(s), consent(s)],
        SESSION_ENDED,
        given="delete from auth.sessions where user_id = %(admin)s",
        proves=(
            "code agent.set_legal_hold_v1: live session",
            "code agent.erase_client_ai_data_v1: live session",
            "code agent.export_client_data_v1: live session",
            "code agent.require_say_over: live session",
        ),
    ),
    Attack(
        "privacy-held",
        "What a legal hold is on is erased.",
        (ADMIN,),
        lambda s: [rpc("erase_client_ai_data", p_client_id=s.acme)],
        refused("PT409", "legal_hold"),
        given=HELD + "alter table ai_drafts disable trigger ai_drafts_refuse_delete;"
        "alter table ai_draft_requests disable trigger ai_draft_requests_refuse_delete;"
        "alter table deal_stage_history disable trigger deal_stage_history_refuse_delete",
        proves=("code agent.erase_client_ai_data_v1: hold", "guard agent.require_not_held: legal_hold"),
    ),
    *(
        Attack(
            f"privacy-held-{table.replace('_', '-')}",
            f"A host's function with its owner's rights deletes from {table} what a legal hold is on.",
            (OWNER,),
            lambda s, table=table: [sql_as_owner(f"delete from public.{table} where client_id = '{s.acme}'")],
            refused("PT409", "legal_hold"),
            given=HELD,
            proves=(f"trigger public.{table}.{table}_refuse_delete",),
        )
        for table in ("ai_drafts", "ai_draft_requests", "deal_stage_history")
    ),
    Attack(
        "privacy-withdrawn",
        "AI is asked to write about a client who has withdrawn their consent.",
        (OWNER,),
        lambda s: [rpc("request_draft", p_client_id=s.acme, p_draft_type="note", p_purpose="custom")],
        refused("PT403", "consent_withdrawn"),
        given=WITHDRAWN,
        proves=("guard agent.require_ai_on: consent_withdrawn",),
    ),
    Attack(
        "privacy-withdrawn-completing",
        "The agent hands in what it wrote before the client withdrew.",
        (AGENT,),
        lambda s: [rpc("complete_draft_job", p_content="Hello", p_subject="Hello")],
        refused("PT403", "consent_withdrawn"),
        given=WITHDRAWN,
        proves=("guard agent.require_ai_on: consent_withdrawn",),
    ),
    Attack(
        "privacy-withdrawn-calling",
        "A worker sets out to tell a model of a client who withdrew while the request was on its way.",
        (WORKER,),
        lambda s: [reserve(s.tokens["agent"])],
        refused("PT403", "consent_withdrawn"),
        given=WITHDRAWN,
        proves=("code agent.reserve_budget_v1: consent",),
    ),
    Attack(
        "privacy-agent",
        "The agent says what its client agreed to, holds, erases and exports, where nobody asks the hook.",
        (AGENT, AGENT_AFTER),
        lambda s: [consent(s), *of_an_admin(s), rpc("list_consents", p_client_id=s.acme)],
        refused("PT403"),
        hook=False,
    ),
]
