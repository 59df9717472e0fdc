"""The preflight names every fault of a host's schema at once and changes nothing; warnings stop nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from agent_service.database import MigrationError, migrate, read_migrations

FINGERPRINT = """
select md5(string_agg(d, '' order by d)) from (
  select c.oid::regclass::text || relkind::text || coalesce(relacl::text, '') || relrowsecurity from pg_class as c
  where relnamespace <> 'supabase_migrations'::regnamespace
  union all select nspname || coalesce(nspacl::text, '') from pg_namespace
  union all select p.oid::regprocedure::text from pg_proc as p union all select rolname || rolconfig::text from pg_roles
  union all select polname from pg_policy union all select tgname from pg_trigger
) as described (d)
"""


@pytest.fixture
def host(host_database: Any) -> Iterator[psycopg.Connection[Any]]:
    """A connection as postgres to a CRM without our migrations."""
    with host_database.connect() as connection:
        connection.execute("create schema if not exists supabase_migrations")
        yield connection


@pytest.fixture
def faults(host_database: Any, host: psycopg.Connection[Any]) -> Callable[[], list[str]]:
    """The faults that migrating meets, having changed nothing."""

    def meet() -> list[str]:
        before = host.execute(FINGERPRINT).fetchone()
        with pytest.raises(MigrationError, match="cannot be installed yet") as caught:
            migrate(host_database.dsn())
        assert host.execute(FINGERPRINT).fetchone() == before
        assert isinstance(caught.value.__cause__, psycopg.Error)
        found = (caught.value.__cause__.diag.message_detail or "").split("\n")
        assert f"faults: {len(found)}." in str(caught.value)
        return found

    return meet


def warnings(host: psycopg.Connection[Any]) -> list[str]:
    """What the preflight alone warns of."""
    heard: list[str] = []
    host.add_notice_handler(lambda diag: heard.append(diag.message_detail or ""))
    with host.transaction():
        for statement in read_migrations()[0].statements:
            host.execute(statement.text.encode())
    return "\n".join(heard).split("\n")


BREAK_ALL = r"""
drop function auth.uid() cascade;
drop view vault.decrypted_secrets;
drop table public.orders;
alter table public.contacts drop column email;
alter table public.deals alter column amount type text;
alter table public.tasks disable row level security;
grant update on public.profiles to authenticated;
create schema agent;
create table public.ai_drafts ();
create view public.ai_settings as select 1 as one;
create function public.claim_jobs(integer) returns void language sql as 'select';
"""


def test_every_kind_of_fault_at_once(host_database: Any, host: Any, faults: Callable[[], list[str]]) -> None:
    with host_database.connect("supabase_admin") as admin:
        admin.execute(BREAK_ALL)
        admin.execute(
            "create policy self on public.profiles for update to authenticated using (true) with check (true)"
        )
    found = faults()
    expected = (
        "function auth.uid() is missing", "view vault.decrypted_secrets (Vault) is missing", "orders has no source",
        "contacts lacks the column email (text)", "deals.amount is text, expected numeric",
        "tasks has no row-level security", "profiles.role can be written", "schema agent exists already",
        "public.ai_drafts exists already", "public.ai_settings exists already",
        "function claim_jobs(integer) exists already",
    )  # fmt: skip
    for sentence in expected:
        assert [fault for fault in found if sentence in fault], f"{sentence} is not among {found}"
    assert len(found) == len(expected), found


def test_bridge_tables_are_asked_for(host: Any, faults: Callable[[], list[str]]) -> None:
    host.execute("drop table public.profiles cascade; alter table public.clients drop constraint clients_pkey cascade")
    host.execute("create unique index partial on public.clients (id) where name = 'x'")
    found = faults()
    assert len(found) == 2
    assert all("(id uuid primary key) is missing" in fault for fault in found)


@pytest.mark.parametrize(
    ("privilege", "clause"), [("update", "using (true)"), ("insert", "with check (id = auth.uid())")]
)
@pytest.mark.parametrize("columns", ["", "(role)"])
def test_a_role_that_its_user_may_write(
    host: Any, faults: Callable[[], list[str]], privilege: str, clause: str, columns: str
) -> None:
    host.execute(f"create policy mine on public.profiles for {privilege} to public {clause}")
    host.execute(f"grant {privilege} {columns} on public.profiles to authenticated")
    assert [fault.split(" by the user")[0] for fault in faults()] == ["public.profiles.role can be written"]
    host.execute(f"revoke {privilege} on public.profiles from authenticated")
    host.execute(f"revoke {privilege} (role) on public.profiles from authenticated")
    assert warnings(host) == [""]


def adapt(host: Any, relation: str, options: str = "with (security_invoker = true)", source: str = "") -> None:
    """Move a table out of the way, as in a CRM with other names, and make the contract's view over it."""
    extra = {"deals": ", stage <> 'won' as is_open", "tasks": ", status = 'open' as is_open"}.get(relation, "")
    host.execute("create schema if not exists crm")
    host.execute(f"create view crm.{relation} {options} as select *{extra} from {source or 'public.' + relation}")


def test_an_adapters_views_are_kept(host_database: Any, host: Any) -> None:
    host.execute("alter table public.activities rename to interactions")
    adapt(host, "activities", source="public.interactions")
    adapt(host, "deals", "with (security_invoker = on)")
    host.execute(
        """create function crm.log_activity(
          p_client_id uuid, p_type text, p_direction text, p_subject text, p_content text,
          p_contact_id uuid default null, p_deal_id uuid default null, p_occurred_at timestamptz default now()
        ) returns jsonb language sql set search_path = '' as $$
          insert into public.interactions (client_id, type) values (p_client_id, p_type)
          returning jsonb_build_object('mine', true)
        $$"""
    )
    assert len(migrate(host_database.dsn())) == len(read_migrations())
    definition = host.execute("select pg_get_viewdef('crm.activities'::regclass)").fetchone()
    assert "interactions" in definition[0]
    assert host.execute("select prosrc ~ 'mine' from pg_proc where oid = 'crm.log_activity'::regproc").fetchone() == (
        True,
    )
    guarded = host.execute(
        "select tgrelid::regclass::text from pg_trigger where tgname = 'agent_guard_write' order by 1"
    ).fetchall()
    assert ("interactions",) in guarded
    assert len(guarded) == 7


def test_the_functions_that_an_adapter_must_bring(host: Any, faults: Callable[[], list[str]]) -> None:
    for table in ("activities", "tasks"):
        host.execute(f"alter table public.{table} rename to my_{table}")
        adapt(host, table, source=f"public.my_{table}")
    found = faults()
    assert [fault.split(" is missing")[0] for fault in found] == ["crm.log_activity", "crm.create_task"]


def test_nothing_behind_the_contract_is_read_with_its_owners_rights(host: Any, faults: Callable[[], list[str]]) -> None:
    host.execute("create view public.all_tasks as select * from public.tasks")
    adapt(host, "tasks", source="public.all_tasks")
    adapt(host, "orders", "")
    adapt(host, "deals", "with (security_invoker = false)")
    host.execute("create materialized view public.all_contacts as select * from public.contacts")
    adapt(host, "contacts", source="public.all_contacts")
    found = sorted(faults())
    assert [fault.split(",")[0] for fault in found] == [
        "all_contacts is a materialized view",
        "view all_tasks is read with its owner's rights",
        "view crm.deals is read with its owner's rights",
        "view crm.orders is read with its owner's rights",
    ]


def test_what_opens_no_way_is_a_warning(host_database: Any, host: Any) -> None:
    count = "as 'select count(*) from clients'"
    host.execute(
        f"""create view public.open_deals as select * from public.deals;
        create view public.hidden_deals as select * from public.deals;
        create view public.own_deals with (security_invoker = on) as select * from public.deals;
        grant select on public.open_deals, public.own_deals to authenticated;
        create function public.all_clients() returns bigint language sql security definer {count};
        create function public.own_clients() returns bigint language sql {count};
        create function public.admin_clients() returns bigint language sql security definer {count};
        revoke all on function public.admin_clients() from public"""
    )
    found = warnings(host)
    assert len(found) == 2
    assert "all_clients() runs with its owner's rights and names clients" in found[0]
    assert "view open_deals over deals is read with its owner's rights" in found[1]
    assert len(migrate(host_database.dsn())) == len(read_migrations())


def test_the_sample_crm_is_without_fault_or_warning(host: Any) -> None:
    assert warnings(host) == [""]
