"""Consent: newest event counts, who may record it, and that withdrawal reaches what is under way."""

from __future__ import annotations

from typing import Any

import pytest


def record(world: Any, who: str, kind: str = "processing", *, granted: bool = False, **subject: Any) -> dict[str, Any]:
    subject = subject or {"p_client_id": world.clients["Acme"]}
    return dict(world.person(who).rpc("record_consent", p_kind=kind, p_granted=granted, **subject)[0])


def consents(world: Any, kind: str, *, user: str | None = None, client: str | None = "Acme") -> bool:
    ids = world.clients.get(client), world.users.get(user)
    return bool(world.value("select agent.has_consent(%s, %s, %s)", *ids, kind))


@pytest.mark.parametrize(("kind", "default"), [("processing", True), ("email", True), ("training", False)])
def test_without_an_event_the_default_counts_and_then_the_newest(world: Any, kind: str, *, default: bool) -> None:
    assert consents(world, kind) is default
    for granted in (True, False, True):
        record(world, "ada", kind, granted=granted)
        assert consents(world, kind) is granted
    assert consents(world, kind, client="Bolt") is default
    events = world.person("eve").rpc("list_consents", p_client_id=world.clients["Acme"])
    assert [event["granted"] for event in events] == [True, False, True]
    assert {event["recorded_by"] for event in events} == {world.users["ada"]}


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [("{}", True), ('{"email": true}', True), ('{"email": false}', False), ('{"do_not_contact": true}', False)],
)
def test_mail_goes_as_the_crm_prefers_until_somebody_says_otherwise(
    world: Any, preferences: str, *, expected: bool
) -> None:
    world.conn.execute("update public.clients set contact_preferences = %s", [preferences])
    assert consents(world, "email") is expected
    record(world, "ada", "email", granted=not expected)
    assert consents(world, "email") is not expected


def test_both_the_client_and_the_user_must_agree(world: Any) -> None:
    record(world, "ada", "training", granted=True)
    assert consents(world, "training")
    assert not consents(world, "training", user="ada")
    record(world, "ada", "training", granted=True, p_subject_user_id=world.users["ada"])
    assert consents(world, "training", user="ada")
    assert consents(world, "processing", user="ada")
    record(world, "ada", "processing", p_subject_user_id=world.users["ada"])
    assert not consents(world, "processing", user="ada")
    assert not consents(world, "no such kind")


def test_withdrawal_ends_what_is_open_and_refuses_what_is_new(any_world: Any, refused: Any) -> None:
    world = any_world
    (queued, running) = (world.request(), world.request(p_draft_type="memo"))
    (job,) = world.claim()
    record(world, "ada")
    states = world.conn.execute("select distinct state, failure_code from agent.jobs").fetchall()
    assert states == [("cancelled", "consent_withdrawn")]
    for request in (queued, running):
        assert world.value("select error from public.ai_draft_requests where id = %s", request["id"]) == (
            "AI may no longer work on this client's data. Write it yourself."
        )
    with refused("PT409", "stale_fence"):
        world.complete(job)
    with refused("PT403", "consent_withdrawn"):
        world.request(p_draft_type="note")
    assert world.value("select count(*) from public.ai_drafts") == 0
    record(world, "ada", granted=True)
    assert world.request(p_draft_type="note")


def test_a_job_that_slipped_past_the_withdrawal_is_not_completed(world: Any, refused: Any) -> None:
    world.request()
    (job,) = world.claim()
    world.conn.execute(
        "insert into public.ai_consents (client_id, kind, granted) values (%s, 'processing', false)",
        [world.clients["Acme"]],
    )
    with refused("PT403", "consent_withdrawn"):
        world.complete(job)
    world.worker.rpc("fail_job", p_job_token=job["token"], p_code="consent_withdrawn")
    assert world.value("select failure_code from agent.jobs") == "consent_withdrawn"


def test_a_call_of_a_model_is_not_paid_for_once_somebody_withdrew(any_world: Any, refused: Any) -> None:
    world = any_world
    world.request()
    (job,) = world.claim()
    call = {"p_provider": "anthropic", "p_model": "claude-haiku-5-5", "p_input_tokens": 10, "p_output_tokens": 10}
    world.conn.execute(
        "insert into public.ai_consents (client_id, kind, granted) values (%s, 'processing', false)",
        [world.clients["Acme"]],
    )
    with refused("PT403", "consent_withdrawn"):
        world.worker.rpc("reserve_budget", p_job_token=job["token"], **call)
    assert world.value("select count(*) from public.ai_interactions where settled_at is null") == 0
    record(world, "ada", granted=True)
    assert world.worker.rpc("reserve_budget", p_job_token=job["token"], **call)


def test_a_user_withdraws_for_themself_alone(world: Any, refused: Any) -> None:
    record(world, "ada", p_subject_user_id=world.users["ada"])
    with refused("PT403", "consent_withdrawn"):
        world.request()
    assert world.request("bob", "Bolt")
    with refused("PT403", "not_an_admin"):
        record(world, "ada", p_subject_user_id=world.users["bob"])
    assert record(world, "eve", p_subject_user_id=world.users["bob"])


def test_a_completion_that_is_ahead_is_waited_for_and_one_behind_is_refused(world: Any, race: Any) -> None:
    world.request()
    (job,) = world.claim()
    acts = [lambda mine: mine.complete(job), lambda mine: record(mine, "ada")]
    race(2, lambda mine, number: acts[number](mine))
    state = world.value("select state from agent.jobs")
    assert world.value("select count(*) from public.ai_drafts") == (1 if state == "done" else 0)
    assert state in ("done", "cancelled")


def test_only_owner_and_admin_record_it_and_read_it(world: Any, refused: Any) -> None:
    acme = {"p_client_id": world.clients["Acme"]}
    with refused("PT404", "client_not_found"):
        record(world, "bob", **acme)
    with refused("PT404", "client_not_found"):
        world.person("bob").rpc("list_consents", **acme)
    assert record(world, "eve", **acme)["recorded_by"] == world.users["eve"]
    world.conn.execute("delete from auth.sessions where user_id = %s", [world.users["ada"]])
    with refused("PT401", "session_ended"):
        record(world, "ada", granted=True, **acme)


def test_every_faulty_argument_is_told_at_once(world: Any, refused: Any) -> None:
    with refused("PT400", "invalid_argument") as caught:
        world.person("ada").rpc(
            "record_consent", p_kind="x", p_granted=None, p_client_id=world.clients["Acme"], p_reason="x" * 501
        )
    assert all(name in str(caught.value) for name in ("p_kind", "p_granted", "p_reason"))
    for subject in ({}, {"p_client_id": world.clients["Acme"], "p_subject_user_id": world.users["ada"]}):
        with refused("PT400", "invalid_argument"):
            world.person("ada").rpc("record_consent", p_kind="email", p_granted=True, **subject)
