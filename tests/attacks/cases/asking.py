"""Asking for more than one may, or for what one may not."""

from __future__ import annotations

from tests.attacks.cases.answers import INVALID, NO_CLIENT
from tests.attacks.cases.people import (
    AGENT,
    AGENT_AFTER,
    ANON,
    ANONYMOUS,
    BANNED,
    COLLEAGUE,
    OWNER,
    SERVICE_ROLE,
    STRANGER,
    WORKER,
)
from tests.attacks.model import Attack, Call, Held, Returns, refused, rpc, sql
from tests.attacks.scene import Scene

MEGABYTE = "x" * 1_048_576
CAP = "update ai_settings set {} = (select count(*) from ai_draft_requests where user_id = %(owner)s{})"

OPEN_CAP = CAP.format("open_jobs_per_user", " and state in ('queued', 'running')")

DAILY_CAP = CAP.format("daily_jobs_per_user", "")

NO_CHECKS_ON_REQUESTS = "alter table agent.jobs alter column interactive drop not null;" + "".join(
    f"alter table ai_draft_requests drop constraint ai_draft_requests_{name}_check;"
    for name in ("hints", "draft_type", "purpose", "language")
)

BOOKED = frozenset({"public.ai_draft_requests", "agent.jobs", "agent.audit_log"})


def ask(client: object, **more: object) -> Call:
    return rpc("request_draft", **{"p_client_id": client, "p_draft_type": "note", "p_purpose": "follow_up", **more})


def ask_helper(
    s: Scene, hints: str = "null", draft_type: str = "note", purpose: str = "follow_up", language: str = "null"
) -> Call:
    """The helper behind it, for a caller who can run SQL."""
    return sql(
        f"select agent.request_draft_v2('{s.acme}', '{draft_type}', '{purpose}', {hints}, {language}, null, null, "
        "null, false, null)"
    )


ATTACKS = [
    Attack(
        "flood-open",
        "One request more than may be open at once, by the helper too.",
        (OWNER,),
        lambda s: [ask(s.acme), ask_helper(s)],
        refused("PT429", "open_jobs_cap"),
        given=OPEN_CAP,
        proves=("guard agent.request_draft_v2: open_jobs_cap",),
    ),
    Attack(
        "flood-daily",
        "One request more than a day allows.",
        (OWNER,),
        lambda s: [ask(s.acme), ask_helper(s)],
        refused("PT429", "daily_jobs_cap"),
        given=DAILY_CAP,
        proves=("guard agent.request_draft_v2: daily_jobs_cap",),
    ),
    Attack(
        "flood-at-once",
        "Two requests at once where one more is allowed.",
        (OWNER,),
        lambda s: [ask(s.acme)],
        refused("PT429", "open_jobs_cap"),
        given=OPEN_CAP.replace("count(*)", "count(*) + 1"),
        held=lambda s: Held(OWNER, ask(s.apex)),
        changes=BOOKED,
        unharmed="select count(*) = open_jobs_per_user from ai_draft_requests, ai_settings where user_id = %(owner)s "
        "and state in ('queued', 'running') group by open_jobs_per_user",
        proves=("code agent.request_draft_v2: lock",),
        only="sql: it takes an open transaction beside it",
    ),
    Attack(
        "flood-same",
        "The same request again and again: the same row and no other.",
        (OWNER,),
        lambda s: [
            sql(f"select id from public.request_draft('{s.acme}', 'memo', 'custom', 'hints')"),
            *[sql(f"select id from public.request_draft('{s.acme}', 'memo', 'custom', ' hints ')")] * 4,
        ],
        Returns(lambda s: s.queued_request),
        given="drop index ai_draft_requests_open_subject_idx",
        proves=("code agent.request_draft_v2: same request",),
    ),
    Attack(
        "flood-other-hints",
        "Another request for what is being written, from other hints, language or contact.",
        (OWNER,),
        lambda s: (
            [
                ask(s.acme, p_draft_type="memo", p_purpose="custom", **more)
                for more in ({}, {"p_hints": "other"}, {"p_hints": "hints", "p_language": "de"})
            ]
            + [
                sql(
                    f"select agent.request_draft_v2('{s.acme}', 'memo', 'custom', 'hints', null, null, null, null, "
                    "false, null)"
                )
            ]
        ),
        refused("PT409", "request_open"),
        proves=tuple(f"code agent.request_draft_v2: {what}" for what in ("hints", "language", "contact")),
    ),
    Attack(
        "flood-open-draft",
        "A request for what lies on the table unanswered.",
        (OWNER,),
        lambda s: [
            ask(s.acme, p_draft_type="memo", p_purpose="check_in"),
            ask_helper(s, draft_type="memo", purpose="check_in"),
        ],
        refused("PT409", "draft_open"),
        proves=("guard agent.request_draft_v2: draft_open",),
    ),
    Attack(
        "flood-hints",
        "Hints of more than 2 kB, to a megabyte.",
        (OWNER,),
        lambda s: [ask(s.acme, p_hints=hints) for hints in ("x" * 2049, "é" * 1025, MEGABYTE)],
        INVALID,
        proves=("fault public.request_draft: *",),
        given=NO_CHECKS_ON_REQUESTS,
    ),
    Attack(
        "flood-hints-helper",
        "Hints too long, and texts where a word is asked for, by the helper: checks of the table.",
        (OWNER,),
        lambda s: [
            ask_helper(s, hints="repeat('x', 2049)"),
            ask_helper(s, draft_type="sms"),
            ask_helper(s, purpose="spam"),
            ask_helper(s, language="'english, please'"),
        ],
        refused("23514"),
        proves=tuple(
            f"check ai_draft_requests_{name}_check" for name in ("hints", "draft_type", "purpose", "language")
        ),
    ),
    Attack(
        "flood-words",
        "Types, purposes and languages that there are not, a megabyte of each.",
        (OWNER,),
        lambda s: (
            [
                ask(s.acme, **{name: value})
                for name in ("p_draft_type", "p_purpose", "p_language")
                for value in ("EMAIL", "", "email\n", "a" * 9 + "-", None, MEGABYTE)
                if (name, value) != ("p_language", None)
            ]
            + [ask(s.acme, p_interactive=None)]
        ),
        INVALID,
        proves=("fault public.request_draft: *",),
        given=NO_CHECKS_ON_REQUESTS,
    ),
    Attack(
        "flood-agent",
        "The agent asks for more work, for its client and for others.",
        (AGENT, AGENT_AFTER),
        lambda s: [ask(client) for client in (s.acme, s.apex, s.bolt)],
        refused("PT403", "agent_refused"),
    ),
    Attack(
        "flood-agent-no-hook",
        "The agent asks for more work where nobody asks the pre-request hook, by the helper too.",
        (AGENT, AGENT_AFTER),
        lambda s: [ask(s.acme), ask(s.bolt), ask_helper(s)],
        refused("PT403", "agent_refused"),
        hook=False,
        proves=("guard agent.require_person: agent_refused", "code agent.request_draft_v2: person"),
    ),
    Attack(
        "flood-not-a-person",
        "An anonymous sign-in asks for its own client.",
        (ANONYMOUS,),
        lambda s: [ask(s.nemo)],
        refused("PT403", "anonymous_user"),
        proves=("guard agent.require_person: anonymous_user",),
    ),
    Attack(
        "flood-not-a-person-alone",
        "An anonymous sign-in asks for its own client where the helper does not look.",
        (ANONYMOUS,),
        lambda s: [ask(s.nemo)],
        refused("PT403", "anonymous_user"),
        proves=("code public.request_draft: person",),
        given="select testing.cut('agent.request_draft_v2', 'agent.require_person()', 'auth.uid()')",
    ),
    Attack(
        "flood-banned",
        "A banned user asks for theirs.",
        (BANNED,),
        lambda s: [ask(s.ban)],
        refused("PT403", "user_inactive"),
        proves=("guard agent.require_person: user_inactive",),
    ),
    Attack(
        "flood-others",
        "A colleague and a stranger ask for somebody else's.",
        (COLLEAGUE, STRANGER),
        lambda s: [ask(s.acme), ask(s.apex), ask(s.acme, p_contact_id=str(s.acme_contact))],
        NO_CLIENT,
        proves=("guard public.request_draft: client_not_found",),
    ),
    Attack(
        "flood-not-signed-in",
        "Somebody without a sign-in, service_role and a worker ask for a draft.",
        (ANON, SERVICE_ROLE, WORKER),
        lambda s: [ask(s.acme)],
        refused("42501", says="permission denied for function"),
        hook=False,
        proves=("function public.request_draft",),
    ),
    Attack(
        "flood-hidden-client",
        (
            "By the helper, a person asks for a client that they do not see: the agent then reads nothing and hands "
            "in nothing."
        ),
        (AGENT.but(job=lambda s: str(s.hidden_job), fence=1),),
        lambda s: [
            rpc("get_client_context", p_client_id=s.bolt),
            rpc("complete_draft_job", p_content="x", p_subject="x"),
        ],
        NO_CLIENT,
        given="insert into ai_draft_requests (user_id, client_id, draft_type, purpose, job_id) "
        "select user_id, %(bolt)s, 'note', 'follow_up', %(hidden_job)s from agent.jobs where id = %(agent_job)s;"
        "insert into agent.jobs (id, kind, user_id, client_id, request_id, turn, state, fence, claimed_at, payload) "
        "select %(hidden_job)s, 'draft', user_id, client_id, id, 1, 'running', 1, now(), "
        "jsonb_build_object('draft_type', 'note', 'purpose', 'follow_up') from ai_draft_requests where job_id = "
        "%(hidden_job)s",
    ),
]
