"""Taking jobs that are another's, not due, or nobody's to take any more."""

from __future__ import annotations

from tests.attacks.cases.answers import INVALID
from tests.attacks.cases.completing import NOBODY
from tests.attacks.cases.people import WORKER
from tests.attacks.cases.working import beat
from tests.attacks.model import Attack, Held, Nothing, rpc

ATTACKS = [
    Attack(
        "work-running",
        "A worker takes a job from another whose lease has not run out, or one that is over.",
        (WORKER,),
        lambda s: [
            rpc("claim_job", p_job_id=job)
            for job in (s.agent_job, s.agent_beside_job, s.agent_after_job, s.agent_failed_job, NOBODY, None)
        ],
        Nothing(),
        proves=("code agent.claim_jobs_v1: one job's lease",),
    ),
    Attack(
        "work-many",
        "More jobs at once, or for longer, than a worker may hold.",
        (WORKER,),
        lambda s: [
            *(rpc("claim_jobs", p_limit=limit) for limit in (0, -1, 51, 2147483647, None)),
            *(rpc("claim_jobs", p_lease_seconds=seconds) for seconds in (0, 9, 301, -5, None)),
            *(rpc("claim_job", p_job_id=s.queued_job, p_lease_seconds=seconds) for seconds in (9, 301)),
            *(beat(s.tokens["agent"], p_lease_seconds=seconds) for seconds in (9, 301, None)),
        ],
        INVALID,
        proves=(
            "guard agent.claim_jobs_v1: invalid_argument: p_limit",
            "guard agent.claim_jobs_v1: invalid_argument: p_lease_seconds",
            "guard agent.heartbeat_job_v1: invalid_argument: p_lease_seconds",
        ),
    ),
    Attack(
        "work-twice-at-once",
        "Two workers claim the same job at once.",
        (WORKER,),
        lambda s: [rpc("claim_job", p_job_id=s.queued_job)],
        Nothing(),
        held=lambda s: Held(WORKER, rpc("claim_job", p_job_id=s.queued_job)),
        proves=("code agent.claim_jobs_v1: lock of one job",),
        changes=frozenset({"agent.jobs", "agent.audit_log", "public.ai_draft_requests"}),
        only="sql: it takes an open transaction beside it",
    ),
    Attack(
        "work-queue-at-once",
        "Two workers claim from the queue at once.",
        (WORKER,),
        lambda s: [rpc("claim_jobs", p_limit=50)],
        Nothing(),
        held=lambda s: Held(WORKER, rpc("claim_jobs", p_limit=50)),
        proves=("code agent.claim_jobs_v1: lock of the queue",),
        changes=frozenset({"agent.jobs", "agent.audit_log", "public.ai_draft_requests"}),
        only="sql: it takes an open transaction beside it",
    ),
    Attack(
        "work-banned",
        "A worker claims a job of a user who has been banned since: no token for them, and the job ends.",
        (WORKER,),
        lambda s: [rpc("claim_job", p_job_id=s.queued_job)],
        Nothing(),
        given="update auth.users set banned_until = 'infinity' where id = %(owner)s",
        changes=frozenset({"agent.jobs", "agent.audit_log", "public.ai_draft_requests"}),
        proves=("code agent.claim_jobs_v1: user banned",),
    ),
    Attack(
        "work-deleted",
        "A worker claims a job of a user who has been deleted since.",
        (WORKER,),
        lambda s: [rpc("claim_job", p_job_id=s.queued_job)],
        Nothing(),
        given="update auth.users set deleted_at = now() where id = %(owner)s",
        proves=("code agent.claim_jobs_v1: user deleted",),
        changes=frozenset({"agent.jobs", "agent.audit_log", "public.ai_draft_requests"}),
    ),
    Attack(
        "work-used-up",
        "A job whose attempts are used up is tried once more.",
        (WORKER,),
        lambda s: [rpc("claim_job", p_job_id=s.queued_job)],
        Nothing(),
        given=(
            "alter table agent.jobs drop constraint jobs_attempts_check; update agent.jobs set attempts = "
            "max_attempts where id = %(queued_job)s"
        ),
        changes=frozenset({"agent.jobs", "agent.audit_log", "public.ai_draft_requests", "public.ai_alerts"}),
        proves=("code agent.claim_jobs_v1: attempts",),
    ),
    Attack(
        "work-not-due",
        "A worker claims from the queue what is another's for now, or not due yet.",
        (WORKER,),
        lambda s: [rpc("claim_jobs", p_limit=50)],
        Nothing(),
        given="update agent.jobs set due_at = now() + interval '1 hour' where state in ('queued', 'running')",
        proves=("code agent.claim_jobs_v1: lease", "code agent.claim_jobs_v1: due"),
    ),
    Attack(
        "work-left-at-once",
        "Two workers take over what a third has left, at once.",
        (WORKER,),
        lambda s: [rpc("claim_jobs", p_limit=50)],
        Nothing(),
        given=(
            "update agent.jobs set due_at = now() where state = 'running'; update agent.jobs set due_at = 'infinity' "
            "where state = 'queued'"
        ),
        held=lambda s: Held(WORKER, rpc("claim_jobs", p_limit=50)),
        proves=("code agent.claim_jobs_v1: lock of left ones",),
        changes=frozenset({"agent.jobs", "agent.audit_log", "public.ai_draft_requests", "public.ai_interactions"}),
        only="sql: it takes an open transaction beside it",
    ),
]
