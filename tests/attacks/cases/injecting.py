"""SQL, paths, headers and JSON in places where a word is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.attacks.cases.answers import AGENT_REFUSED, INVALID, INVALID_OUTPUT
from tests.attacks.cases.completing import complete
from tests.attacks.cases.people import AGENT, OWNER, WORKER
from tests.attacks.model import Answer, Attack, Call, Harmless, Nothing, OneOf, Rows, one_of, refused, rpc
from tests.attacks.scene import Scene

TEXTS = (
    "'; drop table public.ai_drafts; --",
    "x'); update ai_drafts set status = 'approved'; --",
    '"; drop schema agent cascade; --',
    "$$; drop table clients; $$",
    "$v$ || (select decrypted_secret from vault.decrypted_secrets) || $v$",
    "' || current_user || '",
    "%s %I %L %1$s %n %%",
    "{0} {id} ${jndi:x}",
    "\\'; select pg_sleep(5); --",
    "\\u0027; drop table clients; --",
    "ʼ; drop table clients; --",
    "' union select decrypted_secret from vault.decrypted_secrets --",
    "/* */ or /**/ 1=1",
    "null",
    "default",
    "(select agent.sign_jwt('{}'))",
    "\u202e'; --",
    "' or ''='",
    "E'\\\\x27'",
    "1; notify pgrst, 'reload schema'",
)
NUL = "a\u0000b"
# Tables that a call may write to when the text is taken for what it is. None of the catalog is among them.
ASKED = frozenset({"public.ai_draft_requests", "agent.jobs", "agent.audit_log"})
HANDED_IN = ASKED | {"public.ai_drafts", "public.ai_interactions"}
JUDGED = frozenset({"public.ai_drafts", "public.activities", "agent.audit_log"})


def each_text(
    function: str, names: tuple[str, ...], given: Callable[[Scene], dict[str, Any]]
) -> Callable[[Scene], list[Call]]:
    """One call for each of the arguments and texts, the other arguments as given."""
    return lambda s: [rpc(function, **{**given(s), name: text}) for name in names for text in (*TEXTS, NUL)]


def taken_or(*answers: Answer) -> OneOf:
    """Taken as the text it is, or refused with one of these, or as Postgres refuses a NUL, which no text can hold."""
    return one_of(Harmless(), *answers, refused("22P05"), refused("22021"))


def same(text: str) -> str:
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


ASK = {"p_draft_type": "note", "p_purpose": "follow_up"}

ATTACKS = [
    Attack(
        "inject-request",
        "SQL in every text of request_draft().",
        (OWNER,),
        each_text(
            "request_draft",
            ("p_draft_type", "p_purpose", "p_language", "p_hints"),
            lambda s: {"p_client_id": s.acme, **ASK},
        ),
        taken_or(INVALID, refused("PT409", "request_open")),
        changes=ASKED,
        unharmed="select count(*) = 1 from ai_draft_requests "
        "where user_id = %(owner)s and draft_type = 'note' and purpose = 'follow_up' "
        f"and hints = {same(TEXTS[0])}",
    ),
    Attack(
        "inject-approve",
        "SQL in every text of approve_draft().",
        (OWNER,),
        each_text(
            "approve_draft",
            ("p_content_hash", "p_action"),
            lambda s: {"p_draft_id": s.draft, "p_content_hash": s.draft_hash},
        ),
        one_of(refused("PT409", "draft_changed"), INVALID, refused("22P05")),
    ),
    Attack(
        "inject-reject",
        "SQL in the reason of reject_draft(): kept as it is.",
        (OWNER,),
        each_text("reject_draft", ("p_reason",), lambda s: {"p_draft_id": s.draft}),
        taken_or(refused("PT409", "draft_closed")),
        changes=JUDGED,
        unharmed=(
            f"select rejected_reason = {same(TEXTS[0])} and status = 'rejected' from ai_drafts where id = %(draft)s"
        ),
    ),
    Attack(
        "inject-complete",
        "SQL in every text and every JSON of complete_draft_job(): kept as it is.",
        (AGENT,),
        lambda s: [
            complete(
                p_content=TEXTS[0],
                p_subject=TEXTS[6],
                p_model=TEXTS[3],
                p_usage={"request_id": TEXTS[1], TEXTS[2]: TEXTS[4]},
                p_context={"contextVersion": TEXTS[5], TEXTS[7]: [TEXTS[8]]},
                p_grounding=[TEXTS[9]],
                p_details={TEXTS[10]: TEXTS[11]},
            ),
        ],
        Harmless(),
        changes=HANDED_IN,
        unharmed=f"select d.content = {same(TEXTS[0])} and d.subject = {same(TEXTS[6])} and d.model = {same(TEXTS[3])} "
        f"and d.context_version = {same(TEXTS[5])} and d.details ->> {same(TEXTS[10])} = {same(TEXTS[11])} and "
        f"i.request_id = {same(TEXTS[1])} "
        "from ai_drafts as d join ai_interactions as i on i.job_id = %(agent_job)s where d.request_id = "
        "%(agent_request)s",
    ),
    Attack(
        "inject-complete-words",
        "SQL where complete_draft_job() asks for a word, a time or a priority.",
        (AGENT,),
        lambda s: [
            *(
                complete(**{name: text})
                for name in ("p_language", "p_provider")
                for text in TEXTS
                if text not in ("null", "default")
            ),
            *(complete(p_details={name: text}) for name in ("due_at", "priority") for text in TEXTS),
            *(complete(p_usage={"input_tokens": text}) for text in TEXTS),
            complete(p_content=NUL),
            complete(p_details={"a": NUL}),
        ],
        one_of(INVALID_OUTPUT, refused("22P05")),
        proves=("code agent.is_usage: counts",),
    ),
    Attack(
        "inject-json",
        "JSON where a text is asked for, text where JSON is, and other types of everything.",
        (AGENT,),
        lambda s: [
            complete(**{name: value})
            for name, value in (
                ("p_details", "'; drop"),
                ("p_usage", '{"input_tokens": 1}'),
                ("p_details", 1),
                ("p_details", True),
                ("p_usage", ["x"]),
                ("p_usage", 7),
                ("p_content", ""),
                ("p_language", ["en"]),
                ("p_provider", {"a": 1}),
            )
        ],
        one_of(INVALID_OUTPUT, refused("22P02")),
    ),
    Attack(
        "inject-worker",
        "SQL in every text of a worker's functions.",
        (WORKER,),
        lambda s: [
            *(rpc("heartbeat_job", p_job_token=text) for text in TEXTS),
            *(rpc("fail_job", p_job_token=text, p_code="refused") for text in TEXTS),
            *(rpc("fail_job", p_job_token=s.tokens["agent"], p_code=text) for text in TEXTS),
            *(
                rpc("fail_job", p_job_token=s.tokens["agent"], p_code="refused", p_usage=text)
                for text in TEXTS[:14]
                if text != "null"
            ),
        ],
        one_of(refused("PT403", "invalid_job_token"), INVALID),
    ),
    Attack(
        "inject-kinds",
        "SQL in the kinds of claim_jobs(): no such jobs.",
        (WORKER,),
        lambda s: [rpc("claim_jobs", p_kinds=[text]) for text in TEXTS],
        Nothing(),
        given="update agent.jobs set due_at = now() where id = %(agent_job)s",
        proves=("code agent.claim_jobs_v1: kinds", "code agent.claim_jobs_v1: kinds of left ones"),
    ),
    Attack(
        "inject-ids",
        "SQL where an id or a number is asked for.",
        (OWNER,),
        lambda s: [
            *(rpc("get_client_context", p_client_id=text) for text in TEXTS if text != "null"),
            *(rpc("get_client_context", p_client_id=s.acme, p_days=text) for text in TEXTS[:4]),
            *(rpc("approve_draft", p_draft_id=text, p_content_hash="x") for text in TEXTS[:6]),
            *(
                rpc("request_draft", **{"p_client_id": s.acme, **ASK, name: TEXTS[0]})
                for name in ("p_contact_id", "p_deal_id", "p_task_id")
            ),
            rpc("request_draft", p_client_id=s.acme, **ASK, p_interactive="'; drop"),
        ],
        one_of(refused("22P02"), refused("22P05")),
    ),
    Attack(
        "inject-claims",
        "SQL and JSON in the claims of a token that is signed: subject, session, role of a person.",
        tuple(
            OWNER.but(**{claim: text}) for claim in ("sub", "session_id") for text in (TEXTS[0], TEXTS[5], '{"a": 1}')
        ),
        lambda s: [rpc("approve_draft", p_draft_id=s.draft, p_content_hash=s.draft_hash)],
        refused("22P02"),
    ),
    Attack(
        "inject-claims-role",
        "SQL in the role.",
        tuple(OWNER.but(role=text) for text in (TEXTS[0], 'authenticated"; reset role; --', "none", "")),
        lambda s: [rpc("approve_draft", p_draft_id=s.draft, p_content_hash=s.draft_hash), Rows("GET", "ai_drafts")],
        one_of(refused("22023"), refused("42501"), refused("PT401", "not_signed_in")),
    ),
    Attack(
        "inject-claims-shape",
        "A pre-request hook that is told of no claims, of a list, of a word, of numbers.",
        tuple(
            AGENT.but(act=act, job=job)
            for act, job in (([["act"]], "x"), ({"act": {"sub": "x"}}, None), ("agent_worker", 1))
        ),
        lambda s: [Rows("GET", "clients"), rpc("approve_draft", p_draft_id=s.draft, p_content_hash=s.draft_hash)],
        AGENT_REFUSED,
        proves=("code agent.check_request_v1: the key",),
    ),
]
