"""What has clients evaluated: changes of their records, time, and nothing else; and what a sweep may read meanwhile."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from tests.world import World

CHANGES = "select client_id, user_id from agent.client_changes order by id"


@pytest.fixture
def still(world: World) -> World:
    """The world when every change in it has been seen to."""
    settle(world)
    return world


def settle(world: World) -> None:
    world.conn.execute("delete from agent.client_changes")
    world.conn.execute("update agent.client_watches set due_at = null")


def noted(world: World) -> set[Any]:
    found = {row[0] for row in world.conn.execute(CHANGES)}
    world.conn.execute("delete from agent.client_changes")
    return found


def sweeps(world: World, limit: int = 9) -> list[dict[str, Any]]:
    return world.worker.rpc("claim_jobs", p_kinds=["sweep"], p_limit=limit)


ROWS = {
    "activities": ("(client_id, type) values (%s, 'note')", "subject = 'X'"),
    "deals": ("(client_id, title) values (%s, 'X')", "amount = 3"),
    "tasks": ("(client_id, title) values (%s, 'X')", "status = 'done'"),
    "orders": ("(client_id, order_number, total) values (%s, gen_random_uuid()::text, 1)", "total = 3"),
}


@pytest.mark.parametrize("table", ROWS)
def test_a_change_of_a_record_is_noted_for_its_clients_owner(still: World, table: str) -> None:
    values, change = ROWS[table]
    acme = still.clients["Acme"]
    still.person("ada").sql(f"insert into public.{table} {values}", acme)
    assert still.conn.execute(CHANGES).fetchall() == [(acme, still.users["ada"])]
    still.conn.execute("delete from agent.client_changes")
    still.person("ada").sql(f"update public.{table} set {change}")
    assert noted(still) == {acme}
    still.person("ada").sql(f"delete from public.{table}")
    assert noted(still) == {acme}


def test_a_record_that_moves_to_another_client_is_noted_for_both(still: World) -> None:
    still.conn.execute("insert into public.tasks (client_id, title) values (%s, 'X')", [still.clients["Acme"]])
    noted(still)
    still.conn.execute("update public.tasks set client_id = %s", [still.clients["Bolt"]])
    assert noted(still) == {still.clients["Acme"], still.clients["Bolt"]}


def test_many_rows_of_one_statement_are_one_note_a_client(still: World) -> None:
    still.conn.execute(
        "insert into public.activities (client_id, type) "
        "select id, 'note' from public.clients cross join generate_series(1, 500)"
    )
    assert still.value("select count(*) from agent.client_changes") == 2


def test_what_belongs_to_no_client_or_nobody_is_passed_over(still: World) -> None:
    orphan = still.add_client("Orphan", None)
    still.conn.execute("insert into public.deals (client_id, title) values (null, 'X'), (%s, 'X')", [orphan])
    assert noted(still) == set()


def test_a_new_client_and_one_that_changes_hands_are_noted_for_old_and_new_owners(still: World) -> None:
    client = still.add_client("Newco", "ada")
    (job,) = sweeps(still)
    still.agent(job).rpc("complete_sweep_job")
    settle(still)
    still.conn.execute("update public.clients set owner_id = %s where id = %s", [still.users["bob"], client])
    assert set(still.conn.execute(CHANGES).fetchall()) == {(client, still.users["bob"]), (client, still.users["ada"])}


def test_two_writers_of_the_same_client_do_not_wait_for_each_other(still: World, database: Any) -> None:
    insert = "insert into public.tasks (client_id, title) values (%s, 'X')"
    with database.connect() as one, database.connect() as other:
        other.execute("set lock_timeout = '2s'")
        with one.transaction():
            one.execute(insert, [still.clients["Acme"]])
            other.execute(insert, [still.clients["Acme"]])
    assert still.value("select count(*) from agent.client_changes") == 2


def test_a_role_of_the_hosts_without_rights_on_ours_can_still_write(still: World) -> None:
    with still.conn.transaction(force_rollback=True):
        still.conn.execute("create role integration; grant integration to postgres")
        still.conn.execute("grant insert on public.tasks to integration")
        still.conn.execute(
            "create policy all_of_integration on public.tasks to integration using (true) with check (true)"
        )
        still.conn.execute("set local role integration")
        still.conn.execute("insert into public.tasks (client_id, title) values (%s, 'X')", [still.clients["Acme"]])
        still.conn.execute("reset role")
        assert noted(still) == {still.clients["Acme"]}


def test_the_first_change_notifies_and_those_that_follow_do_not(still: World, database: Any) -> None:
    insert = "insert into public.tasks (client_id, title) values (%s, 'X')"
    with database.connect() as listener:
        listener.execute("listen agent_jobs")
        for _ in range(3):
            still.conn.execute(insert, [still.clients["Acme"]])
        still.conn.execute(insert, [still.clients["Bolt"]])
        told = list(listener.notifies(timeout=0.5))
    assert [notification.payload for notification in told] == ["", ""], "one for each owner"


def test_the_first_change_is_due_at_once_and_those_of_the_next_five_seconds_together(still: World) -> None:
    insert = "insert into public.tasks (client_id, title) values (%s, 'X')"
    still.conn.execute(insert, [still.clients["Acme"]])
    (job,) = sweeps(still)
    still.conn.execute(insert, [still.clients["Acme"]])
    assert sweeps(still) == [], "it reads that when it begins"
    still.agent(job).rpc("complete_sweep_job")
    assert still.value("select count(*) from agent.client_changes") == 0
    for _ in range(3):
        still.conn.execute(insert, [still.clients["Acme"]])
        assert sweeps(still) == []
    waits = still.value(
        "select extract(epoch from due_at - now()) from agent.jobs where kind = 'sweep' and state = 'queued'"
    )
    assert 0 < waits <= 5
    still.conn.execute("update agent.jobs set due_at = now() where state = 'queued'")
    (job,) = sweeps(still)
    assert still.agent(job).rpc("complete_sweep_job")[0]["complete_sweep_job"]["clients"] == 1


def test_what_comes_while_a_sweep_evaluates_has_the_next_one_queued(still: World, database: Any) -> None:
    insert = "insert into public.tasks (client_id, title) values (%s, 'X')"
    still.conn.execute(insert, [still.clients["Acme"]])
    (job,) = sweeps(still)
    agent = still.agent(job)
    with database.connect() as beside, agent.transaction("/rpc/complete_sweep_job") as cursor:
        cursor.execute("select agent.begin_evaluation_v1(null)")
        beside.execute(insert, [still.clients["Acme"]])
        cursor.execute("select agent.finish_sweep_v1('{}')")
    states = still.conn.execute("select state from agent.jobs where kind = 'sweep' order by created_at").fetchall()
    assert states == [("done",), ("queued",)]


def test_time_makes_due_what_was_known_to_come(still: World) -> None:
    acme = still.clients["Acme"]
    still.conn.execute(
        "insert into public.tasks (client_id, title, due_at) values (%s, 'X', now() + interval '3 days')", [acme]
    )
    (job,) = sweeps(still)
    assert still.agent(job).rpc("complete_sweep_job")[0]["complete_sweep_job"]["written"] == 0
    watch = "select due_at = (select due_at from public.tasks) from agent.client_watches where client_id = %s"
    assert still.value(watch, acme) is True
    assert sweeps(still) == []
    # As if three days had passed.
    still.conn.execute("update public.tasks set due_at = due_at - interval '3 days 1 second'")
    still.conn.execute("delete from agent.client_changes")
    still.conn.execute("update agent.client_watches set due_at = due_at - interval '3 days 1 second'")
    (job,) = sweeps(still)
    assert still.agent(job).rpc("complete_sweep_job")[0]["complete_sweep_job"]["written"] == 1


def test_completing_again_is_the_same_and_evaluates_nothing(still: World) -> None:
    still.conn.execute("insert into public.tasks (client_id, title) values (%s, 'X')", [still.clients["Acme"]])
    (job,) = sweeps(still)
    first = still.agent(job).rpc("complete_sweep_job")[0]["complete_sweep_job"]
    assert still.agent(job).rpc("complete_sweep_job")[0]["complete_sweep_job"] == {"job_id": first["job_id"]}


def test_two_sweeps_of_one_user_take_turns(still: World, database: Any) -> None:
    """The second waits at the first one's row, and then finds nothing that is left."""
    insert = "insert into public.tasks (client_id, title) values (%s, 'X')"
    still.conn.execute(insert, [still.clients["Acme"]])
    with database.connect() as beside:
        beside.execute("set lock_timeout = '300ms'")
        with still.person("ada").transaction("/rpc/list_suggestions") as cursor:
            cursor.execute("select agent.begin_evaluation_v1(%s)", [still.clients["Acme"]])
            other = type(still.person("ada"))(beside, "authenticated", still.person("ada").claims)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.rpc("list_suggestions", p_client_id=still.clients["Acme"])


def test_a_sweep_sees_its_users_clients_while_it_evaluates_and_only_then(still: World, refused: Any) -> None:
    insert = "insert into public.tasks (client_id, title) values (%s, 'X')"
    still.conn.execute(insert, [still.clients["Acme"]])
    (job,) = sweeps(still)
    agent = still.agent(job)
    with refused("PT403", "agent_refused"):
        agent.sql("select id from public.clients", path="/clients")
    with agent.transaction("/rpc/complete_sweep_job") as cursor:
        assert cursor.execute("select id from public.clients").fetchall() == []
        cursor.execute("select agent.begin_evaluation_v1(null)")
        assert cursor.execute("select id from public.clients").fetchall() == [{"id": still.clients["Acme"]}]
        cursor.execute("select agent.evaluate_v1(array[%s]::uuid[])", [still.clients["Acme"]])
        assert cursor.execute("select id from public.clients").fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege), cursor.connection.transaction():
            cursor.execute("update public.clients set name = 'taken'")


def test_a_sweep_that_fails_for_good_is_left_alone_for_a_while(still: World) -> None:
    still.conn.execute("insert into public.tasks (client_id, title) values (%s, 'X')", [still.clients["Acme"]])
    (job,) = sweeps(still)
    still.worker.rpc("fail_job", p_job_token=job["token"], p_code="access_lost")
    assert sweeps(still) == []
    still.conn.execute("update agent.jobs set finished_at = now() - interval '6 minutes' where kind = 'sweep'")
    assert len(sweeps(still)) == 1


def test_a_deleted_user_is_not_swept_for(still: World) -> None:
    still.conn.execute("insert into public.tasks (client_id, title) values (%s, 'X')", [still.clients["Acme"]])
    still.conn.execute(
        "update auth.users set banned_until = now() + interval '1 day' where id = %s", [still.users["ada"]]
    )
    assert sweeps(still) == []


def test_the_pipelines_pace_is_computed_once_an_hour(world: World) -> None:
    world.conn.execute(
        "insert into public.deals (client_id, title, stage, opened_at, closed_at) "
        "select %s, 'D' || n, 'won', now() - interval '40 days', now() - make_interval(days => n) "
        "from generate_series(1, 4) as n",
        [world.clients["Acme"]],
    )
    world.worker.rpc("run_maintenance", p_task="sweep")
    found = world.one("select won, days_to_win_p25, p75_days from agent.stage_statistics where stage = '*'")
    # 36, 37, 38 and 39 days: by linear interpolation between the ranks
    assert (found["won"], float(found["days_to_win_p25"]), float(found["p75_days"])) == (4, 36.75, 38.25)
    assert world.value("select count(*) from agent.stage_statistics where stage = '*'") == 1
    world.conn.execute("delete from public.deals")
    world.conn.execute("update agent.maintenance_runs set ran_at = now() - interval '31 seconds' where task = 'sweep'")
    world.worker.rpc("run_maintenance", p_task="sweep")
    assert world.value("select won from agent.stage_statistics where stage = '*'") == 4
    world.conn.execute("update agent.maintenance_runs set ran_at = now() - interval '2 hours'")
    world.worker.rpc("run_maintenance", p_task="sweep")
    assert world.value("select count(*) from agent.stage_statistics") == 0


def test_a_worker_of_before_claims_no_sweep(still: World) -> None:
    still.conn.execute("insert into public.tasks (client_id, title) values (%s, 'X')", [still.clients["Acme"]])
    assert still.worker.rpc("claim_jobs", p_kinds=["draft", "send"], p_limit=9) == []
    assert still.value("select count(*) from agent.jobs where kind = 'sweep'") == 0
    assert isinstance(uuid.UUID(str(sweeps(still)[0]["job_id"])), uuid.UUID)
