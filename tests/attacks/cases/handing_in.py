"""Handing in what is no draft, booking what was not spent, closing a job past its completion."""

from __future__ import annotations

from tests.attacks.cases.answers import INVALID_OUTPUT, STALE
from tests.attacks.cases.completing import BEGIN, NO_CHECKS_ON_DRAFTS, NOBODY, UNBOOKED, complete, inserted
from tests.attacks.cases.people import AGENT, AGENT_AFTER, AGENT_FRESH, AGENT_REQUEUED, AGENT_STALE, OWNER
from tests.attacks.cases.working import ALL_KINDS_OF_WORK, NO_WORKER
from tests.attacks.model import Attack, Harmless, Held, one_of, refused, rpc, sql

ATTACKS = [
    Attack(
        "complete-empty",
        "A draft that is empty, too long, of no language, with details that are none.",
        (AGENT,),
        lambda s: [
            complete(**more)
            for more in (
                {"p_content": ""},
                {"p_content": None},
                {"p_content": " \n\u200b"},
                {"p_content": "x" * 20001},
                {"p_subject": ""},
                {"p_subject": "x" * 301},
                {"p_details": []},
                {"p_details": None},
                {"p_details": {"a": "x" * 8200}},
                {"p_details": {"priority": "now"}},
                {"p_details": {"due_at": "tomorrow"}},
                {"p_details": {"due_at": "2026-02-30T00:00:00Z"}},
                {"p_language": "english please"},
                {"p_language": None},
                {"p_provider": "Some One"},
                {"p_provider": None},
                {"p_context": {"a": "x" * 262144}},
                {"p_grounding": {"a": "x" * 262144}},
            )
        ],
        INVALID_OUTPUT,
        proves=("fault public.complete_draft_job: *",),
        given=NO_CHECKS_ON_DRAFTS
        + "insert into ai_interactions (user_id, job_id, attempt, purpose, provider, outcome, settled_at) "
        "values (%(owner)s, %(agent_job)s, 1, 'draft.custom', 'Some One', 'running', null)",
    ),
    Attack(
        "complete-usage",
        "Books forged by usage: negative, fractions, texts, lists, more than there can be.",
        (AGENT,),
        lambda s: [
            complete(p_usage=usage)
            for usage in (
                [],
                "x",
                1,
                {"input_tokens": -1},
                {"output_tokens": 1.5},
                {"input_tokens": "9"},
                {"cache_read_tokens": [1]},
                {"cache_write_tokens": {"a": 1}},
                {"latency_ms": 10**12},
                {"time_to_first_token_ms": True},
            )
        ],
        INVALID_OUTPUT,
        proves=("fault public.complete_draft_job: *", "code agent.is_usage: counts"),
    ),
    Attack(
        "complete-usage-more",
        "Usage that names a price, an outcome, another user and another job is booked without them.",
        (AGENT,),
        lambda s: [
            complete(
                p_usage={
                    "cost_usd": -5,
                    "outcome": "free",
                    "user_id": str(s.colleague),
                    "job_id": str(s.agent_beside_job),
                    "attempt": 0,
                    "purpose": "x",
                    "created_at": "2001-01-01",
                    "id": str(s.draft),
                    "input_tokens": 7,
                }
            )
        ],
        Harmless(),
        hook=False,
        changes=frozenset(
            {"public.ai_drafts", "public.ai_draft_requests", "public.ai_interactions", "agent.jobs", "agent.audit_log"}
        ),
        unharmed=(
            "select count(*) = 1 from ai_interactions where job_id = %(agent_job)s and user_id = %(owner)s and "
            "cost_usd = 0 and outcome = 'completed' and attempt = 1 and purpose = 'draft.follow_up' "
            "and input_tokens = 7 and created_at > '2020-01-01'"
        ),
    ),
    Attack(
        "complete-later-transaction",
        "A draft is inserted after the transaction that began the completion.",
        (AGENT,),
        lambda s: [sql(inserted(s))],
        refused("42501", says="violates row-level security"),
        hook=False,
        given=UNBOOKED,
        before=lambda s: [(AGENT, sql(BEGIN + "select 1"))],
        proves=("code agent.completing_request_id: transaction",),
    ),
    Attack(
        "complete-finish-alone",
        "Its job is closed on a draft of another's, on one of its own from before, on none, without beginning.",
        (AGENT,),
        lambda s: [
            sql(f"{begin}select agent.finish_complete_v1('{draft}', 'offline', 'x', null)")
            for begin in ("", BEGIN)
            for draft in (s.bobs_draft, s.draft, NOBODY)
        ],
        STALE,
        hook=False,
        proves=(
            "guard agent.finish_complete_v1: stale_fence",
            "code agent.finish_complete_v1: draft",
            "code agent.finish_complete_v1: draft's request",
        ),
    ),
    Attack(
        "complete-finish-later",
        "Its job is closed in a later transaction than the one that began.",
        (AGENT,),
        lambda s: [sql("select agent.finish_complete_v1((select result_id from public.forged), 'offline', 'x', null)")],
        STALE,
        hook=False,
        given=UNBOOKED
        + "create table public.forged as select gen_random_uuid() as result_id; grant select on public.forged to "
        "authenticated;"
        "insert into ai_drafts (id, client_id, draft_type, content, created_by, purpose, language, generated_content, "
        "request_id, provider, "
        "expires_at) select result_id, %(acme)s, 'email', 'c', %(owner)s, 'follow_up', 'en', 'c', %(agent_request)s, "
        "'offline', '2099-01-01' "
        "from public.forged;",
        before=lambda s: [(AGENT, sql(BEGIN + "select 1"))],
        proves=("code agent.finish_complete_v1: transaction",),
    ),
    Attack(
        "complete-finish-twice",
        "In one transaction it is closed twice, so that it would be booked twice.",
        (AGENT,),
        lambda s: [
            sql(
                BEGIN
                + inserted(s, id=NOBODY)
                + f"select agent.finish_complete_v1('{NOBODY}', 'offline', 'x', null) from generate_series(1, 2)"
            ),
            sql(
                BEGIN
                + inserted(s, id=NOBODY)
                + f"select agent.finish_complete_v1('{NOBODY}', 'offline', 'x', null);" * 2
            ),
        ],
        STALE,
        hook=False,
        proves=("code agent.finish_complete_v1: state",),
    ),
    Attack(
        "complete-finish-closed",
        "A person, a stale agent and one whose job is done close it.",
        (OWNER, AGENT_AFTER, AGENT_STALE, AGENT_REQUEUED),
        lambda s: [sql(f"select agent.finish_complete_v1('{s.done_draft}', 'offline', 'x', null)")],
        STALE,
        hook=False,
    ),
    Attack(
        "complete-at-once",
        "The same token hands in twice at once: one draft, one line in the books.",
        (AGENT_FRESH,),
        lambda s: [complete()],
        Harmless(),
        held=lambda s: Held(AGENT_FRESH, complete()),
        changes=frozenset(
            {"public.ai_drafts", "public.ai_draft_requests", "public.ai_interactions", "agent.jobs", "agent.audit_log"}
        ),
        unharmed="select count(*) = 1 and (select count(*) = 1 from ai_interactions "
        "where job_id = %(agent_fresh_job)s and outcome = 'completed') "
        "from ai_drafts where request_id = %(agent_fresh_request)s",
        only="sql: it takes an open transaction beside it",
    ),
    Attack(
        "complete-expired-token",
        "The job's token once it has expired.",
        (AGENT.but(exp=1), AGENT_AFTER.but(exp=1_700_000_000)),
        lambda s: [complete(), rpc("get_client_context", p_client_id=s.acme)],
        refused("PGRST303", says="JWT expired"),
        only="http: PostgREST reads exp, the database reads the fence",
    ),
    Attack(
        "complete-with-role",
        "Its claims name a role that PostgREST may not become.",
        tuple(AGENT.but(role=role) for role in ("postgres", "supabase_admin", "agent_listener", "supabase_auth_admin")),
        lambda s: [complete(), sql("select 1")],
        one_of(refused("42501"), refused("PT403")),
        hook=False,
    ),
    Attack(
        "complete-as-worker",
        "The agent's token with the worker's role, and with its jti as well.",
        (AGENT.but(role="agent_worker"), AGENT.but(role="agent_worker", jti=lambda s: s.worker_jti)),
        ALL_KINDS_OF_WORK,
        refused("PT403", "agent_refused"),
        proves=("code agent.check_request_v1: the key",),
    ),
    Attack(
        "complete-as-worker-no-hook",
        "The agent's token with the worker's role where nobody asks the pre-request hook.",
        (AGENT.but(role="agent_worker"), AGENT.but(role="agent_worker", jti=lambda s: s.worker_jti)),
        ALL_KINDS_OF_WORK,
        NO_WORKER,
        hook=False,
        proves=("code agent.require_worker: no agent",),
    ),
]
