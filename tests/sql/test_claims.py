"""Taking a job: turns between people, one lease and one fence at a time, and an empty answer that means empty."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

import jwt
import psycopg
import pytest


def uncapped(world: Any) -> Any:
    world.conn.execute(
        "update public.ai_settings set open_jobs_per_user = 1000, daily_jobs_per_user = 10000, drafts_per_minute = 1000"
    )
    return world


def whose(world: Any, jobs: list[dict[str, Any]]) -> list[str]:
    names = {user: name for name, user in world.users.items()}
    return [names[job["user_id"]] for job in jobs]


def expire(world: Any, job: dict[str, Any]) -> None:
    world.conn.execute("update agent.jobs set due_at = now() - interval '1 second' where id = %s", [job["job_id"]])


def job_row(world: Any, job_id: uuid.UUID) -> dict[str, Any]:
    return world.one("select * from agent.jobs where id = %s", job_id)


def request_row(world: Any, job_id: uuid.UUID) -> dict[str, Any]:
    return world.one("select * from public.ai_draft_requests where job_id = %s", job_id)


def test_a_claimed_job_carries_all_that_writing_takes(world: Any) -> None:
    request = world.request(p_hints="Mention the fair.")
    (job,) = world.claim(lease=60)
    assert job["job_id"] == request["job_id"]
    assert (job["kind"], job["attempt"], job["max_attempts"], job["fence"]) == ("draft", 1, 5, 1)
    assert (job["user_id"], job["client_id"]) == (world.users["ada"], world.clients["Acme"])
    assert job["payload"]["hints"] == "Mention the fair."
    assert job["limits"] == {"max_output_tokens": 1024, "deadline_seconds": 120}
    left = (job["lease_expires_at"] - world.value("select now()")).total_seconds()
    assert 55 < left <= 60
    assert request_row(world, job["job_id"])["state"] == "running"
    assert world.claim() == []


def test_every_claim_is_in_the_audit_with_the_key_that_made_it(world: Any) -> None:
    world.request()
    (job,) = world.claim()
    audited = world.one("select * from agent.audit_log where action = 'job_claimed'")
    assert (audited["actor"], audited["actor_id"]) == ("worker", world.worker_jti)
    assert (audited["job_id"], audited["client_id"]) == (job["job_id"], world.clients["Acme"])
    assert audited["details"] == {"user_id": str(world.users["ada"]), "attempt": 1}


def test_an_attempt_whose_worker_vanished_is_on_the_books(world: Any) -> None:
    world.request(p_purpose="check_in")
    world.claim()
    world.conn.execute("update agent.jobs set due_at = now() - interval '1 second'")
    (job,) = world.claim()
    booked = world.one("select job_id, attempt, purpose, provider, outcome, input_tokens from public.ai_interactions")
    assert booked == {
        "job_id": job["job_id"], "attempt": 1, "purpose": "draft.check_in", "provider": "none",
        "outcome": "lease_expired", "input_tokens": 0,
    }  # fmt: skip


@pytest.mark.parametrize("batches", [[1, 1], [10]])
def test_with_50_jobs_of_ada_waiting_bobs_is_among_the_first_two(world: Any, batches: list[int]) -> None:
    uncapped(world).ask("ada", "Acme", 50)
    world.ask("bob", "Bolt", 1)
    order = [name for limit in batches for name in whose(world, world.claim(limit))]
    assert "bob" in order[:2]


def test_bob_has_the_next_turn_when_half_of_adas_are_taken(world: Any) -> None:
    uncapped(world).ask("ada", "Acme", 50)
    world.claim(25)
    world.ask("bob", "Bolt", 1)
    assert "bob" in whose(world, world.claim(2))


def test_a_newcomer_after_the_queue_ran_empty_starves_nobody(world: Any) -> None:
    uncapped(world).ask("ada", "Acme", 20)
    for job in world.claim(20):
        world.complete(job)
    for who, client in [("ada", "Acme"), ("bob", "Bolt")]:
        world.ask(who, client, 5)
    order = whose(world, world.claim(10))
    for turn in range(0, 10, 2):
        assert set(order[turn : turn + 2]) == {"ada", "bob"}


def test_a_job_that_waits_for_its_next_attempt_lets_no_newcomer_pass(world: Any) -> None:
    uncapped(world).ask("ada", "Acme", 20)
    world.add_user("carol")
    world.add_client("Crux", "carol")
    first, *others = world.claim(20)
    for job in others:
        world.complete(job)
    world.ask("bob", "Bolt", 3)
    world.worker.rpc("fail_job", p_job_token=first["token"], p_code="provider_unavailable", p_retry_after_seconds=600)
    world.ask("carol", "Crux", 3)
    assert set(whose(world, world.claim(2))) == {"bob", "carol"}


def test_a_job_taken_out_of_turn_moves_nobody_back(world: Any) -> None:
    uncapped(world).ask("ada", "Acme", 20)
    mine = world.request("ada", p_interactive=True)
    world.worker.rpc("claim_job", p_job_id=mine["job_id"])
    world.ask("bob", "Bolt", 1)
    assert "bob" in whose(world, world.claim(2))


def test_a_lease_that_ran_out_gives_the_job_to_another_under_a_higher_fence(world: Any, refused: Any) -> None:
    world.request()
    (late,) = world.claim()
    expire(world, late)
    (taken,) = world.claim()
    assert (taken["job_id"], taken["attempt"], taken["fence"]) == (late["job_id"], 2, late["fence"] + 1)
    with refused("PT409", "stale_fence"):
        world.worker.rpc("heartbeat_job", p_job_token=late["token"])
    with refused("PT409", "stale_fence"):
        world.complete(late)
    assert world.complete(taken)


def test_a_job_whose_workers_all_vanished_is_a_dead_letter_that_says_why(world: Any) -> None:
    request = world.request()
    for attempt in range(1, 6):
        (job,) = world.claim()
        assert job["attempt"] == attempt
        expire(world, job)
    assert world.claim() == []
    row, told = job_row(world, request["job_id"]), request_row(world, request["job_id"])
    assert (row["state"], row["failure_code"]) == ("failed", "attempts_exhausted")
    assert told["state"] == "failed"
    assert told["error"] == "This could not be written after several attempts. You can ask again."
    assert world.value("select count(*) from agent.audit_log where action = 'job_failed'") == 1
    assert world.request()["id"] != request["id"]


@pytest.mark.parametrize("column", ["banned_until = now() + interval '1 day'", "deleted_at = now()"])
def test_a_banned_users_job_is_cancelled_with_the_reason(world: Any, column: str) -> None:
    request = world.request(p_hints="Mention the fair.")
    world.conn.execute(f"update auth.users set {column}")
    assert world.claim() == []
    row, told = job_row(world, request["job_id"]), request_row(world, request["job_id"])
    assert (row["state"], row["failure_code"], row["finished_at"] is not None) == ("cancelled", "user_inactive", True)
    assert (told["state"], told["error"]) == ("cancelled", "The account that asked for this is closed or banned.")


def test_a_deleted_users_job_is_cancelled_and_keeps_nothing_they_wrote(world: Any) -> None:
    request = world.request(p_hints="Mention the fair.")
    world.conn.execute("delete from auth.users where id = %s", [world.users["ada"]])
    assert world.claim() == []
    row = job_row(world, request["job_id"])
    assert (row["state"], row["user_id"], "hints" in row["payload"]) == ("cancelled", world.users["ada"], False)


def test_closed_jobs_do_not_hide_those_behind_them(world: Any) -> None:
    for number in range(7):
        name = f"Gone{number}"
        world.add_user(name)
        world.add_client(name, name)
        world.request(name, name)
        world.conn.execute("update auth.users set banned_until = 'infinity' where id = %s", [world.users[name]])
    world.request("ada")
    assert whose(world, world.claim(1)) == ["ada"]
    assert world.claim(50) == []
    assert world.value("select count(*) from agent.jobs where state = 'cancelled'") == 7


@pytest.mark.drill
def test_eight_claimers_take_each_of_200_jobs_once(world: Any, race: Any) -> None:
    asked = uncapped(world).ask("ada", "Acme", 120) + world.ask("bob", "Bolt", 80)

    def take(mine: Any, _: int) -> list[dict[str, Any]]:
        taken: list[dict[str, Any]] = []
        while jobs := mine.claim(7):
            taken += jobs
        return taken

    taken = [job for jobs in race(8, take) for job in jobs]
    assert Counter(job["job_id"] for job in taken) == Counter(asked)
    assert {job["fence"] for job in taken} == {1}


@pytest.mark.drill
def test_one_job_goes_to_one_of_sixteen(world: Any, race: Any) -> None:
    held = world.request(p_interactive=True)["job_id"]
    results = race(16, lambda mine, _: mine.worker.rpc("claim_job", p_job_id=held))
    assert sorted(len(jobs) for jobs in results) == [0] * 15 + [1]


def test_claim_job_ignores_the_delay_and_takes_nothing_that_is_held(world: Any) -> None:
    mine = world.request(p_interactive=True)["job_id"]
    world.request("bob", "Bolt")

    def claim_job(job_id: uuid.UUID | None) -> list[dict[str, Any]]:
        return world.worker.rpc("claim_job", p_job_id=job_id, p_lease_seconds=60)

    (job,) = claim_job(mine)
    assert (job["job_id"], job["interactive"]) == (mine, True)
    assert claim_job(mine) == []
    expire(world, job)
    (again,) = claim_job(mine)
    assert again["fence"] == 2
    world.complete(again)
    assert claim_job(mine) == []
    assert claim_job(uuid.uuid4()) == claim_job(None) == []
    assert len(world.claim(10)) == 1


def test_kinds_filter(world: Any) -> None:
    world.request()
    claimed = [len(world.worker.rpc("claim_jobs", p_kinds=[kind])) for kind in ("send", "draft", "sweep")]
    assert claimed == [0, 1, 1]
    assert world.worker.rpc("claim_jobs", p_kinds=[]) == []


def beat(world: Any, job: dict[str, Any], seconds: int = 60) -> dict[str, Any]:
    return world.worker.rpc("heartbeat_job", p_job_token=job["token"], p_lease_seconds=seconds)[0]


def test_a_heartbeat_extends_the_lease_under_the_same_fence(world: Any) -> None:
    world.request()
    (job,) = world.claim(lease=10)
    fresh = beat(world, job, 300)
    assert (fresh["lease_expires_at"] - job["lease_expires_at"]).total_seconds() > 280
    claims = jwt.decode(fresh["token"], options={"verify_signature": False})
    assert (claims["fence"], claims["exp"]) == (job["fence"], int(fresh["lease_expires_at"].timestamp()))
    assert world.claim() == []
    assert world.complete({**job, "token": fresh["token"]})


def test_a_closed_job_has_no_heartbeat(world: Any, refused: Any) -> None:
    world.request()
    (job,) = world.claim()
    world.complete(job)
    with refused("PT409", "stale_fence", match="done"):
        beat(world, job)


def test_a_job_is_held_for_30_minutes_at_most(world: Any, refused: Any) -> None:
    world.request()
    (job,) = world.claim()
    world.conn.execute("update agent.jobs set claimed_at = clock_timestamp() - interval '29 minutes'")
    last = beat(world, job, 300)
    assert last["lease_expires_at"] == world.value("select claimed_at + interval '30 minutes' from agent.jobs")
    world.conn.execute("update agent.jobs set claimed_at = clock_timestamp() - interval '30 minutes'")
    with refused("PT409", "lease_limit"):
        beat(world, job)


def test_a_claim_is_of_1_to_50_jobs(world: Any, refused: Any) -> None:
    for value in (0, 51, -1, None):
        with refused("PT400", "invalid_argument", match="p_limit"):
            world.worker.rpc("claim_jobs", p_limit=value)


@pytest.mark.parametrize("value", [9, 301, None])
def test_a_lease_is_of_10_to_300_seconds(world: Any, refused: Any, value: int | None) -> None:
    world.request()
    (job,) = world.claim()
    for function, arguments in [
        ("claim_jobs", {}),
        ("claim_job", {"p_job_id": job["job_id"]}),
        ("heartbeat_job", {"p_job_token": job["token"]}),
    ]:
        with refused("PT400", "invalid_argument", match="p_lease_seconds"):
            world.worker.rpc(function, **arguments, p_lease_seconds=value)


def revoke(world: Any) -> dict[str, Any]:
    assert world.value("select agent.revoke_worker_key(%s)", world.worker_jti) is True
    return {"jti": str(world.worker_jti)}


def run_out(world: Any) -> dict[str, Any]:
    world.conn.execute("update agent.worker_keys set expires_at = now()")
    return {"jti": str(world.worker_jti)}


@pytest.mark.parametrize(
    "claims_after",
    [
        revoke,
        run_out,
        lambda _: {"jti": str(uuid.uuid4())},
        lambda _: {},
        lambda world: {"jti": str(world.worker_jti), "act": None},
    ],
    ids=["revoked", "expired", "unknown", "none", "agent"],
)
def test_a_key_that_is_not_live_does_nothing(world: Any, refused: Any, claims_after: Any) -> None:
    world.request()
    (job,) = world.claim()
    expire(world, job)
    claims = claims_after(world)
    before = world.one("select * from agent.jobs where id = %s", job["job_id"])
    calls: list[tuple[str, dict[str, Any]]] = [
        ("claim_jobs", {}),
        ("claim_job", {"p_job_id": job["job_id"]}),
        ("heartbeat_job", {"p_job_token": job["token"]}),
        ("fail_job", {"p_job_token": job["token"], "p_code": "refused"}),
    ]
    for hook in (True, False):
        expected = ("PT403", "agent_refused") if hook and "act" in claims else ("PT401", "worker_key_refused")
        for function, arguments in calls:
            with refused(*expected):
                world.caller("agent_worker", hook=hook, **claims).rpc(function, **arguments)
    assert world.one("select * from agent.jobs where id = %s", job["job_id"]) == before


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_nobody_but_a_worker_claims(world: Any, role: str) -> None:
    world.request()
    caller = world.person("ada") if role == "authenticated" else world.caller(role, jti=str(world.worker_jti))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        caller.rpc("claim_jobs")
