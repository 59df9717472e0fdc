"""Writing CRM rows where one layer is all that is left."""

from __future__ import annotations

from tests.attacks.cases.answers import BY_POLICY, GUARDED_TABLE
from tests.attacks.cases.people import AGENT, OWNER
from tests.attacks.cases.writing import LATER, alone, insert
from tests.attacks.model import Attack, Nothing, Rows, Statement, one_of, refused, sql, sql_as_owner
from tests.attacks.scene import GUARDED

ATTACKS = [
    Attack(
        "write-truncate-alone",
        "TRUNCATE of one table by itself, where no foreign key is in the way.",
        (AGENT,),
        lambda s: [way(f"truncate public.{table}") for table in GUARDED for way in (sql, sql_as_owner)],
        GUARDED_TABLE,
        hook=False,
        given="""
        grant all on public.profiles to authenticated;
        do $$ declare v_key record; begin
          for v_key in select conrelid::regclass as name, conname from pg_constraint
            where contype = 'f' and conrelid::regclass::text !~ '^auth'
          loop
            execute format('alter table %%s drop constraint %%I', v_key.name, v_key.conname);
          end loop;
        end $$""",
        proves=("trigger *.agent_guard_truncate",),
    ),
    Attack(
        "write-later-alone",
        "A table that was made after the installation, where its triggers are gone.",
        (AGENT,),
        lambda s: [
            sql(text)
            for text in (
                "update later set body = 'x'",
                "delete from later",
                f"insert into later (client_id) values ('{s.acme}')",
            )
        ],
        one_of(Nothing(), BY_POLICY),
        hook=False,
        given=LATER + "alter table public.later disable trigger user",
        proves=tuple(f"code agent.guard_crm_tables: {command} policies" for command in ("insert", "update", "delete")),
    ),
    Attack(
        "write-copy",
        "COPY into a CRM table, where row-level security forbids COPY before any trigger is asked.",
        (AGENT,),
        lambda s: [Statement("copy public.tasks (client_id, title) from stdin", f"{s.acme}\tx\n")],
        refused("0A000", says="not supported with row-level security"),
        hook=False,
        only="sql: COPY is no request of PostgREST's",
    ),
    Attack(
        "write-copy-unprotected",
        "COPY into a table behind crm.* whose row-level security somebody has switched off.",
        (AGENT,),
        lambda s: [Statement("copy public.tasks (client_id, title) from stdin", f"{s.acme}\tx\n")],
        GUARDED_TABLE,
        hook=False,
        given="alter table public.tasks disable row level security",
        only="sql: COPY is no request of PostgREST's",
        proves=("trigger public.tasks.agent_guard_write",),
    ),
    Attack(
        "write-policy-insert",
        "INSERT where the triggers are gone: the restrictive policies are enough by themselves.",
        (AGENT,),
        lambda s: [
            sql(insert(table, s).replace(str(s.owner), str(s.acme) if table == "profiles" else str(s.owner)))
            for table in GUARDED
        ],
        BY_POLICY,
        hook=False,
        given=alone("insert") + "insert into auth.users (id, email) values (%(acme)s, 'x@example.com');",
        proves=("policy *_insert_agent",),
    ),
    Attack(
        "write-policy-update",
        "UPDATE the same way: 0 rows, as is a policy's nature.",
        (AGENT,),
        lambda s: [Rows("PATCH", table, {"created_at": "2030-01-01"}) for table in GUARDED],
        Nothing(),
        hook=False,
        given=alone("update"),
        proves=("policy *_update_agent",),
    ),
    Attack(
        "write-policy-delete",
        "DELETE the same way.",
        (AGENT,),
        lambda s: [Rows("DELETE", table) for table in GUARDED if table != "clients"] + [Rows("DELETE", "clients")],
        Nothing(),
        hook=False,
        given=alone("delete"),
        proves=("policy *_delete_agent",),
    ),
    Attack(
        "write-lock-rows",
        "Lock rows that others need, with SELECT … FOR UPDATE.",
        (AGENT,),
        lambda s: [
            sql(f"select count(*) from (select from {table} for update) as t having count(*) > 0") for table in GUARDED
        ],
        Nothing(),
        hook=False,
        proves=("policy *_update_agent",),
    ),
    Attack(
        "write-switch-off",
        "Switch off what guards: triggers, row-level security, policies, by the session or by DDL.",
        (AGENT, OWNER),
        lambda s: [
            sql(text)
            for text in (
                "alter table clients disable trigger agent_guard_write",
                "alter table clients disable trigger user",
                "drop trigger agent_guard_write on clients",
                "alter table clients disable row level security",
                "drop policy clients_update_agent on clients",
                "alter policy ai_drafts_select_owner on ai_drafts using (true)",
                "create policy mine on ai_drafts for all to authenticated using (true)",
                "alter table ai_drafts no force row level security",
                "alter table ai_drafts owner to authenticated",
                "create rule mine as on insert to clients do instead nothing",
                "drop function agent.tg_crm__refuse_agent() cascade",
                "drop table ai_drafts",
                "drop schema agent cascade",
                "alter function agent.is_agent() security definer",
                "set local session_replication_role = replica",
                "alter table clients add column x integer",
                "reassign owned by postgres to authenticated",
                "select agent.guard_crm_tables()",
                "alter default privileges for role postgres grant all on tables to anon",
                "comment on table ai_drafts is 'x'",
                "alter view crm.clients set (security_invoker = false)",
            )
        ],
        one_of(refused("42501"), refused("2BP01")),
        hook=False,
    ),
    Attack(
        "write-grant",
        "Grant oneself what is missing: Postgres warns that nothing was granted, and nothing was.",
        (AGENT, OWNER),
        lambda s: [
            sql(text)
            for text in (
                "grant update on ai_drafts to authenticated",
                "grant all on agent.jobs to public",
                "grant execute on function agent.mint_worker_key to public",
                "grant create on schema public to authenticated",
            )
        ],
        one_of(Nothing(), refused("42501")),
        hook=False,
    ),
    Attack(
        "write-stage-history",
        "Write a deal's history, its place in the sequence, or a row through the trigger functions.",
        (AGENT, OWNER),
        lambda s: [
            Rows("POST", "deal_stage_history", {"deal_id": s.acme_deal, "to_stage": "won"}),
            Rows("PATCH", "deal_stage_history", {"to_stage": "won"}),
            Rows("DELETE", "deal_stage_history"),
            sql("truncate deal_stage_history"),
            sql("select nextval('public.deal_stage_history_id_seq')"),
            sql("select setval('public.deal_stage_history_id_seq', 1)"),
        ],
        refused("42501", says="permission denied"),
        hook=False,
        proves=(
            *(f"table public.deal_stage_history {verb}" for verb in ("insert", "update", "delete", "truncate")),
            "sequence public.deal_stage_history_id_seq",
        ),
    ),
]
