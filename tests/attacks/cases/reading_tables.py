"""Reading rows by SQL, where nobody asks the pre-request hook."""

from __future__ import annotations

from tests.attacks.cases.answers import DENIED
from tests.attacks.cases.people import (
    ADMIN,
    AGENT,
    AGENT_ADMIN,
    AGENT_AFTER,
    ANON,
    COLLEAGUE,
    ENDED,
    OWNER,
    SERVICE_ROLE,
    STRANGER,
    WORKER,
)
from tests.attacks.cases.reading import ACME, AGENT_TABLES, ALL_OURS, BY_VIEW, FILLED, OURS, others, own
from tests.attacks.model import Attack, Nothing, Rows, one_of, refused, sql

ATTACKS = [
    Attack(
        "read-tables",
        "Where nobody asks the hook: rows of other clients, its user's other ones and ownerless deals included.",
        (AGENT,),
        lambda s: others(s, *ACME),
        Nothing(),
        hook=False,
        proves=("policy public.clients_select_agent",),
        given="insert into deals (client_id, owner_id, title) values (null, %(owner)s, 'hush-Apex')",
    ),
    Attack(
        "read-tables-alone",
        "Rows of other clients where the policy of clients does not hide them from the host's own policies.",
        (AGENT,),
        lambda s: others(s, *ACME[1:]),
        Nothing(),
        hook=False,
        proves=("policy public.*_select_agent",),
        given="drop policy clients_select_agent on clients;"
        "insert into deals (client_id, owner_id, title) values (null, %(owner)s, 'hush-Apex')",
    ),
    Attack(
        "read-tables-of-admin",
        "Rows of other clients by the agent of an admin, who sees every client.",
        (AGENT_ADMIN,),
        lambda s: others(s, *ACME, *BY_VIEW),
        Nothing(),
        hook=False,
        proves=("policy public.clients_select_agent",),
    ),
    Attack(
        "read-profiles",
        "The agent of an admin, who sees every profile, reads the profiles of others.",
        (AGENT_ADMIN, AGENT),
        lambda s: [sql(own("profiles", "id"))],
        Nothing(),
        hook=False,
        proves=("policy public.profiles_select_agent",),
    ),
    Attack(
        "read-profile-ended",
        "The profile of its user once the job is over, stale, queued again or failed.",
        ENDED,
        lambda s: [sql("select string_agg(t::text, ' ') from profiles as t")],
        Nothing(),
        hook=False,
        proves=("code agent.current_job_user_id: running",),
    ),
    Attack(
        "read-views",
        "Rows of other clients through the views of crm.",
        (AGENT,),
        lambda s: others(s, *BY_VIEW),
        Nothing(),
        hook=False,
        proves=("view crm.*",),
    ),
    Attack(
        "read-views-as-user",
        "A colleague reads the views of crm.",
        (COLLEAGUE,),
        lambda s: others(s, *BY_VIEW, but="bolt"),
        Nothing(),
        proves=("view crm.*",),
    ),
    Attack(
        "read-tables-ended",
        "Any client's rows once the job is over, stale, queued again or failed.",
        ENDED,
        lambda s: [sql(f"select string_agg(t::text, ' ') from {name} as t") for name in (*ACME, *BY_VIEW)],
        Nothing(),
        hook=False,
        proves=("code agent.current_job_client_id: running", "code agent.current_job: fence"),
    ),
    Attack(
        "read-later",
        "A table that was made after the installation, once guard_crm_tables() has run; and profiles then.",
        (AGENT, AGENT_ADMIN),
        lambda s: [*others(s, "public.later", "crm.later"), sql(own("profiles", "id"))],
        Nothing(),
        hook=False,
        given="""
        create table public.later (id uuid primary key default gen_random_uuid(), client_id uuid, body text);
        alter table public.later enable row level security;
        create policy later_all on public.later to authenticated using (true) with check (true);
        insert into public.later (client_id, body)
        values (%(acme)s, 'x'), (%(apex)s, 'hush-Apex'), (%(bolt)s, 'hush-Bolt');
        create view crm.later with (security_invoker = true) as select * from public.later;
        grant all on public.later to authenticated;
        grant select on crm.later to authenticated;
        select agent.guard_crm_tables();
        """,
        proves=("code agent.guard_crm_tables: select policies", "code agent.guard_crm_tables: policy of profiles"),
    ),
    Attack(
        "read-history",
        "How others' deals moved.",
        (AGENT, COLLEAGUE, STRANGER),
        lambda s: [
            (AGENT, others(s, "deal_stage_history")[0]),
            (COLLEAGUE, others(s, "deal_stage_history", but="bolt")[0]),
            (STRANGER, sql("select string_agg(t::text, ' ') from deal_stage_history as t")),
        ],
        Nothing(),
        hook=False,
        proves=("policy public.deal_stage_history_select_deal_visible", "rls public.deal_stage_history"),
    ),
    Attack(
        "read-drafts",
        "Colleagues, admins and strangers read drafts, requests and books of others.",
        (COLLEAGUE, ADMIN, STRANGER),
        lambda s: [
            sql(own("ai_drafts", "created_by")),
            sql(own("ai_draft_requests", "user_id")),
            sql(own("ai_interactions", "user_id")),
        ],
        Nothing(),
        proves=(
            "policy public.ai_*_select_owner",
            "rls public.ai_drafts",
            "rls public.ai_draft_requests",
            "rls public.ai_interactions",
        ),
    ),
    Attack(
        "read-drafts-agent",
        "The agent reads its user's drafts, requests and books.",
        (AGENT, AGENT_AFTER),
        lambda s: [sql(f"select string_agg(t::text, ' ') from {table} as t") for table in OURS[:3]],
        Nothing(),
        hook=False,
        proves=(
            "code policy ai_drafts_select_owner: agent",
            "code policy ai_draft_requests_select_owner: agent",
            "code policy ai_interactions_select_owner: agent",
        ),
    ),
    Attack(
        "read-settings",
        "Users, and the agent of an admin, read the settings.",
        (OWNER, STRANGER, AGENT, AGENT_ADMIN),
        lambda s: [sql("select string_agg(t::text, ' ') from ai_settings as t")],
        Nothing(),
        hook=False,
        proves=(
            "policy public.ai_settings_select_admin",
            "code agent.is_admin: agent",
            "code agent.is_admin: role",
            "rls public.ai_settings",
        ),
    ),
    Attack(
        "read-leaky-function",
        "A function that costs nothing and tells what it is given, in a filter: policies are asked first.",
        (STRANGER,),
        lambda s: [
            sql(
                "create or replace function pg_temp.tell(text) returns boolean cost 0.0000001 language plpgsql as "
                "$f$ begin raise exception '%', $1; end $f$;"
                f"do $d$ begin perform from {table} as t where {column} <> auth.uid() and pg_temp.tell(t::text); end "
                "$d$"
            )
            for table, column in (("ai_drafts", "created_by"), ("ai_draft_requests", "user_id"))
        ],
        Nothing(),
        leaves_traces=True,
    ),
    Attack(
        "read-by-cast",
        "A cast that fails and says on what, in a filter.",
        (STRANGER,),
        lambda s: [
            sql(f"select count(*) from {table} where {column}::integer > 0 having count(*) > 0")
            for table, column in (
                ("ai_drafts", "content"),
                ("clients", "company"),
                ("activities", "content"),
                ("crm.tasks", "title"),
            )
        ],
        Nothing(),
    ),
    Attack(
        "read-statistics",
        "What ANALYZE kept of others' rows.",
        (STRANGER, AGENT),
        lambda s: [
            sql(
                "select string_agg(most_common_vals::text, ' ') from pg_stats where schemaname in ('public', 'agent', "
                "'crm')"
            ),
            sql("select string_agg(stxoid::text, ' ') from pg_statistic_ext_data"),
            sql("select string_agg(s::text, '') from pg_statistic as s"),
        ],
        one_of(Nothing(), DENIED),
        hook=False,
        given="analyze",
    ),
    Attack(
        "read-books-of-the-agent",
        "Jobs, audit, keys, settings of the host: by everybody, with every verb.",
        (OWNER, ADMIN, AGENT, ANON, SERVICE_ROLE, WORKER),
        lambda s: [sql(f"select string_agg(t::text, ' ') from agent.{table} as t") for table in AGENT_TABLES],
        DENIED,
        hook=False,
        proves=("table agent.* select",),
    ),
    Attack(
        "read-books-rows",
        "Jobs, audit and keys had somebody granted them: no policy lets a row through.",
        (OWNER, ADMIN, AGENT, WORKER),
        lambda s: [sql(f"select string_agg(t::text, ' ') from agent.{table} as t") for table in AGENT_TABLES],
        Nothing(),
        hook=False,
        given=(f"{FILLED} grant all on all tables in schema agent to authenticated, agent_worker"),
        proves=tuple(f"rls agent.{table}" for table in AGENT_TABLES),
    ),
    Attack(
        "read-as-owner-without-bypass",
        "A role that owns the tables, does not bypass row-level security, and is nobody's.",
        (OWNER,),
        lambda s: [sql(f"select string_agg(t::text, ' ') from {table} as t") for table in ALL_OURS],
        Nothing(),
        hook=False,
        given=f"{FILLED} grant create on schema agent, public to anon;"
        + "".join(f"alter table {table} owner to anon;" for table in ALL_OURS)
        + "alter function public.run_sql(text) security definer; alter function public.run_sql(text) owner to anon",
        proves=("force *",),
    ),
    Attack(
        "read-not-signed-in",
        "The publishable key alone, service_role and a worker's key read each table of ours over REST.",
        (ANON, SERVICE_ROLE, WORKER),
        lambda s: [Rows("GET", table) for table in OURS],
        DENIED,
        hook=False,
        proves=("table public.* select",),
    ),
    Attack(
        "read-schema",
        "Through the views and functions of crm, which is no schema of theirs.",
        (ANON, SERVICE_ROLE, WORKER),
        lambda s: [sql("select count(*) from crm.clients"), sql("select crm.ping()")],
        refused("42501", says="permission denied for schema crm"),
        hook=False,
        given="create function crm.ping() returns integer language sql as 'select 1'",
        proves=("schema crm usage",),
    ),
]
