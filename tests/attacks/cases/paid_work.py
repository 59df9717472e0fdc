"""Batches, limits by the minute, maintenance, and texts that cannot be approved or stored."""

from __future__ import annotations

from tests.attacks.cases.answers import INVALID, INVALID_OUTPUT
from tests.attacks.cases.asking import ask
from tests.attacks.cases.completing import NOBODY, complete
from tests.attacks.cases.money import AI_OFF, NOT_RESERVED, SWITCHED_OFF, reserve
from tests.attacks.cases.people import AGENT, ANONYMOUS, OWNER, WORKER
from tests.attacks.cases.working import NO_TOKEN
from tests.attacks.model import Attack, Call, refused, rpc, sql
from tests.attacks.scene import Scene

RATE_LIMITED = refused("PT429", "rate_limited")
UNFINISHED = refused("PT409", "draft_unfinished")
BATCH_CLOSED = refused("PT409", "batch_closed")
BATCH = "insert into agent.batches (id, provider, provider_batch_id, submitted_at) values ({}, 'anthropic', {}, {})"


def start(*tokens: object, provider: object = "anthropic") -> Call:
    return rpc("start_batch", p_provider=provider, p_jobs=[{"token": token} for token in tokens])


def approve_now(s: Scene) -> list[Call]:
    """With the hash of the text as it is, so that nothing but the text is in the way."""
    return [
        sql(f"select approve_draft(id, content_hash) from ai_drafts where id = '{draft}'")
        for draft in (s.draft, s.mail)
    ]


def holding(text: str) -> str:
    return f"update ai_drafts set content = '{text}' where id in (%(draft)s, %(mail)s)"


ATTACKS = [
    Attack(
        "batch-unpaid",
        "A worker puts jobs into a batch that nothing was set aside for, or nothing for a batch, or another's.",
        (WORKER,),
        lambda s: [
            start(s.tokens["agent"]),
            start(s.tokens["agent_beside"]),
            start(s.tokens["agent"], s.tokens["agent_beside"]),
            start(s.tokens["agent"], provider="another"),
        ],
        NOT_RESERVED,
        before=lambda s: [(WORKER, reserve(s.tokens["agent_beside"]))],
        given="alter table agent.batch_items drop constraint batch_items_pkey;"
        "alter table agent.batch_items alter column custom_id drop not null",
        proves=("guard agent.start_batch_v1: not_reserved",),
    ),
    Attack(
        "batch-twice",
        "A worker puts a job into a batch twice, or into a second one.",
        (WORKER,),
        lambda s: [start(s.tokens["agent"], s.tokens["agent"]), start(s.tokens["agent"])],
        NOT_RESERVED,
        before=lambda s: [
            (WORKER, reserve(s.tokens["agent"], p_is_batch=True)),
            (WORKER, start(s.tokens["agent"])),
        ],
    ),
    Attack(
        "batch-forged",
        "A worker puts jobs into a batch with what is no token.",
        (WORKER,),
        lambda s: [start("x"), start(None), start(s.persons_token)],
        NO_TOKEN,
    ),
    Attack(
        "batch-nonsense",
        "Batches of no jobs, of too many, of no list, of a strange provider; one submitted with nonsense for its cost.",
        (WORKER,),
        lambda s: [
            start(),
            start(*[s.tokens["agent"]] * 51),
            rpc("start_batch", p_provider="anthropic", p_jobs={"token": s.tokens["agent"]}),
            rpc("start_batch", p_provider="anthropic", p_jobs=None),
            start(s.tokens["agent"], provider="An other"),
            start(s.tokens["agent"], provider=None),
            rpc("submit_batch", p_batch_id=s.agent_job, p_provider_batch_id=None, p_usage={"input_tokens": -1}),
            rpc("submit_batch", p_batch_id=s.agent_job, p_provider_batch_id="x", p_usage=[]),
        ],
        INVALID,
        given=BATCH.format("%(agent_job)s", "null", "null"),
        proves=(
            "guard agent.start_batch_v1: invalid_argument",
            "guard agent.submit_batch_v1: invalid_argument: p_usage",
        ),
    ),
    Attack(
        "batch-submitted",
        "A worker names a batch anew, or one that there is not, so that its results are looked for elsewhere.",
        (WORKER,),
        lambda s: [
            rpc("submit_batch", p_batch_id=s.agent_job, p_provider_batch_id="mine"),
            rpc("submit_batch", p_batch_id=s.agent_job, p_provider_batch_id=None),
            rpc("submit_batch", p_batch_id=NOBODY, p_provider_batch_id="mine"),
        ],
        BATCH_CLOSED,
        given=BATCH.format("%(agent_job)s", "'theirs'", "now()"),
        proves=("guard agent.submit_batch_v1: batch_closed",),
    ),
    Attack(
        "work-maintenance-nonsense",
        "A worker runs what is no task.",
        (WORKER,),
        lambda s: [rpc("run_maintenance", p_task=task) for task in ("everything", None, "sweep; drop table x")],
        INVALID,
        proves=("guard agent.run_maintenance_v1: invalid_argument: p_task",),
    ),
    Attack(
        "flood-minute",
        "A user asks for more drafts than one may in a minute.",
        (OWNER,),
        lambda s: [ask(s.apex)],
        RATE_LIMITED,
        given="update ai_settings set drafts_per_minute = 1; update ai_draft_requests set created_at = now()",
        proves=("guard agent.request_draft_v2: rate_limited",),
    ),
    Attack(
        "flood-contexts",
        "A user loads more contexts than one may in a minute.",
        (OWNER,),
        lambda s: [rpc("take_request_slot")],
        RATE_LIMITED,
        given="update ai_settings set contexts_per_minute = 1; "
        "insert into agent.request_slots (user_id, kind, taken_at) values (%(owner)s, 'context', array[now()])",
        proves=("code agent.take_request_slot_v1: limit",),
    ),
    Attack(
        "flood-kinds",
        "A user opens a count of their own for each request.",
        (OWNER,),
        lambda s: [rpc("take_request_slot", p_kind=kind) for kind in ("mine", "", None, "x" * 10_000)],
        INVALID,
        proves=("guard agent.take_request_slot_v1: invalid_argument: p_kind",),
    ),
    Attack(
        "flood-anonymous",
        "An anonymous sign-in, of which anyone may have a thousand, takes slots.",
        (ANONYMOUS,),
        lambda s: [rpc("take_request_slot"), rpc("agent_status")],
        refused("PT403", "anonymous_user"),
    ),
    Attack(
        "money-off-asking-alone",
        "AI is switched off for the client where handing in does not look.",
        (OWNER,),
        lambda s: [ask(s.acme)],
        AI_OFF,
        given=SWITCHED_OFF.format("client", "%(acme)s"),
        proves=("code agent.request_draft_v2: switch",),
    ),
    Attack(
        "money-off-handing-in",
        "AI was switched off after the job was claimed.",
        (AGENT,),
        lambda s: [complete()],
        AI_OFF,
        given=SWITCHED_OFF.format("client", "%(acme)s"),
        proves=("code agent.begin_complete_v1: switch",),
    ),
    *[
        Attack(
            f"approve-unfinished-{tag}",
            sentence,
            (OWNER,),
            approve_now,
            UNFINISHED,
            given=holding(text),
            proves=("guard agent.approve_draft_v1: draft_unfinished", f"code agent.find_unfinished: {cut}"),
        )
        for tag, cut, sentence, text in (
            ("gap", "gaps", "A person approves what they have not filled in.", "Dear [First Name], I am [Your Name]."),
            ("braces", "gaps", "A template's variable is approved.", "Dear {{first_name}}, hello."),
            ("stranger", "strangers", "A stranger's address is approved.", "Write to someone@elsewhere.example."),
        )
    ],
    Attack(
        "approve-unfinished-neighbour",
        "The address of another client's contact is approved.",
        (OWNER,),
        approve_now,
        UNFINISHED,
        given="update contacts set email = 'neighbour@bolt.example' where client_id = %(bolt)s; "
        + holding("Write to neighbour@bolt.example."),
        proves=("code agent.find_unfinished: client",),
    ),
    Attack(
        "complete-markup",
        "The agent hands in what a reader could follow or load, in the text and in the subject.",
        (AGENT,),
        lambda s: [
            complete(**{argument: text})
            for argument in ("p_content", "p_subject")
            for text in (
                "See https://collect.example.com/?q=1", "[offer](//collect.example.com)",
                "![x](data:image/png;base64,AA)", "<img src=x>", "</p><script>", "www.collect.example.com",
                "javascript:fetch(1)", "[a][b]", "&#60;b&#62;", "mailto:someone@elsewhere.example",
            )
        ],
        INVALID_OUTPUT,
        proves=("fault public.complete_draft_job: *",),
    ),
]  # fmt: skip
