"""More than one's share: requests, arguments without end, locks, channels; asking for what one may not."""

from __future__ import annotations

from tests.attacks.cases.answers import INVALID, INVALID_OUTPUT
from tests.attacks.cases.asking import BOOKED, MEGABYTE, ask
from tests.attacks.cases.people import AGENT, ANON, COLLEAGUE, OWNER
from tests.attacks.model import Attack, Harmless, Held, Http, Nothing, Rows, one_of, refused, rpc, sql

ATTACKS = [
    Attack(
        "flood-lock-out",
        "Somebody holds a lock by the user's id, as pg_advisory_lock would for as long as a connection lives.",
        (OWNER,),
        lambda s: [ask(s.acme)],
        Harmless(),
        changes=BOOKED,
        only="sql: it takes an open transaction beside it",
        held=lambda s: Held(
            COLLEAGUE,
            sql(f"select pg_advisory_xact_lock(hashtextextended('agent.request_draft:{s.owner}', 0))"),
            commits=False,
        ),
    ),
    Attack(
        "flood-arguments",
        "A megabyte in each text that a person may send, as a list and as an object, too.",
        (OWNER,),
        lambda s: [
            rpc("approve_draft", p_draft_id=s.draft, p_content_hash=MEGABYTE),
            rpc("approve_draft", p_draft_id=s.draft, p_content_hash=s.draft_hash, p_action=MEGABYTE),
            rpc("approve_draft", p_draft_id=MEGABYTE, p_content_hash=s.draft_hash),
            ask(MEGABYTE),
            rpc("get_client_context", p_client_id=s.acme, p_days=MEGABYTE),
            Rows("GET", "ai_drafts", filters={"id": "x" * 4096}),
        ],
        one_of(refused("PT409", "draft_changed"), INVALID, refused("22P02")),
    ),
    Attack(
        "flood-context",
        "The agent hands in a megabyte of each argument.",
        (AGENT,),
        lambda s: [
            rpc("complete_draft_job", **{"p_content": "x", "p_subject": "x", name: value})
            for name, value in (
                ("p_content", MEGABYTE),
                ("p_subject", MEGABYTE),
                ("p_language", "a" + "-aa" * 300_000),
                ("p_provider", MEGABYTE),
                ("p_context", {"contextVersion": MEGABYTE}),
                ("p_details", {MEGABYTE: 1}),
                ("p_grounding", [MEGABYTE]),
                ("p_usage", {"input_tokens": "9" * 1_000_000}),
                ("p_content", "<!--" * 262_144 + "-->"),
                ("p_content", "\u202e" * 100_000),
            )
        ],
        INVALID_OUTPUT,
    ),
    Attack(
        "flood-notify",
        (
            "Messages on the channel that wakes workers, and on PostgREST's: anyone may send them, nobody is told "
            "anything."
        ),
        (OWNER, AGENT),
        lambda s: [sql("select pg_notify('agent_jobs', 'x')"), sql("listen agent_jobs"), sql("unlisten *")],
        Nothing(),
        hook=False,
    ),
    Attack(
        "flood-sleep",
        "A request that never ends is ended by the statement_timeout of its role.",
        (OWNER, COLLEAGUE),
        lambda s: [sql("select pg_sleep(20)"), sql("select count(*) from generate_series(1, 100000000000)")],
        refused("57014"),
        given=(
            "do $$ begin execute format('alter role authenticated in database %%I set statement_timeout = ''100ms''', "
            "current_database()); end $$"
        ),
        only="http: PostgREST puts the role's settings into force",
    ),
    Attack(
        "flood-accounts",
        "Sign-ins with SQL, without end, and of nobody.",
        (ANON,),
        lambda s: [
            Http("POST /auth/v1/token?grant_type=password", {"email": email, "password": password})
            for email, password in (
                ("ada@example.com' or true --", "x"),
                ("ada@example.com", "' or true --"),
                ("nobody@example.com", "x"),
                ("ada@example.com", "x" * 4096),
            )
        ],
        refused("invalid_credentials"),
        only="http: it is Supabase Auth that is asked",
    ),
]
