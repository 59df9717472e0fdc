"""The agent's job is found by its key, however many jobs there are and whatever plan the session has kept."""

from __future__ import annotations

from typing import Any

FULL_SCANS = "select coalesce(sum(seq_scan), 0) from pg_stat_xact_all_tables where relid = 'agent.jobs'::regclass"


def test_no_request_of_the_agent_looks_at_every_job(any_world: Any) -> None:
    world = any_world
    world.request()
    (job,) = world.claim()
    world.conn.execute("analyze agent.jobs")  # one row: a full scan looks cheapest, and a kept plan would stay that way
    agent = world.agent(job)
    for _ in range(8):  # after five uses Postgres may keep a plan
        agent.rpc("get_client_context", p_client_id=job["client_id"], p_days=30)
    (before,) = world.conn.execute(FULL_SCANS).fetchone()
    with agent.transaction("/rpc/complete_draft_job") as cursor:
        cursor.execute("select public.get_client_context(%s, 30), public.complete_draft_job('Hello.', 'Subject')",
                       [job["client_id"]])  # fmt: skip
        cursor.execute("reset role")
        scans = cursor.execute(FULL_SCANS).fetchone()
    assert scans == {"coalesce": before}
