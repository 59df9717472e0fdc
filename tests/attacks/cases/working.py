"""A worker's functions with a dead key, a forged token, a lease that has moved on."""

from __future__ import annotations

from tests.attacks.cases.answers import DENIED, INVALID, STALE
from tests.attacks.cases.completing import complete
from tests.attacks.cases.people import AGENT, AGENT_AFTER, ANON, DEAD_WORKERS, OWNER, SERVICE_ROLE, WORKER
from tests.attacks.model import Attack, Call, Harmless, Held, Returns, one_of, refused, rpc, sql, sql_as_owner

NO_TOKEN = refused("PT403", "invalid_job_token")

NO_WORKER = refused("PT401", "worker_key_refused")


def beat(token: object, **more: object) -> Call:
    return rpc("heartbeat_job", p_job_token=token, **more)


def fail(token: object, code: str = "refused", **more: object) -> Call:
    return rpc("fail_job", p_job_token=token, p_code=code, **more)


def with_payload(token: str, swap: str) -> str:
    """The token with another's payload, its signature as it was."""
    header, _, signature = token.split(".")
    return ".".join([header, swap.split(".")[1], signature])


ALL_KINDS_OF_WORK = lambda s: [  # noqa: E731
    rpc("claim_jobs"),
    rpc("claim_job", p_job_id=s.queued_job),
    beat(s.tokens["agent"]),
    fail(s.tokens["agent"]),
]


ATTACKS = [
    Attack(
        "work-dead-key",
        "An expired, a revoked and an unknown worker key.",
        DEAD_WORKERS,
        lambda s: [*ALL_KINDS_OF_WORK(s), rpc("get_client_context", p_client_id=s.acme)],
        NO_WORKER,
        proves=(
            "code agent.require_worker: expired",
            "code agent.require_worker: revoked",
            "guard agent.require_worker: worker_key_refused",
        ),
    ),
    Attack(
        "work-dead-key-hook-alone",
        "A dead worker key where the function itself does not look.",
        DEAD_WORKERS,
        lambda s: [beat(s.tokens["agent"])],
        NO_WORKER,
        given="select testing.cut('agent.heartbeat_job_v1', 'perform agent.require_worker();', '')",
        proves=("code agent.check_request_v1: live key",),
    ),
    Attack(
        "work-dead-key-no-hook",
        "A dead worker key where nobody asks the pre-request hook.",
        DEAD_WORKERS,
        ALL_KINDS_OF_WORK,
        NO_WORKER,
        hook=False,
        proves=(
            "code agent.claim_jobs_v1: live key",
            "code agent.heartbeat_job_v1: live key",
            "code agent.fail_job_v1: live key",
            "code agent.require_worker: expired",
            "code agent.require_worker: revoked",
            "code agent.require_worker: which",
        ),
    ),
    Attack(
        "work-key-garbage",
        "A worker key whose jti is missing, null, SQL, a list.",
        tuple(WORKER.but(jti=jti) for jti in (..., None, "", "' or true --", ["x"], {"a": 1}, 1)),
        ALL_KINDS_OF_WORK,
        NO_WORKER,
        proves=("code agent.require_worker: which",),
    ),
    Attack(
        "work-as-user",
        "A user who has learned a live key's jti and may run the functions.",
        (OWNER.but(jti=lambda s: s.worker_jti),),
        ALL_KINDS_OF_WORK,
        NO_WORKER,
        given="grant execute on all functions in schema agent, public to authenticated",
        proves=("code agent.require_worker: role",),
    ),
    Attack(
        "work-not-worker",
        "Users, the agent, service_role and the publishable key do a worker's work.",
        (OWNER, AGENT, AGENT_AFTER, SERVICE_ROLE, ANON),
        ALL_KINDS_OF_WORK,
        DENIED,
        hook=False,
        proves=(
            "function public.claim_jobs",
            "function public.claim_job",
            "function public.heartbeat_job",
            "function public.fail_job",
        ),
    ),
    Attack(
        "work-more",
        "A worker approves, asks, hands in, runs a host's function, or calls what PostgREST offers to all.",
        (WORKER,),
        lambda s: [
            complete(),
            rpc("approve_draft", p_draft_id=s.draft, p_content_hash=s.draft_hash),
            rpc("reject_draft", p_draft_id=s.draft),
            rpc("request_draft", p_client_id=s.acme, p_draft_type="memo", p_purpose="follow_up"),
            sql("select 1"),
            sql_as_owner("select 1"),
            Call("claim_jobs", path="/rpc/claim_jobs/"),
            Call("claim_jobs", path="/RPC/claim_jobs"),
        ],
        one_of(refused("PT403", "worker_refused"), refused("PGRST125")),
        proves=("guard agent.check_request_v1: worker_refused", "hook"),
    ),
    Attack(
        "work-stale-token",
        "A worker keeps or fails a job with the token of a lease that has moved on.",
        (WORKER,),
        lambda s: [beat(s.tokens["agent_stale"]), fail(s.tokens["agent_stale"])],
        STALE,
        proves=("guard agent.job_of_token: stale_fence",),
    ),
    Attack(
        "work-closed",
        "A worker keeps a job that is done, failed or queued again.",
        (WORKER,),
        lambda s: [beat(s.tokens[name]) for name in ("agent_after", "agent_failed", "agent_requeued")],
        STALE,
        proves=("guard agent.heartbeat_job_v1: stale_fence",),
    ),
    Attack(
        "work-fail-closed",
        "A worker fails a job that is done: it stays done.",
        (WORKER,),
        lambda s: [fail(s.tokens["agent_after"])],
        Returns(lambda s: "done"),
        proves=("code agent.fail_job_v1: running",),
    ),
    Attack(
        "work-for-ever",
        "A worker keeps a job for more than 30 minutes.",
        (WORKER,),
        lambda s: [beat(s.tokens["agent"])],
        refused("PT409", "lease_limit"),
        given="update agent.jobs set claimed_at = now() - interval '30 minutes' where id = %(agent_job)s",
        proves=("guard agent.heartbeat_job_v1: lease_limit",),
    ),
    Attack(
        "work-forged-token",
        "A worker passes a job token that nobody signed, or one that is no job's.",
        (WORKER,),
        lambda s: [
            way(token)
            for way in (beat, fail)
            for token in (
                with_payload(s.tokens["agent"], s.tokens["agent_beside"]),
                s.tokens["agent"][:-2],
                s.tokens["agent"].rpartition(".")[0] + ".",
                s.tokens["worker"],
                "",
                None,
                "..",
                "a.b.c",
                "'; drop table agent.jobs; --",
                "x" * 100_000,
                "eyJhbGciOiJub25lIn0." + s.tokens["agent"].split(".")[1] + ".",
            )
        ],
        NO_TOKEN,
        proves=("code agent.verify_jwt: signature", "guard agent.job_of_token: invalid_job_token"),
    ),
    Attack(
        "work-persons-token",
        "A worker passes a person's token, signed with the same secret, that names a job and its fence.",
        (WORKER,),
        lambda s: [beat(s.persons_token), fail(s.persons_token)],
        NO_TOKEN,
        proves=("code agent.job_of_token: act",),
    ),
    Attack(
        "work-retired-key",
        "A worker passes a job token whose key has been retired since.",
        (WORKER,),
        lambda s: [beat(s.tokens["agent"]), fail(s.tokens["agent"])],
        NO_TOKEN,
        given="update agent.signing_keys set retired_at = now();"
        "select vault.create_secret(repeat('z', 40), 'z'); select agent.add_signing_key('z', 'z')",
        proves=("code agent.jwt_signature: retired",),
    ),
    Attack(
        "work-fail-at-once",
        "The same failure arrives twice at once: one line in the books.",
        (WORKER,),
        lambda s: [fail(s.tokens["agent"])],
        Returns(lambda s: "failed"),
        held=lambda s: Held(WORKER, fail(s.tokens["agent"])),
        changes=frozenset(
            {"public.ai_alerts", "agent.jobs", "agent.audit_log", "public.ai_draft_requests", "public.ai_interactions"}
        ),
        unharmed="select count(*) = 1 from ai_interactions where job_id = %(agent_job)s",
        only="sql: it takes an open transaction beside it",
        proves=("code agent.job_of_token: lock",),
    ),
    Attack(
        "work-lease-end",
        "A heartbeat in the last of the 30 minutes asks for five more.",
        (WORKER,),
        lambda s: [beat(s.tokens["agent"], p_lease_seconds=300)],
        Harmless(),
        given="update agent.jobs set claimed_at = now() - interval '29 minutes' where id = %(agent_job)s",
        changes=frozenset({"agent.jobs"}),
        unharmed="select due_at <= claimed_at + interval '30 minutes' from agent.jobs where id = %(agent_job)s",
        proves=("code agent.heartbeat_job_v1: end of 30 minutes",),
    ),
    Attack(
        "work-last-attempt",
        "A failure that may be tried again, at the last attempt: the job is over.",
        (WORKER,),
        lambda s: [fail(s.tokens["agent"], "internal_error")],
        Returns(lambda s: "failed"),
        given="update agent.jobs set max_attempts = 1 where id = %(agent_job)s",
        proves=("code agent.fail_job_v1: attempts", "code agent.fail_job_v1: only the provider"),
        changes=frozenset(
            {"public.ai_alerts", "agent.jobs", "agent.audit_log", "public.ai_draft_requests", "public.ai_interactions"}
        ),
    ),
    Attack(
        "work-waiting-for-ever",
        "A job has waited for its provider for more than a day: it is over.",
        (WORKER,),
        lambda s: [fail(s.tokens["agent"], "provider_unavailable")],
        Returns(lambda s: "failed"),
        given="update agent.jobs set max_attempts = 1, created_at = now() - interval '2 days' where id = %(agent_job)s",
        proves=("code agent.fail_job_v1: a day",),
        changes=frozenset(
            {"public.ai_alerts", "agent.jobs", "agent.audit_log", "public.ai_draft_requests", "public.ai_interactions"}
        ),
    ),
    Attack(
        "work-failure-code",
        "A worker gives a failure that there is not, writes text to people, or says attempts are used up.",
        (WORKER,),
        lambda s: (
            [fail(s.tokens["agent"], code) for code in ("attempts_exhausted", "Click here", "", None, "refused' --")]
            + [fail(s.tokens["agent"], p_retry_after_seconds=seconds) for seconds in (-1, 86401)]
            + [
                fail(s.tokens["agent"], p_usage=usage)
                for usage in ([], {"input_tokens": -1}, {"output_tokens": "9"}, "x")
            ]
        ),
        INVALID,
        proves=(
            "guard agent.fail_job_v1: invalid_argument: p_code",
            "code agent.fail_job_v1: not its to say",
            "guard agent.fail_job_v1: invalid_argument: p_retry_after_seconds",
            "guard agent.fail_job_v1: invalid_argument: p_usage",
            "code agent.is_usage: counts",
        ),
    ),
]
