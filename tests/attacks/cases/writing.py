"""Writing CRM rows with an agent's token, by every way in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.attacks.cases.answers import AGENT_REFUSED, GUARDED_TABLE
from tests.attacks.cases.people import ACTS, AGENT, AGENT_AFTER, AGENT_STALE, AGENTS, OWNER
from tests.attacks.model import Attack, Call, Rows, Statement, one_of, refused, sql, sql_as_owner
from tests.attacks.scene import CRM_TABLES, GUARDED, Scene


def row(table: str, s: Scene) -> dict[str, object]:
    """A row of the agent's own client that its user could write."""
    return {
        "profiles": {"id": s.owner, "full_name": "x", "email": "x"},
        "clients": {"name": "x", "owner_id": s.owner},
        "contacts": {"client_id": s.acme, "name": "x"},
        "activities": {"client_id": s.acme, "type": "note"},
        "deals": {"client_id": s.acme, "title": "x"},
        "tasks": {"client_id": s.acme, "title": "x"},
        "orders": {"client_id": s.acme, "order_number": "x", "total": 1},
    }[table]


def insert(table: str, s: Scene, name: str | None = None) -> str:
    values = row(table, s)
    given = ", ".join(f"'{value}'" for value in values.values())
    return f"insert into public.{name or table} ({', '.join(values)}) values ({given})"


def statements(table: str, s: Scene, name: str | None = None) -> Iterator[str]:
    """Update and delete all that can be seen, then insert."""
    yield f"update public.{name or table} set " + ("full_name = 'x'" if table == "profiles" else "created_at = default")
    yield f"delete from public.{name or table}"
    yield insert(table, s, name)


def everywhere(way: Callable[[str], Call], view: str = "") -> Callable[[Scene], list[Call]]:
    return lambda s: [way(text) for table in GUARDED for text in statements(table, s, view and view + table)]


def on_rest(s: Scene) -> Iterator[Rows]:
    for table in GUARDED:
        yield Rows("PATCH", table, {"full_name" if table == "profiles" else "updated_at": "2030-01-01"})
        yield Rows("DELETE", table)
        yield Rows("POST", table, row(table, s))


def alone(command: str) -> str:
    """Take the triggers away, and let everybody write profiles, so that only the policy for this command is left."""
    clause = "with check" if command == "insert" else "using"
    return (
        "".join(f"alter table public.{table} disable trigger agent_guard_write;" for table in GUARDED)
        + f"""
    grant all on public.profiles to authenticated;
    create policy profiles_host on public.profiles for {command} to authenticated {clause} (true);
    create policy clients_host on public.clients for {command} to authenticated {clause} (true);"""
    )


PARTITIONED = """
create table public.parts (id uuid, client_id uuid) partition by hash (id);
create table public.parts_1 partition of public.parts for values with (modulus 1, remainder 0);
insert into public.parts values (%(acme)s, %(acme)s);
create view crm.parts with (security_invoker = true) as select * from public.parts;
grant all on public.parts, public.parts_1 to authenticated;
select agent.guard_crm_tables();
"""
LATER = """
create table public.later (id uuid primary key default gen_random_uuid(), client_id uuid, body text);
alter table public.later enable row level security;
create policy later_all on public.later to authenticated using (true) with check (true);
insert into public.later (client_id, body) values (%(acme)s, 'x'), (%(apex)s, 'hush-Apex'), (%(bolt)s, 'hush-Bolt');
create view crm.later with (security_invoker = true) as select * from public.later;
grant all on public.later to authenticated;
grant select on crm.later to authenticated;
select agent.guard_crm_tables();
"""
WAYS = (
    "merge into tasks using (select 1) as s on true when matched then update set title = 'x'",
    "merge into tasks using (select 1) as s on true when matched then delete",
    (
        "merge into tasks using (select 1) as s on false when not matched then insert (client_id, title) values "
        "('{acme}', 'x')"
    ),
)
CONFLICTS = (
    "insert into clients (id, name) values ('{acme}', 'x') on conflict (id) do update set name = 'taken'",
    "insert into clients (id, name) values ('{acme}', 'x') on conflict do nothing",
)
HIDDEN = (
    "with gone as (delete from contacts returning 1) select count(*) from gone",
    (
        "with moved as (update deals set owner_id = null returning 1), "
        "more as (insert into tasks (client_id, title) select '{acme}', 'x' from moved) select count(*) from moved"
    ),
    "select * from (select crm.log_activity('{acme}', 'note', null, 's', 'c')) as s",
    "do $$ begin update public.clients set name = 'taken'; exception when others then raise; end $$",
)


def each(texts: tuple[str, ...], *ways: Callable[[str], Call]) -> Callable[[Scene], list[Call]]:
    return lambda s: [way(text.format(acme=s.acme)) for text in texts for way in ways]


ATTACKS = [
    Attack(
        "write-rest",
        "The agent writes to each CRM table over REST, as its user could.",
        AGENTS,
        on_rest,
        AGENT_REFUSED,
    ),
    Attack(
        "write-rest-no-hook",
        "The agent writes to each CRM table over REST where nobody asks the pre-request hook.",
        (AGENT, AGENT_AFTER),
        lambda s: [request for request in on_rest(s) if request.table != "profiles" or request.method == "PATCH"],
        GUARDED_TABLE,
        hook=False,
        proves=("hook",),
    ),
    Attack(
        "write-definer",
        "Through a host's function that runs with its owner's rights.",
        (AGENT, AGENT_AFTER, AGENT_STALE),
        everywhere(sql_as_owner),
        GUARDED_TABLE,
        hook=False,
        proves=("trigger *.agent_guard_write", "guard agent.tg_crm__refuse_agent: agent_refused"),
    ),
    Attack(
        "write-definer-hook",
        "Through the same function where the hook is in force.",
        AGENTS,
        everywhere(sql_as_owner),
        AGENT_REFUSED,
        proves=("guard agent.check_request_v1: agent_refused", "hook"),
    ),
    Attack(
        "write-view",
        "Through a view that is written to with its owner's rights.",
        (AGENT,),
        everywhere(sql, "open_"),
        GUARDED_TABLE,
        hook=False,
        proves=("trigger *.agent_guard_write",),
    ),
    Attack(
        "write-truncate",
        "TRUNCATE … CASCADE, through a function that has the rights.",
        (AGENT,),
        lambda s: [sql_as_owner(f"truncate public.{table} cascade") for table in GUARDED],
        GUARDED_TABLE,
        hook=False,
    ),
    Attack(
        "write-later",
        "On a table that was made after the installation, once guard_crm_tables() has run.",
        (AGENT,),
        lambda s: [
            way(text)
            for way in (sql, sql_as_owner)
            for text in (
                "update later set body = 'x'",
                "delete from later",
                f"insert into later (client_id) values ('{s.acme}')",
                "truncate later",
            )
        ],
        GUARDED_TABLE,
        hook=False,
        given=LATER,
        proves=("code agent.guard_crm_tables: triggers", "code agent.guard_crm_tables: truncate"),
    ),
    Attack(
        "write-partition",
        "On a partition by its own name.",
        (AGENT,),
        lambda s: [
            way(text.format(table))
            for way in (sql, sql_as_owner)
            for table in ("parts_1", "parts")
            for text in (
                "update {} set client_id = null",
                "delete from {}",
                "insert into {} default values",
                "truncate {}",
            )
        ],
        GUARDED_TABLE,
        hook=False,
        given=PARTITIONED,
        proves=("code agent.guard_crm_tables: partitions",),
    ),
    Attack(
        "write-merge",
        "MERGE with each of its actions.",
        (AGENT,),
        each(WAYS, sql, sql_as_owner),
        GUARDED_TABLE,
        hook=False,
    ),
    Attack(
        "write-on-conflict",
        "INSERT … ON CONFLICT DO UPDATE, and DO NOTHING.",
        (AGENT,),
        each(CONFLICTS, sql, sql_as_owner),
        GUARDED_TABLE,
        hook=False,
    ),
    Attack(
        "write-hidden",
        "Inside a CTE, a subquery, a block that catches errors.",
        (AGENT,),
        each(HIDDEN, sql, sql_as_owner),
        GUARDED_TABLE,
        hook=False,
    ),
    Attack(
        "write-returning",
        "UPDATE and DELETE … RETURNING, to read by writing.",
        (AGENT,),
        lambda s: [
            way(f"with x as ({text} returning *) select string_agg(x::text, '') from x")
            for way in (sql, sql_as_owner)
            for text in (
                "update clients set name = name",
                "delete from activities",
                f"insert into clients (id, name) values ('{s.bolt}', 'x')",
            )
        ],
        GUARDED_TABLE,
        hook=False,
    ),
    Attack(
        "write-cascade",
        "By the cascades of foreign keys: deleting users, profiles, clients.",
        (AGENT,),
        lambda s: [
            sql_as_owner(f"delete from {table} where id = '{row_id}'")
            for table, row_id in (
                ("auth.users", s.owner),
                ("auth.users", s.colleague),
                ("public.profiles", s.owner),
                ("public.clients", s.acme),
            )
        ],
        GUARDED_TABLE,
        hook=False,
    ),
    Attack(
        "write-back-functions",
        "With the functions that an approval writes with.",
        (AGENT, AGENT_AFTER),
        lambda s: [
            sql(f"select crm.log_activity('{s.acme}', 'note', null, 's', 'c')"),
            sql(f"select crm.create_task('{s.acme}', 't', 'd')"),
            sql(f'select crm.undo(\'{{"kind": "task", "id": "{s.acme_task}", "row": ""}}\')'),
            sql(f"select crm.set_deal_stage('{s.acme_deal}', 'won')"),
        ],
        one_of(GUARDED_TABLE, refused("PT404", "deal_not_found")),
        hook=False,
    ),
    Attack(
        "write-act-without-value",
        "With an `act` that is null, empty or false.",
        tuple(OWNER.but(act=act) for act in ACTS),
        everywhere(sql_as_owner),
        GUARDED_TABLE,
        hook=False,
        proves=("code agent.tg_crm__refuse_agent: the key",),
    ),
    Attack(
        "write-legacy-claims",
        "With claims in the setting that Supabase's auth.jwt() reads first.",
        (OWNER,),
        lambda s: [
            Statement(
                "select set_config('request.jwt.claim', '{\"act\": null}', true), set_config('request.jwt.claims', "
                "'', true);"
                "update public.clients set name = 'taken'"
            )
        ],
        GUARDED_TABLE,
        hook=False,
        only="sql: no PostgREST of today sets it",
        proves=("code agent.tg_crm__refuse_agent: legacy setting",),
    ),
    Attack(
        "write-service-role",
        "After `set role service_role`, which whoever can run SQL behind PostgREST may say.",
        (AGENT,),
        lambda s: [
            sql(f"set local role service_role; {text}") for table in CRM_TABLES for text in statements(table, s)
        ],
        GUARDED_TABLE,
        hook=False,
        given="grant all on all tables in schema public to service_role",
        proves=("trigger *.agent_guard_write",),
    ),
]
