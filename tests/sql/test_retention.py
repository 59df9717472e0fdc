"""What is too old goes, what is erased is gone, what is held stays, and no table of ours is forgotten."""

from __future__ import annotations

from typing import Any

OURS = """
select format('%s.%s', relnamespace::regnamespace, relname) from pg_class
where relkind in ('r', 'p')
  and (relnamespace = 'agent'::regnamespace
    or relnamespace = 'public'::regnamespace and relname ~ '^(ai_|agent_|client_insights|deal_stage_history)')
"""


def retain(world: Any) -> dict[str, Any]:
    world.conn.execute("delete from agent.maintenance_runs")
    (row,) = world.worker.rpc("run_maintenance", p_task="retention")
    return dict(row["run_maintenance"])


def age(world: Any, days: float) -> None:
    for table in ("public.ai_drafts", "public.ai_draft_requests", "agent.jobs", "public.ai_interactions"):
        world.conn.execute(f"update {table} set created_at = now() - make_interval(hours => %s)", [int(days * 24)])


def left(world: Any) -> tuple[int, int, int]:
    return tuple(
        world.value(f"select count(*) from {rows}")
        for rows in ("public.ai_drafts", "public.ai_draft_requests", "agent.jobs where payload <> '{}'")
    )


def erase(world: Any, client: str = "Acme", who: str = "eve") -> dict[str, int]:
    (row,) = world.person(who).rpc("erase_client_ai_data", p_client_id=world.clients[client])
    return dict(row["erase_client_ai_data"])


def test_every_table_of_ours_is_listed_and_none_that_is_not(any_world: Any) -> None:
    tables = {name for (name,) in any_world.conn.execute(OURS)}
    listed = {name for (name,) in any_world.conn.execute("select relation from agent.data_tables")}
    assert listed == tables


def test_every_column_that_names_a_client_is_what_the_list_goes_by(world: Any) -> None:
    forgotten = world.conn.execute(
        "select d.relation from agent.data_tables as d join pg_attribute as a on a.attrelid = to_regclass(d.relation) "
        "where a.attname = 'client_id' and not a.attisdropped and d.client_id is null "
        "and d.relation <> 'agent.data_tables'"
    ).fetchall()
    assert forgotten == []


def test_what_is_older_than_the_settings_say_goes_and_the_books_stay(any_world: Any) -> None:
    world = any_world
    world.draft()
    age(world, 89.9)
    retain(world)
    assert left(world) == (1, 1, 1)
    age(world, 90.1)
    assert retain(world)["retention"] == {
        "public.ai_draft_revisions": 0, "public.ai_drafts": 1, "public.ai_draft_requests": 1, "agent.jobs": 1,
        "public.ai_interactions": 0, "public.ai_sends": 0, "public.agent_suggestions": 0,
        "public.client_insights": 0,
    }  # fmt: skip
    assert left(world) == (0, 0, 0)
    assert world.value("select count(*) from agent.jobs") == 1
    assert world.value("select count(*) from public.ai_interactions") == 1
    assert world.value("select count(*) from agent.audit_log where action = 'draft_written'") == 1
    age(world, 800)
    world.conn.execute("update public.ai_interactions set settled_at = created_at")
    retain(world)
    assert world.value("select count(*) from public.ai_interactions") == 0


COLUMNS = """
select string_agg(quote_ident(attname), ', ') from pg_attribute
where attrelid = %s::regclass and attnum > 0 and attgenerated = '' and not attisdropped
"""
COPIES = """
insert into {table} ({columns}) select {columns} from generate_series(5, 900, 10) as n, lateral (
  select (jsonb_populate_record(t, to_jsonb(t) || {changes} || jsonb_build_object(
    'id', gen_random_uuid(), 'created_at', now() - make_interval(days => n)
  ))).* from {table} as t limit 1
) as copied
"""
CHANGES = {
    "public.ai_draft_requests": """'{"state": "failed"}'""",
    "public.ai_drafts": """'{"status": "rejected", "request_id": null}'""",
    "public.ai_draft_revisions": "jsonb_build_object('version', n + 10)",
    "agent.jobs": """'{"state": "failed", "failure_code": "crashed"}'""",
    "public.ai_interactions": "'{}'",
    "public.ai_sends": "'{}'",
    "public.agent_suggestions": "jsonb_build_object('dedupe_key', n)",
}


def by_age(world: Any) -> dict[str, tuple[int, int]]:
    """How many rows of each table are older than they may be by a day, and how many younger."""
    aging = world.conn.execute(
        "select relation, aged_at, coalesce(keep_for, '90 days') + interval '24 hours' from agent.data_tables "
        "where on_age is not null"
    ).fetchall()
    counts = "select count(*) filter (where {0} < now() - %s), count(*) filter (where {0} >= now() - %s) from {1} as t"
    return {name: world.conn.execute(counts.format(age, name), [keep, keep]).fetchone() for name, age, keep in aging}


def test_no_row_of_a_listed_table_is_older_than_it_may_be_by_a_day(any_world: Any) -> None:
    world = any_world
    draft = world.draft()
    world.person("ada").rpc("edit_draft", p_draft_id=draft["id"], p_version=1, p_subject="s", p_content="c")
    world.conn.execute(
        "insert into public.ai_sends (draft_id, user_id, channel, state, content_hash, ended_at) "
        "select id, created_by, 'mailto', 'undone', content_hash, now() from public.ai_drafts"
    )
    world.conn.execute(
        "insert into public.agent_suggestions (client_id, assigned_to, suggestion_type, title, rule_key, score, "
        "dedupe_key) values (%s, %s, 'follow_up', 'X', 'no_activity', 1, 'x')",
        [world.clients["Acme"], world.users["ada"]],
    )
    for table, changes in CHANGES.items():
        columns = world.value(COLUMNS, table)
        world.conn.execute(COPIES.format(table=table, columns=columns, changes=changes))
    world.conn.execute(  # one for each user and client
        "insert into public.client_insights (client_id, user_id, insights, computed_from, computed_at) "
        "select c.id, p.id, '{}', '{}', "
        "now() - case p.full_name when 'Ada' then interval '92 days' else interval '5 days' end "
        "from public.clients as c cross join public.profiles as p"
    )
    before = by_age(world)
    assert before.keys() == {*CHANGES, "public.client_insights"}
    assert min(old for old, _ in before.values()) > 0
    retain(world)
    after = by_age(world)
    assert after == {table: (0, young) for table, (_, young) in before.items()}


def test_a_job_that_nobody_took_in_all_that_time_is_given_up(world: Any) -> None:
    world.request()
    age(world, 91)
    retain(world)
    assert world.conn.execute("select state, failure_code from agent.jobs").fetchall() == [("cancelled", "too_old")]
    assert left(world) == (0, 0, 0)


def test_what_is_held_outlives_retention(world: Any) -> None:
    world.draft()
    world.draft("bob", "Bolt")
    world.person("eve").rpc("set_legal_hold", p_is_held=True, p_client_id=world.clients["Acme"], p_reason="A lawsuit.")
    age(world, 200)
    retain(world)
    assert left(world) == (1, 1, 1)
    world.person("eve").rpc(
        "set_legal_hold", p_is_held=True, p_subject_user_id=world.users["ada"], p_reason="Another one."
    )
    world.person("eve").rpc("set_legal_hold", p_is_held=False, p_client_id=world.clients["Acme"])
    retain(world)
    assert left(world) == (1, 1, 1)
    world.person("eve").rpc("set_legal_hold", p_is_held=False, p_subject_user_id=world.users["ada"])
    retain(world)
    assert left(world) == (0, 0, 0)


def test_it_goes_in_batches_and_comes_back_at_once_for_the_rest(world: Any) -> None:
    world.conn.execute(
        "insert into agent.jobs (kind, user_id, client_id, turn, state, finished_at, payload, created_at) "
        "select 'draft', %s, %s, 1, 'done', now(), '{\"a\": 1}', now() - interval '1 year' "
        "from generate_series(1, 10001)",
        [world.users["ada"], world.clients["Acme"]],
    )
    removed = [
        world.worker.rpc("run_maintenance", p_task="retention")[0]["run_maintenance"].get("retention") for _ in range(3)
    ]
    assert [r and r["agent.jobs"] for r in removed] == [10000, 1, None]


def test_erasing_leaves_no_text_of_that_client_and_all_of_others(any_world: Any, refused: Any) -> None:
    world = any_world
    world.draft()
    world.draft("bob", "Bolt")
    world.request(p_draft_type="memo")
    world.person("ada").rpc(
        "record_consent", p_kind="email", p_granted=False, p_client_id=world.clients["Acme"], p_reason="She called."
    )
    assert erase(world)["public.ai_drafts"] == 1
    of_acme = "where client_id = %s"
    for table in ("public.ai_drafts", "public.ai_draft_requests"):
        assert world.value(f"select count(*) from {table} {of_acme}", world.clients["Acme"]) == 0
        assert world.value(f"select count(*) from {table} {of_acme}", world.clients["Bolt"]) == 1
    rest = f"select count(*) from agent.jobs {of_acme} and (payload <> '{{}}' or state in ('queued', 'running'))"
    assert world.value(rest, world.clients["Acme"]) == 0
    assert world.value("select count(*) from public.ai_consents where not granted and reason is null") == 1
    details = f"select details from agent.audit_log {of_acme} and details <> '{{}}'"
    assert [set(row[0]) for row in world.conn.execute(details, [world.clients["Acme"]])] == [
        set(world.value("select jsonb_object_agg(relation, 1) from agent.data_tables where on_erase is not null"))
    ]
    assert world.value("select count(*) from public.clients where id = %s", world.clients["Acme"]) == 1
    assert erase(world)["public.ai_drafts"] == 0


def test_a_hold_stops_an_erasure_and_only_admins_erase(world: Any, refused: Any) -> None:
    world.draft()
    for who in ("ada", "bob"):
        with refused("PT403", "not_an_admin"):
            erase(world, who=who)
    for held in ({"p_client_id": world.clients["Acme"]}, {"p_subject_user_id": world.users["ada"]}):
        world.person("eve").rpc("set_legal_hold", p_is_held=True, p_reason="A lawsuit.", **held)
        with refused("PT409", "legal_hold"):
            erase(world)
        world.person("eve").rpc("set_legal_hold", p_is_held=False, **held)
    with refused("PT400", "invalid_argument"):
        world.person("eve").rpc("erase_client_ai_data", p_client_id=None)
    world.conn.execute("delete from auth.sessions where user_id = %s", [world.users["eve"]])
    with refused("PT401", "session_ended"):
        erase(world)
    assert left(world) == (1, 1, 1)


def test_the_subject_gets_every_row_about_them_and_none_about_others(world: Any, refused: Any) -> None:
    draft = world.draft()
    world.draft("bob", "Bolt")
    acme = {"p_client_id": world.clients["Acme"]}
    (row,) = world.person("eve").rpc("export_client_data", **acme)
    tables = row["export_client_data"]["tables"]
    assert [d["content"] for d in tables["public.ai_drafts"]] == [draft["content"]]
    assert len(tables["agent.jobs"]) == len(tables["public.ai_interactions"]) == 1
    assert str(world.clients["Bolt"]) not in str(tables)
    assert world.value("select count(*) from agent.audit_log where action = 'client_data_exported'") == 1
    with refused("PT403", "not_an_admin"):
        world.person("ada").rpc("export_client_data", **acme)
    world.conn.execute("delete from auth.sessions where user_id = %s", [world.users["eve"]])
    with refused("PT401", "session_ended"):
        world.person("eve").rpc("export_client_data", **acme)
