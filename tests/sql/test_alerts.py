"""What admins are told of, once; and what any worker sweeps up."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.rows import dict_row

IN_BATCH = (
    "update public.ai_interactions set is_batch = true; update agent.jobs set state = 'queued', due_at = now() {}"
)
CANARY = "Quxley-Canary"


def alerts(world: Any, kind: str) -> list[dict[str, Any]]:
    with world.conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("select * from public.ai_alerts where kind = %s order by created_at", [kind]).fetchall()


def reserve(world: Any, job: dict[str, Any], tokens: int = 1000) -> None:
    world.worker.rpc(
        "reserve_budget", p_job_token=job["token"], p_provider="anthropic", p_model="claude-haiku-5-5",
        p_input_tokens=tokens, p_output_tokens=tokens,
    )  # fmt: skip


def claimed(world: Any, who: str = "ada", client: str = "Acme", **more: Any) -> dict[str, Any]:
    request = world.request(who, client, **more)
    (job,) = world.worker.rpc("claim_job", p_job_id=request["job_id"], p_lease_seconds=60)
    return dict(job)


def attempts(world: Any, completed: int, failed: int) -> None:
    world.conn.execute(
        "insert into public.ai_interactions (user_id, attempt, purpose, provider, outcome, settled_at) "
        "select %(user)s, 1, 'draft.x', 'anthropic', case when n <= %(completed)s then 'completed' else 'refused' end, "
        "now() from generate_series(1, %(all)s) as n",
        {"user": world.users["ada"], "completed": completed, "all": completed + failed},
    )


def sweep(world: Any) -> dict[str, Any]:
    world.conn.execute("delete from agent.maintenance_runs")
    (row,) = world.worker.rpc("run_maintenance", p_task="sweep")
    return dict(row["run_maintenance"])


def test_eighty_percent_is_told_once_for_each_budget_and_period(world: Any) -> None:
    # 2,000 tokens of haiku: 1,000 x 0.125 (as if written to the cache) + 1,000 x 0.50 = 0.000625 dollars
    world.conn.execute("delete from public.ai_budgets")
    world.conn.execute("insert into public.ai_budgets (scope, period, limit_tokens) values ('user', 'day', 5000)")
    reserve(world, claimed(world))
    assert alerts(world, "budget_80") == []
    reserve(world, claimed(world, p_draft_type="note"))
    (alert,) = alerts(world, "budget_80")
    assert alert["severity"] == "warning"
    assert "used up by 80 %" in alert["message"]
    assert alert["details"]["limit_tokens"] == 5000
    assert alert["details"]["user_id"] == str(world.users["ada"])
    reserve(world, claimed(world, p_draft_type="memo"), tokens=100)
    assert len(alerts(world, "budget_80")) == 1
    world.add_client("Cedar", "bob")
    for draft_type in ("note", "memo"):
        reserve(world, claimed(world, "bob", "Cedar", p_draft_type=draft_type))
    assert len(alerts(world, "budget_80")) == 2  # Bob's is another budget


def test_a_budget_that_is_used_up_is_told_to_admins_and_to_who_asked(world: Any) -> None:
    world.conn.execute("alter table public.ai_budgets alter column limit_usd type numeric(12, 6)")
    world.conn.execute("update public.ai_budgets set limit_usd = 0.0007 where scope = 'user'")
    reserve(world, claimed(world))
    job = claimed(world, p_draft_type="note")
    world.worker.rpc("fail_job", p_job_token=job["token"], p_code="budget_exhausted")
    (alert,) = alerts(world, "budget_100")
    assert (alert["severity"], "used up. It begins anew on" in alert["message"]) == ("critical", True)
    error = world.value("select error from public.ai_draft_requests where job_id = %s", job["job_id"])
    tomorrow = world.value("select to_char((now() at time zone 'UTC')::date + 1, 'YYYY-MM-DD') || ' at 00:00.'")
    assert error.endswith(f"It resumes on {tomorrow}")
    assert alerts(world, "dead_letters") == []


def test_dead_letters_are_counted_within_the_hour(world: Any) -> None:
    for draft_type in ("note", "memo", "task"):
        job = claimed(world, p_draft_type=draft_type)
        world.worker.rpc("fail_job", p_job_token=job["token"], p_code="refused")
    (alert,) = alerts(world, "dead_letters")
    assert alert["count"] == 3
    assert alert["details"]["code"] == "refused"


def test_switched_off_is_no_trouble(world: Any) -> None:
    job = claimed(world)
    world.worker.rpc("fail_job", p_job_token=job["token"], p_code="ai_off")
    assert alerts(world, "dead_letters") == []


@pytest.mark.parametrize(
    ("completed", "failed", "told"),
    [(0, 9, 0), (4, 5, 0), (6, 5, 0), (5, 5, 1), (0, 10, 1)],
    ids=["too few", "too few, half", "less than half", "half of ten", "all of ten"],
)
def test_a_rate_of_errors_is_told(world: Any, completed: int, failed: int, told: int) -> None:
    attempts(world, completed, failed)
    sweep(world)
    found = alerts(world, "error_rate")
    assert len(found) == told
    if found:
        assert found[0]["message"] == f"{failed} of {completed + failed} attempts in 15 minutes failed."


def test_errors_of_long_ago_are_over(world: Any) -> None:
    attempts(world, 0, 20)
    world.conn.execute("update public.ai_interactions set settled_at = now() - interval '16 minutes'")
    sweep(world)
    assert alerts(world, "error_rate") == []


@pytest.mark.parametrize(("minutes", "claimed_before", "told"), [(9, None, 0), (11, None, 1), (11, 5, 0), (30, 12, 1)])
def test_work_that_nobody_takes_is_told(world: Any, minutes: int, claimed_before: int | None, told: int) -> None:
    if claimed_before is not None:
        claimed(world, p_draft_type="note")
        world.conn.execute("update agent.jobs set claimed_at = now() - make_interval(mins => %s)", [claimed_before])
    request = world.request()
    world.conn.execute(
        "update agent.jobs set due_at = now() - make_interval(mins => %s) where id = %s", [minutes, request["job_id"]]
    )
    sweep(world)
    assert len(alerts(world, "silent_worker")) == told


def test_where_no_worker_runs_who_asks_tells(world: Any) -> None:
    """Nobody sweeps then: the next request raises the alert, and the status says it."""
    world.request()
    assert status(world)["state"] == "available"
    world.conn.execute("update agent.jobs set due_at = now() - interval '11 minutes'")
    assert alerts(world, "silent_worker") == []
    world.request(p_draft_type="note")
    assert len(alerts(world, "silent_worker")) == 1
    told = status(world)
    assert (told["state"], told["reason"]) == ("down", "Nobody is writing at the moment: no worker answers.")
    world.claim()
    assert status(world)["state"] == "available"


def status(world: Any) -> dict[str, Any]:
    (row,) = world.person("ada").rpc("agent_status")
    return dict(row["agent_status"])


def test_alerts_are_handed_out_until_they_are_said_to_be_delivered(world: Any) -> None:
    attempts(world, 0, 10)
    sweep(world)

    def handed_out(delivered: list[str] | None = None) -> list[dict[str, Any]]:
        (row,) = world.worker.rpc("run_maintenance", p_task="alerts", p_delivered=f"{{{','.join(delivered or [])}}}")
        return list(row["run_maintenance"]["alerts"])

    (alert,) = handed_out()
    assert alert["kind"] == "error_rate"
    assert handed_out() == [alert]
    assert handed_out([alert["id"]]) == []


def test_the_first_admin_to_see_to_it_stays_on_record(world: Any, refused: Any) -> None:
    attempts(world, 0, 10)
    sweep(world)
    (alert,) = alerts(world, "error_rate")
    world.person("eve").rpc("acknowledge_alert", p_alert_id=alert["id"])
    world.add_user("mel", role="admin")
    world.person("mel").rpc("acknowledge_alert", p_alert_id=alert["id"])
    assert alerts(world, "error_rate")[0]["acknowledged_by"] == world.users["eve"]
    with refused("PT404", "alert_not_found"):
        world.person("eve").rpc("acknowledge_alert", p_alert_id=world.users["eve"])


def test_nothing_that_somebody_wrote_is_in_an_alert_or_outlives_its_request(world: Any) -> None:
    world.conn.execute("update public.clients set name = %s, company = %s", [CANARY, CANARY])
    world.conn.execute("update public.contacts set name = %s", [CANARY])
    world.conn.execute("update public.profiles set full_name = %s", [CANARY])
    job = claimed(world, p_hints=f"Ask about {CANARY}")
    waiting = world.request(p_draft_type="note", p_hints=f"Mention {CANARY}")
    world.worker.rpc("fail_job", p_job_token=job["token"], p_code="refused")
    attempts(world, 0, 10)
    sweep(world)
    assert waiting["hints"] == f"Mention {CANARY}"
    for table in ("public.ai_alerts", "agent.jobs", "agent.audit_log", "public.ai_interactions"):
        assert world.value(f"select count(*) from {table} as t where t::text like %s", f"%{CANARY}%") == 0, table
    assert world.value("select count(*) from public.ai_alerts") >= 2


@pytest.mark.parametrize(
    ("change", "settled"),
    [
        ("select", 0),
        ("update agent.jobs set due_at = now() - interval '14 minutes'", 0),
        ("update agent.jobs set due_at = now() - interval '16 minutes'", 1),
        ("update agent.jobs set state = 'queued', due_at = now()", 1),
        ("update agent.jobs set state = 'cancelled', finished_at = now()", 1),
        ("delete from agent.jobs", 1),
        (IN_BATCH.format("+ interval '20 hours'"), 0),
        (IN_BATCH.format("- interval '16 minutes'"), 1),
    ],
    ids=["running", "lease just over", "lease long over", "queued", "cancelled", "gone", "batch", "batch long over"],
)  # fmt: skip
def test_money_that_nobody_will_settle_is_settled_at_its_estimate(world: Any, change: str, settled: int) -> None:
    job = claimed(world)
    reserve(world, job)
    world.conn.execute(change)
    assert sweep(world)["settled"] == settled
    spent, held = world.one(
        "select spent_usd, reserved_usd from agent.ledger where scope = 'user' and period = 'day'"
    ).values()
    estimate = world.value("select reserved_usd from public.ai_interactions")
    assert (spent, held) == ((estimate, 0) if settled else (0, estimate))


def test_of_all_workers_one_sweeps(world: Any, race: Any) -> None:
    def run(mine: Any, _: int) -> bool:
        (row,) = mine.worker.rpc("run_maintenance", p_task="sweep")
        return bool(row["run_maintenance"]["ran"])

    assert sum(race(16, run)) == 1
    world.conn.execute("update agent.maintenance_runs set ran_at = now() - interval '31 seconds'")
    assert sum(race(16, run)) == 1
