"""What holds an agent token: the pre-request hook, statement triggers under every way in, restrictive policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from agent_service.database import migrate

TABLES = ("profiles", "clients", "contacts", "activities", "deals", "tasks", "orders")
ATTACKS = ("insert into {} default values", "update {} set created_at = now()", "delete from {}", "truncate {} cascade")


@pytest.fixture
def job(world: Any) -> dict[str, Any]:
    """A running job of Ada's for Acme, in a database whose owner was careless."""
    world.request()
    world.conn.execute(
        "create function public.attack(p text) returns void language plpgsql security definer as 'begin execute p; end'"
    )
    for table in TABLES:
        world.conn.execute(f"create view public.open_{table} as select * from public.{table}")
        world.conn.execute(f"grant all on public.open_{table}, public.{table} to authenticated")
    # A cascading truncate asks for rights on our tables too; the triggers must not be saved by their lack.
    world.conn.execute("grant truncate on all tables in schema public to authenticated")
    return world.claim()[0]


@pytest.mark.parametrize("table", TABLES)
def test_the_agent_writes_no_crm_row_by_any_way(world: Any, refused: Any, job: dict[str, Any], table: str) -> None:
    before = world.value(f"select count(*) from {table}")
    for act in ({"sub": "agent_worker"}, None, [], False):
        agent = world.agent(job, hook=False, act=act)
        for attack in ATTACKS:
            with refused("42501", "agent_refused"):
                agent.sql(attack.format("public." + table))
            with refused("42501", "agent_refused"):
                agent.sql("select public.attack(%s)", attack.format("public." + table))
            if not attack.startswith("truncate"):  # no view can be truncated
                with refused("42501", "agent_refused"):
                    agent.sql(attack.format(f"public.open_{table}"))
    assert world.value(f"select count(*) from {table}") == before


@pytest.mark.parametrize(
    "attack",
    [
        "merge into tasks using (select 1) as s on false when not matched then insert (title) values ('x')",
        "insert into clients (id, name) select id, name from clients on conflict (id) do update set name = 'x'",
        "with gone as (delete from contacts returning 1) select count(*) from gone",
        "delete from auth.users",  # by cascade
        "select crm.log_activity(id, 'note', null, 's', 'c') from clients",
        "select crm.create_task(id, 't', 'd') from clients",
    ],
)
def test_other_statements_that_write(world: Any, refused: Any, job: dict[str, Any], attack: str) -> None:
    with refused("42501", "agent_refused"):
        world.agent(job, hook=False).sql("select public.attack(%s)", attack)


def test_partitions_are_guarded_by_their_own_names(world: Any, refused: Any, job: dict[str, Any]) -> None:
    world.conn.execute(
        """create table parts (id uuid, client_id uuid) partition by hash (id);
        create table parts_1 partition of parts for values with (modulus 1, remainder 0);
        create view crm.parts with (security_invoker = true) as select * from parts;
        select agent.guard_crm_tables()"""
    )
    for attack in ("insert into public.parts default values", "truncate public.parts_1", "delete from public.parts_1"):
        with refused("42501", "agent_refused"):
            world.agent(job, hook=False).sql("select public.attack(%s)", attack)


def test_people_write_as_before(world: Any, job: dict[str, Any]) -> None:
    assert world.person("ada").sql("update clients set name = 'A'") == [{"rowcount": 1}]
    assert world.person("ada").sql("update open_clients set name = 'A'") == [{"rowcount": 2}]
    world.conn.execute("update clients set name = 'A'")


def test_the_agent_reads_one_client(world: Any, job: dict[str, Any]) -> None:
    world.conn.execute("update clients set owner_id = %s", (world.users["ada"],))  # she sees both
    for table in ("activities", "tasks"):
        column = "type, subject" if table == "activities" else "priority, title"
        world.conn.execute(
            f"insert into {table} (client_id, {column}) select id, %s, 'x' from clients",
            ("note" if table == "activities" else "low",),
        )
    world.conn.execute("insert into deals (client_id, title) select id, 'x' from clients union all select null, 'x'")
    world.conn.execute("insert into orders (client_id, order_number, total) select id, id, 1 from clients")
    agent, ada = world.agent(job, hook=False), world.person("ada")
    for table in TABLES[1:]:
        column = "id" if table == "clients" else "client_id"
        assert len(ada.sql(f"select 1 from {table}")) >= 2
        for name in (table, f"crm.{table}"):
            assert agent.sql(f"select {column} as id from {name}") == [{"id": world.clients["Acme"]}]
    world.conn.execute("update agent.jobs set state = 'queued'")  # the lease is somebody else's matter now
    for table in TABLES[1:]:
        assert agent.sql(f"select 1 from {table}") == []
    world.conn.execute("update agent.jobs set state = 'running', fence = fence + 1")
    assert agent.sql("select 1 as one from clients") == []


ALLOWED = ("/rpc/get_client_context", "/rpc/complete_draft_job")
REFUSED = (
    "", "/", "/clients", "/ai_drafts", "/rpc/approve_draft", "/rpc/request_draft", "/rpc/claim_jobs", "/rpc/complete_",
    "/rpc/complete_everything", "/rpc/get_client_context/", "/rpc/get_client_context2", "/rpc/GET_CLIENT_CONTEXT",
    "/rest/v1/rpc/get_client_context", "/rpc/", "/rpc/get_client_context\n", "//rpc/get_client_context",
)  # fmt: skip


def test_the_paths_of_an_agent_token(world: Any, refused: Any, job: dict[str, Any]) -> None:
    agent = world.agent(job)
    for path in ALLOWED:
        assert agent.sql("select 1 as one", path=path) == [{"one": 1}]
        for header in ("content-profile", "accept-profile"):
            with agent.transaction(path, {header: "public"}):
                pass
            with refused("PT403", "agent_refused"), agent.transaction(path, {header: "graphql_public"}):
                pass
    for path in REFUSED:
        for caller in (agent, world.agent(job, act=None)):
            with refused("PT403", "agent_refused"):
                caller.sql("select", path=path)


def test_the_paths_of_a_worker_key(world: Any, refused: Any) -> None:
    for name in ("claim_jobs", "claim_job", "heartbeat_job", "fail_job"):
        world.worker.sql("select", path=f"/rpc/{name}")
    for path in (*REFUSED[:6], *ALLOWED, "/rpc/claim_jobs/"):
        with refused("PT403", "worker_refused"):
            world.worker.sql("select", path=path)
    world.conn.execute("select agent.revoke_worker_key(%s)", (world.worker_jti,))
    with refused("PT401", "worker_key_refused"):
        world.worker.sql("select", path="/rpc/claim_jobs")


def test_everybody_else_goes_anywhere(world: Any) -> None:
    for caller in (
        world.person("ada"),
        type(world.worker)(world.conn, "anon"),
        type(world.worker)(world.conn, "service_role"),
    ):
        for path in (*ALLOWED, *REFUSED):
            caller.sql("select", path=path)


def test_reading_the_context_is_read_only(world: Any, refused: Any, job: dict[str, Any]) -> None:
    world.conn.execute("create table public.notes (); grant all on public.notes to authenticated")
    insert = "insert into public.notes default values"
    agent = world.agent(job)
    with refused("25006"):
        agent.sql(insert, path="/rpc/get_client_context")
    with refused("25001"), agent.transaction("/rpc/get_client_context") as cursor:
        cursor.execute("set local transaction_read_only = off")
    agent.sql(insert, path="/rpc/complete_draft_job")
    world.person("ada").sql(insert, path="/rpc/get_client_context")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("update agent.jobs set fence = fence + 1", ("PT409", "stale_fence")),
        ("update agent.jobs set state = 'queued'", ("PT409", "stale_fence")),
        ("update agent.jobs set state = 'cancelled', finished_at = now()", ("PT409", "stale_fence")),
        ("delete from agent.jobs", ("PT409", "stale_fence")),
        ("update auth.users set banned_until = now() + interval '1 hour'", ("PT403", "user_inactive")),
        ("update auth.users set deleted_at = now()", ("PT403", "user_inactive")),
        ("delete from auth.users", ("PT403", "user_inactive")),
    ],
)
def test_a_token_ends_with_its_job_and_its_user(
    world: Any, refused: Any, job: dict[str, Any], change: str, expected: tuple[str, str]
) -> None:
    world.conn.execute(change)
    for path in ALLOWED:
        with refused(*expected):
            world.agent(job).sql("select", path=path)


def test_another_users_job_does_not_fit(world: Any, refused: Any, job: dict[str, Any]) -> None:
    for claims in ({"sub": str(world.users["bob"])}, {"job": None}, {"fence": job["fence"] + 1}, {"fence": None}):
        with refused("PT409", "stale_fence"):
            world.agent(job, **claims).sql("select", path="/rpc/get_client_context")


def test_a_done_job_may_only_be_completed_again(world: Any, refused: Any, job: dict[str, Any]) -> None:
    draft_id = world.complete(job)
    assert world.complete(job) == draft_id
    with refused("PT409", "stale_fence"):
        world.agent(job).sql("select", path="/rpc/get_client_context")


def test_without_the_trigger_the_attack_through_a_view_succeeds(world: Any, refused: Any, job: dict[str, Any]) -> None:
    agent = world.agent(job, hook=False)
    with refused("42501", "agent_refused"):
        agent.sql("update open_clients set name = 'taken'")
    world.conn.execute("drop trigger agent_guard_write on clients")
    assert agent.sql("update clients set name = 'taken'") == [{"rowcount": 0}]  # the second layer, silent
    assert agent.sql("update open_clients set name = 'taken'") == [{"rowcount": 2}]
    world.conn.execute("select agent.guard_crm_tables()")  # and mends it
    with refused("42501", "agent_refused"):
        agent.sql("update open_clients set name = 'taken'")


def test_without_the_hook_the_paths_are_open(world: Any, refused: Any, job: dict[str, Any]) -> None:
    with refused("PT403", "agent_refused"):
        world.agent(job).sql("select 1 as one from clients", path="/clients")
    assert world.agent(job, hook=False).sql("select 1 as one from clients", path="/clients") == [{"one": 1}]


@pytest.fixture(params=["role", "database"])
def hooked(request: pytest.FixtureRequest, host_database: Any, make_world: Any) -> Iterator[Any]:
    """The world in a database that had a pre-request hook of its own, set in one of two ways; it notes callers."""
    setting = sql.SQL("alter role authenticator {} set pgrst.db_pre_request = 'public.\"Count\"'").format(
        sql.SQL("in database {}" if request.param == "database" else "").format(sql.Identifier(host_database.name))
    )
    with host_database.connect() as connection:
        connection.execute(
            """create table public.seen (who name default current_user, sub text default auth.uid());
            grant insert on public.seen to anon, authenticated, service_role, agent_worker;
            grant usage on schema public to agent_worker;
            create function public."Count"() returns void language sql as 'insert into public.seen default values';
            create function public."Count"(integer) returns void language sql as 'select';
            revoke all on function public."Count"() from public;
            grant execute on function public."Count"() to anon, authenticated"""
        )
        connection.execute(setting)
        migrate(host_database.dsn())
        yield make_world(connection)


def test_a_hook_of_the_hosts_is_kept(hooked: Any) -> None:
    in_force = hooked.value(
        """select split_part(setting, '=', 2) from pg_db_role_setting, unnest(setconfig) as setting
        where setrole = 'authenticator'::regrole and setting like 'pgrst.db_pre_request=%%'
        and setdatabase in (0, (select oid from pg_database where datname = current_database()))
        order by setdatabase desc limit 1"""
    )
    assert in_force == "agent.check_request"
    hooked.request()
    job = hooked.claim()[0]
    hooked.agent(job).rpc("get_client_context", p_client_id=hooked.clients["Acme"])
    type(hooked.worker)(hooked.conn, "anon").sql("select")
    seen = [tuple(row) for row in hooked.conn.execute("select who, sub from seen").fetchall()]
    ada = str(hooked.users["ada"])
    assert seen == [("authenticated", ada), ("agent_worker", None), ("authenticated", ada), ("anon", None)]


def test_a_hook_of_the_hosts_does_not_see_what_ours_refused(hooked: Any, refused: Any) -> None:
    hooked.request()
    job = hooked.claim()[0]
    hooked.conn.execute("truncate seen; create or replace function public.\"Count\"() returns void language sql as "
                        "$$ select 1/0 $$")  # fmt: skip
    with refused("PT403", "agent_refused"):
        hooked.agent(job).sql("select", path="/clients")
    with refused("22012"):
        hooked.person("ada").sql("select")


def test_a_hook_that_cannot_be_found_is_named(host_database: Any) -> None:
    with host_database.connect() as connection:
        name = sql.Identifier(host_database.name)
        connection.execute(
            sql.SQL("alter role authenticator in database {} set pgrst.db_pre_request = 'lost'").format(name)
        )
        with pytest.raises(Exception, match="names lost, and there is no such function"):
            migrate(host_database.dsn())
