"""Paths, headers, methods and queries that look like something else."""

from __future__ import annotations

from tests.attacks.cases.answers import AGENT_REFUSED
from tests.attacks.cases.people import AGENT, AGENT_AFTER, AGENTS, ANON, OWNER, WORKER
from tests.attacks.model import Attack, Call, Http, one_of, refused

PATHS = (
    "",
    "/",
    "/rpc",
    "/rpc/",
    "/rpc//run_sql",
    "//rpc/run_sql",
    "/rpc/run_sql/",
    "/rpc/get_client_context/../run_sql",
    "/rpc/./run_sql",
    "/RPC/run_sql",
    "/rpc/RUN_SQL",
    "/rpc/run_sql?x=/rpc/get_client_context",
    "/rpc/get%5Fclient%5Fcontext/..%2Frun_sql",
    "/rpc/run%5Fsql",
    "/%72pc/run_sql",
    "/rpc/get_client_context;run_sql",
    "/rpc/run_sql#/rpc/get_client_context",
    "/rpc/get_client_context%00",
    "/rpc/get_client_context%0a",
    "/rest/v1/rpc/get_client_context",
    "/rpc/get_client_context/",
    "/rpc/complete_",
    "/rpc/complete_everything",
    "/rpc/get_client_contexts",
)

HEADERS: tuple[dict[str, str], ...] = (
    {"content-profile": "graphql_public"},
    {"accept-profile": "graphql_public"},
    {"content-profile": "agent"},
    {"accept-profile": "agent"},
    {"content-profile": "crm"},
    {"content-profile": "auth"},
    {"content-profile": "PUBLIC"},
    {"content-profile": 'public", "x": "y'},
    {"content-profile": "public,agent"},
    {"content-profile": "vault", "accept-profile": "public"},
)

NOT_THERE = one_of(
    AGENT_REFUSED,
    refused("PGRST125"),
    refused("PGRST126"),
    refused("PGRST202"),
    refused("PGRST205"),
    refused("PGRST106"),
    refused("PGRST101"),
    refused("PGRST117"),
    refused("PGRST100"),
)


ATTACKS = [
    Attack(
        "inject-path",
        "Paths that look like the agent's two functions, or hide another behind them.",
        (AGENT, AGENT_AFTER),
        lambda s: [Call("run_sql", {"p_sql": "select 1"}, path=path) for path in PATHS],
        AGENT_REFUSED,
        over_http=NOT_THERE,
        proves=("code agent.check_request_v1: path",),
    ),
    Attack(
        "inject-path-worker",
        "Paths that look like a worker's.",
        (WORKER,),
        lambda s: [
            Call("run_sql", {"p_sql": "select 1"}, path=path)
            for path in (
                "/rpc/claim_jobs/../run_sql",
                "/rpc/run_sql/claim_jobs",
                "//rpc/claim_jobs",
                "/rpc/claim_jobs/",
                "/rpc/claim_jobs%00",
                "/RPC/CLAIM_JOBS",
                "/rpc/claim_job2",
                "/claim_jobs",
                "/rpc/run_sql",
            )
        ],
        refused("PT403", "worker_refused"),
        over_http=one_of(
            refused("PT403", "worker_refused"),
            refused("PGRST125"),
            refused("PGRST202"),
            refused("PGRST205"),
            refused("22021"),
        ),
        proves=("guard agent.check_request_v1: worker_refused",),
    ),
    Attack(
        "inject-profile",
        "Headers that ask for another schema, on the agent's own functions.",
        (AGENT,),
        lambda s: [Call("get_client_context", {"p_client_id": str(s.acme)}, headers=headers) for headers in HEADERS],
        AGENT_REFUSED,
        over_http=one_of(AGENT_REFUSED, refused("PGRST106"), refused("PGRST202")),
        proves=("code agent.check_request_v1: content-profile", "code agent.check_request_v1: accept-profile"),
    ),
    Attack(
        "inject-schema",
        "Schemas that are not exposed, over HTTP: agent, crm, vault, auth.",
        (OWNER, AGENT, ANON, WORKER),
        lambda s: [
            Call("claim_jobs_v1" if name == "agent" else "x", headers={"content-profile": name})
            for name in ("agent", "crm", "vault", "auth", "pg_catalog")
        ],
        refused("PGRST106"),
        only="http: it is PostgREST that knows which schemas are exposed",
    ),
    Attack(
        "inject-method",
        "Other methods and root documents, with the agent's token.",
        AGENTS,
        lambda s: [
            Http(line)
            for line in (
                "PUT /rest/v1/ai_drafts",
                "DELETE /rest/v1/rpc/get_client_context",
                "PATCH /rest/v1/rpc/complete_draft_job",
                "GET /rest/v1/",
                "TRACE /rest/v1/clients",
                "POST /rest/v1/rpc",
                "GET /rest/v1/ai_drafts?select=*,clients(*)",
                "GET /rest/v1/rpc/approve_draft",
                "GET /rest/v1/clients?select=content:company&or=(id.not.is.null)",
            )
        ],
        one_of(
            AGENT_REFUSED,
            refused("PGRST101"),
            refused("PGRST117"),
            refused("PGRST125"),
            refused("PGRST126"),
            refused("PGRST127"),
            refused("PGRST200"),
            refused("PGRST202"),
            refused("PGRST100"),
            refused("PGRST102"),
        ),
        only="http: it is PostgREST's grammar",
    ),
    Attack(
        "inject-get",
        "The function that hands in, by GET: a transaction that cannot write.",
        (AGENT,),
        lambda s: [Http("GET /rest/v1/rpc/complete_draft_job?p_content=x&p_subject=x")],
        refused("25006"),
        only="http: it is PostgREST that makes GET read-only",
    ),
    Attack(
        "inject-query",
        "SQL in columns, filters, orders and limits of a URL.",
        (OWNER,),
        lambda s: [
            Http(f"GET /rest/v1/ai_drafts?{query}")
            for query in (
                "select=content);drop%20table%20ai_drafts;--",
                "id=eq.%27;drop%20table%20ai_drafts;--",
                "order=id%3Bdrop%20table%20ai_drafts",
                "%22id%22%3B--=eq.1",
                "id=in.(1);drop",
                "select=content::text);drop",
                "or=(id.eq.1);drop(x.eq.1)",
                "select=pg_sleep(5)",
            )
        ],
        one_of(
            refused("PGRST100"),
            refused("22P02"),
            refused("42703"),
            refused("PGRST127"),
            refused("PGRST200"),
            refused("42704"),
        ),
        only="http: it is PostgREST's grammar",
    ),
]
