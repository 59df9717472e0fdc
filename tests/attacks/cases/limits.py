"""What succeeds for whoever can run any SQL behind PostgREST, and what it is that keeps them from there.

Claims are settings of the session, and authenticator may become any role of the API: a host's function that runs what
it is given is the end of row-level security in any Supabase project. An agent's token never comes to such a function
while the hook is in force. These are kept as cases so that nobody promises more, and so that a change that stops one
shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.attacks.cases.people import AGENT, OWNER
from tests.attacks.cases.roles import become
from tests.attacks.model import Attack, Harmless, refused, sql


@dataclass(frozen=True)
class Limit:
    """An attack that has success, how (a kind of fault), and what stops it before it gets there."""

    attack: Attack
    kind: str
    stopped_by: str


NOT_EXPOSED = "schema agent is not exposed by PostgREST"
LIMITS = [
    Limit(
        Attack(
            "limit-claims",
            "A person writes another's id into the claims of their own request and reads what that one sees.",
            (OWNER,),
            lambda s: [
                sql(
                    "with become as materialized "
                    f"(select set_config('request.jwt.claims', '{become(s.colleague)}', true)) "
                    "select (select string_agg(content, ' ') from ai_drafts) from become"
                )
            ],
            Harmless(),
            leaves_traces=True,
        ),
        "shown",
        "no function in an exposed schema may run a text that it is given",
    ),
    Limit(
        Attack(
            "limit-service-role",
            "A person becomes service_role and reads the host's tables past their policies.",
            (OWNER,),
            lambda s: [
                sql(
                    "do $d$ declare v_text text; begin set local role service_role; "
                    "select string_agg(company, ' ') into v_text from public.clients; raise exception '%', v_text; "
                    "end $d$"
                )
            ],
            refused("P0001"),
            given="grant select on clients to service_role",
        ),
        "shown",
        "the same",
    ),
    Limit(
        Attack(
            "limit-agent-without-act",
            "Where nobody asks the hook, the agent takes `act` out of its claims and writes as its user.",
            (AGENT,),
            lambda s: [
                sql(
                    f"select set_config('request.jwt.claims', '{become(s.owner)}', true);"
                    "update public.clients set tags = '{x}'"
                )
            ],
            Harmless(),
            hook=False,
            leaves_traces=True,
        ),
        "changed",
        "the pre-request hook (write-definer-hook); approving asks for a session besides (role-claims-then-approve)",
    ),
    Limit(
        Attack(
            "limit-other-tables",
            "Where nobody asks the hook, the agent writes a host's table that is not behind crm.*.",
            (AGENT,),
            lambda s: [sql("insert into public.notes (body) values ('x')")],
            Harmless(),
            hook=False,
            leaves_traces=True,
        ),
        "changed",
        "the pre-request hook; a view in crm and guard_crm_tables() put such a table under the triggers",
    ),
    Limit(
        Attack(
            "limit-helper",
            "By the helper behind request_draft(), a person asks for a client that they do not see.",
            (OWNER,),
            lambda s: [
                sql(
                    f"select agent.request_draft_v2('{s.bolt}', 'note', 'follow_up', null, null, null, null, null, "
                    "false, null)"
                )
            ],
            Harmless(),
            leaves_traces=True,
        ),
        "changed",
        f"{NOT_EXPOSED}; the job then reads nothing and hands in nothing (flood-hidden-client)",
    ),
    Limit(
        Attack(
            "limit-large-objects",
            "A person keeps a large object in the database.",
            (OWNER,),
            lambda s: [sql("select lo_from_bytea(0, 'x')")],
            Harmless(),
            leaves_traces=True,
        ),
        "changed",
        "pg_catalog is not exposed by PostgREST",
    ),
    Limit(
        Attack(
            "limit-session-lock",
            "A person takes an advisory lock that outlives their request, on the connection that it came over.",
            (OWNER,),
            lambda s: [sql("select pg_advisory_lock(1)")],
            Harmless(),
            leaves_traces=True,
            only="http: it is the pool that keeps connections",
        ),
        "changed",
        "pg_catalog is not exposed by PostgREST; nothing of ours waits for one (flood-lock-out)",
    ),
]
