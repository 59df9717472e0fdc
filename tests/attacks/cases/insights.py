"""A client's picture: written by hand, read by others, asked for by an agent or for a client that is not seen."""

from __future__ import annotations

from tests.attacks.cases.answers import AGENT_REFUSED, DENIED, NO_CLIENT, NO_FUNCTION
from tests.attacks.cases.books import verbs, written
from tests.attacks.cases.hijacking import hijack
from tests.attacks.cases.people import (
    ADMIN,
    AGENT,
    AGENTS,
    ANON,
    ANONYMOUS,
    COLLEAGUE,
    EVERYBODY,
    OWNER,
    SERVICE_ROLE,
    STRANGER,
    WORKER,
)
from tests.attacks.model import Attack, Call, Nothing, refused, rpc, sql

KEPT = (
    "insert into client_insights (client_id, user_id, insights, computed_from) "
    "values (%(acme)s, %(owner)s, '{\"words\": \"hush-Acme\"}', '{}');"
)
STORE = "select agent.store_insights_v1(jsonb_build_object('client_id', '{client}'), '{{}}')"
READ = "select string_agg(t::text, ' ') from client_insights as t"


def both(client: object) -> list[Call]:
    return [rpc(f"{verb}_client_intelligence", p_client_id=client) for verb in ("get", "refresh")]


ATTACKS = [
    Attack(
        "insight-tables",
        "A picture is written by hand, where no policy is in the way: by everybody.",
        EVERYBODY,
        lambda s: [
            *verbs("client_insights", {"client_id": s.apex, "user_id": s.owner, "insights": {}, "computed_from": {}}),
            sql("truncate client_insights"),
        ],
        DENIED,
        hook=False,
        given=KEPT + "alter table client_insights disable row level security",
        proves=written("public.client_insights"),
    ),
    Attack(
        "insight-read",
        "Colleagues, admins, strangers and the agent read what was computed for somebody.",
        (COLLEAGUE, ADMIN, STRANGER, AGENT),
        lambda s: [sql(READ)],
        Nothing(),
        hook=False,
        given=KEPT,
        proves=(
            "policy public.client_insights_select_own",
            "rls public.client_insights",
            "code policy client_insights_select_own: agent",
        ),
    ),
    Attack(
        "insight-read-lost",
        "Somebody reads the picture of a client that they do not see any more.",
        (OWNER,),
        lambda s: [sql(READ)],
        Nothing(),
        given=KEPT + "update clients set owner_id = %(colleague)s where id = %(acme)s",
        proves=("code policy client_insights_select_own: client visible",),
    ),
    Attack(
        "insight-agent",
        "The agent asks for its client's picture, where nobody asks the hook.",
        (*AGENTS, OWNER.but(act=None)),
        lambda s: [*both(s.acme), sql(STORE.format(client=s.acme))],
        AGENT_REFUSED,
        hook=False,
        given=KEPT,
        proves=("code agent.store_insights_v1: person",),
    ),
    Attack(
        "insight-anonymous",
        "An anonymous sign-in asks for one.",
        (ANONYMOUS,),
        lambda s: both(s.nemo),
        refused("PT403", "anonymous_user"),
    ),
    Attack(
        "insight-without-sign-in",
        "The publishable key alone, service_role and a worker's key ask for one.",
        (ANON, SERVICE_ROLE, WORKER),
        lambda s: both(s.acme),
        NO_FUNCTION,
        hook=False,
    ),
    Attack(
        "insight-other-client",
        "Somebody asks for the picture of a client that is not theirs, and one that does not exist.",
        (COLLEAGUE, STRANGER),
        lambda s: [*both(s.acme), *both(s.owner)],
        NO_CLIENT,
    ),
    Attack(
        "insight-ai-off",
        "Somebody asks for the picture of a client that AI is switched off for.",
        (OWNER,),
        lambda s: both(s.acme),
        refused("PT403", "ai_off"),
        given="insert into agent.ai_switches (scope, subject, reason) values ('client', %(acme)s, 'x')",
    ),
    *(
        hijack(
            OWNER,
            "insights",
            where,
            lambda s: [STORE.format(client=s.acme)],
            given=KEPT,
        )
        for where in ("playground", "pg_temp")
    ),
]
