"""Completing a job that is another's, or twice, or after its lease has moved on; forging what says whose it is."""

from __future__ import annotations

from tests.attacks.cases.answers import DENIED, STALE
from tests.attacks.cases.people import (
    AGENT,
    AGENT_AFTER,
    AGENT_BESIDE,
    AGENT_FAILED,
    AGENT_FRESH,
    AGENT_REQUEUED,
    AGENT_STALE,
    ANON,
    OWNER,
    SERVICE_ROLE,
    WORKER,
)
from tests.attacks.model import Attack, Call, Returns, one_of, refused, rpc, sql
from tests.attacks.scene import Scene

BEGIN = "select agent.begin_complete_v1(); "
NOBODY = "00000000-0000-4000-8000-000000000000"


def complete(**more: object) -> Call:
    return rpc("complete_draft_job", **{"p_content": "Hello", "p_subject": "Hello", **more})


def inserted(s: Scene, **more: object) -> str:
    """The row that complete_draft_job would write for the running job, written by hand."""
    values = {
        "client_id": s.acme,
        "draft_type": "email",
        "content": "c",
        "created_by": s.owner,
        "purpose": "follow_up",
        "language": "en",
        "generated_content": "c",
        "request_id": s.agent_request,
        "provider": "offline",
        "expires_at": "2099-01-01",
        **more,
    }
    given = ", ".join("null" if value is None else f"'{value}'" for value in values.values())
    return f"insert into public.ai_drafts ({', '.join(values)}) values ({given}); "


UNBOOKED = "alter table ai_drafts disable trigger ai_drafts_require_completion;"
NO_CHECKS_ON_DRAFTS = "".join(
    f"alter table ai_drafts drop constraint ai_drafts_{name}_check;"
    for name in ("content", "subject", "details", "context_snapshot")
)

ATTACKS = [
    Attack(
        "complete-others",
        "The agent names another user's running job, or another of its own user's, in its claims.",
        (
            AGENT.but(job=lambda s: str(s.agent_beside_job)),
            AGENT.but(job=lambda s: str(s.queued_job)),
            AGENT_BESIDE.but(job=lambda s: str(s.agent_job)),
        ),
        lambda s: [complete()],
        STALE,
        proves=("code agent.current_job: user",),
    ),
    Attack(
        "complete-others-no-hook",
        "The agent names another user's job where nobody asks the pre-request hook.",
        (AGENT.but(job=lambda s: str(s.agent_beside_job)), AGENT_BESIDE.but(job=lambda s: str(s.agent_job))),
        lambda s: [complete(), sql(BEGIN + "select 1")],
        STALE,
        hook=False,
        proves=("code agent.current_job: user",),
    ),
    Attack(
        "complete-twice",
        "A job is completed again, with another text: the same id as before and nothing else.",
        (AGENT_AFTER,),
        lambda s: [complete(), complete(p_content="another", p_usage={"output_tokens": 9})],
        Returns(lambda s: s.done_draft),
    ),
    Attack(
        "complete-stale",
        "A worker that was stopped hands in after its lease has moved on, its job queued again, failed or cancelled.",
        (AGENT_STALE, AGENT_REQUEUED, AGENT_FAILED),
        lambda s: [complete()],
        STALE,
    ),
    Attack(
        "complete-stale-no-hook",
        "A worker hands in after its lease has moved on where nobody asks the pre-request hook.",
        (AGENT_STALE, AGENT_REQUEUED, AGENT_FAILED),
        lambda s: [complete(), sql(BEGIN + "select 1")],
        STALE,
        hook=False,
        proves=("code agent.current_job: fence", "guard agent.begin_complete_v1: stale_fence"),
    ),
    Attack(
        "complete-fence",
        "The fence is guessed, null, a word, larger than any number.",
        tuple(AGENT_STALE.but(fence=fence) for fence in (0, 3, 1000, None, -1)),
        lambda s: [complete()],
        STALE,
        hook=False,
        proves=("code agent.current_job: fence",),
    ),
    Attack(
        "complete-claims-garbage",
        "Job, fence and subject are SQL, words, numbers without end.",
        tuple(
            AGENT.but(**{claim: value})
            for claim, value in (
                ("job", "' or true --"),
                ("job", {"a": 1}),
                ("fence", "1 or true"),
                ("fence", 10**30),
                ("sub", "'; drop table clients; --"),
                ("sub", ["x"]),
                ("job", ""),
            )
        ),
        lambda s: [complete()],
        one_of(refused("22P02"), refused("22003")),
    ),
    Attack(
        "complete-as-person",
        "A person hands in, with and without a job and a fence in their claims.",
        (OWNER, OWNER.but(job=lambda s: str(s.agent_job), fence=1)),
        lambda s: [complete(), sql(BEGIN + "select 1")],
        refused("PT403", "not_an_agent"),
    ),
    Attack(
        "complete-as-person-begin",
        "A person hands in where current_job() would take them for an agent.",
        (OWNER.but(job=lambda s: str(s.agent_job), fence=1),),
        lambda s: [complete(), sql(BEGIN + inserted(s))],
        refused("PT403", "not_an_agent"),
        given="select testing.cut('agent.current_job', 'agent.is_agent() is not true', 'false')",
        proves=("guard agent.begin_complete_v1: not_an_agent",),
    ),
    Attack(
        "complete-as-person-job",
        "A person hands in where begin_complete_v1() would take them for an agent.",
        (OWNER.but(job=lambda s: str(s.agent_job), fence=1),),
        lambda s: [complete(), sql(BEGIN + inserted(s))],
        STALE,
        given="select testing.cut('agent.begin_complete_v1', 'agent.is_agent() is not true', 'false')",
        proves=("code agent.current_job: agent",),
    ),
    Attack(
        "complete-not-agent",
        "A worker, service_role and the publishable key hand in.",
        (WORKER, SERVICE_ROLE, ANON),
        lambda s: [complete()],
        DENIED,
        hook=False,
        proves=("function public.complete_draft_job",),
    ),
    Attack(
        "complete-revoked",
        "The tokens of the jobs that a worker held, once its key has been revoked.",
        (AGENT, AGENT_BESIDE, AGENT_FRESH),
        lambda s: [complete(), rpc("get_client_context", p_client_id=s.acme)],
        STALE,
        given="select agent.revoke_worker_key(%(claiming_jti)s)",
        proves=("code agent.revoke_worker_key: jobs",),
    ),
    Attack(
        "complete-banned",
        "The agent hands in for a user who has been banned since, or deleted.",
        (AGENT,),
        lambda s: [complete()],
        refused("PT403", "user_inactive"),
        given="update auth.users set banned_until = 'infinity' where id = %(owner)s",
        proves=("guard agent.check_request_v1: user_inactive",),
    ),
    Attack(
        "complete-banned-no-hook",
        "The agent hands in for a banned user where nobody asks the pre-request hook.",
        (AGENT,),
        lambda s: [complete(), sql(BEGIN + inserted(s))],
        refused("PT403", "user_inactive"),
        given="update auth.users set banned_until = 'infinity' where id = %(owner)s",
        hook=False,
        proves=("guard agent.begin_complete_v1: user_inactive",),
    ),
    Attack(
        "complete-no-access",
        "The agent hands in after its user lost the client.",
        (AGENT,),
        lambda s: [complete()],
        refused("PT404", "client_not_found"),
        given="update clients set owner_id = %(colleague)s where id = %(acme)s",
    ),
    Attack(
        "complete-no-access-alone",
        "The agent hands in for a client that its user lost, where the policy of ai_drafts would take it.",
        (AGENT,),
        lambda s: [complete()],
        refused("PT404", "client_not_found"),
        proves=("guard public.complete_draft_job: client_not_found",),
        given="update clients set owner_id = %(colleague)s where id = %(acme)s;"
        "alter policy ai_drafts_insert_completing_agent on ai_drafts with check (true)",
    ),
]
