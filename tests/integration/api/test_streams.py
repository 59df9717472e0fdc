"""Drafts as they are written: the events, a reader who leaves, a server that is told to stop."""

import threading
import time

import httpx
import pytest

from tests.double.faults import EndsEarly
from tests.integration.api.conftest import asking, events_of

SSE = {"Accept": "text/event-stream"}
SECONDS = 1.0


@pytest.fixture
def eve(signed, model_api):
    return signed(model_api)


def stream(somebody, **more):
    return somebody.http.stream("POST", "/api/ai/drafts/generate", json=asking(somebody, **more), headers=SSE)


def wait_for(check, seconds=10.0):
    ends_at = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < ends_at, "it did not come to pass"
        time.sleep(0.02)


def test_the_events_in_their_order_and_the_draft_that_was_stored(eve, double):
    with stream(eve) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store, no-transform"
        events = list(events_of(response))
    names = [name for name, _, _ in events]
    assert names[:2] == ["accepted", "context"]
    assert names[-2:] == ["checks", "draft"]
    deltas = [data["delta"] for name, data, _ in events if name == "text"]
    assert len(deltas) > 3
    assert set(names[2:-2]) == {"text"}
    told = {name: data for name, data, _ in events}
    assert told["context"]["records"] == {"contacts": 1, "activities": 1, "deals": 1, "tasks": 0, "orders": 0}
    draft = eve.http.get(f"/api/ai/requests/{told['accepted']['requestId']}").json()["draft"]
    assert draft["content"] == told["draft"]["content"]
    assert draft["generatedContent"].split()[0] == "".join(deltas).split()[0]
    assert 0 <= told["checks"]["score"] <= 1


def test_a_second_try_takes_the_first_ones_text_back(eve, double):
    double.script(EndsEarly())
    with stream(eve) as response:
        names = [name for name, _, _ in events_of(response)]
    assert "restart" in names
    assert names[-1] == "draft"


def test_a_reader_who_leaves_stops_the_model_within_a_second(eve, double, sql):
    with stream(eve) as response:
        events = events_of(response)
        request_id = next(events)[1]["requestId"]
        while next(events)[0] != "text":
            pass
    left_at = time.monotonic()
    (received,) = double.requests
    wait_for(lambda: received.ended is not None)
    assert received.outcome == "client left"
    print(f"the model was left {(received.ended - left_at) * 1000:.0f} ms after the reader had gone")
    assert received.ended - left_at < SECONDS
    wait_for(lambda: eve.http.get(f"/api/ai/requests/{request_id}").json()["state"] == "cancelled")
    settled = (
        "select count(*) filter (where settled_at is null), count(*) from public.ai_interactions where client_id = %s"
    )
    wait_for(lambda: sql.execute(settled, [eve.client_id]).fetchone() == (0, 1))
    assert sql.execute("select count(*) from public.ai_drafts where client_id = %s", [eve.client_id]).fetchone() == (0,)


def test_a_reader_of_json_who_leaves_stops_it_too(eve, double):
    with pytest.raises(httpx.ReadTimeout):
        eve.http.post("/api/ai/drafts/generate", json=asking(eve), timeout=0.5)
    left_at = time.monotonic()
    (received,) = double.requests
    wait_for(lambda: received.ended is not None)
    assert received.outcome == "client left"
    assert received.ended - left_at < SECONDS


def test_a_stop_lets_a_stream_finish_and_ends_those_without_an_end(eve, model_api):
    opened, seen = threading.Event(), []

    def listen():
        with eve.http.stream("GET", "/api/ai/events") as response:
            for event in events_of(response):
                seen.append(event)
                opened.set()

    listening = threading.Thread(target=listen)
    listening.start()
    assert opened.wait(5)
    with stream(eve) as response:
        events = events_of(response)
        next(events)
        model_api.server.handle_exit(15, None)  # what uvicorn does upon SIGTERM
        names = [name for name, _, _ in events]
    assert names[-1] == "draft"
    listening.join(timeout=5)
    assert not listening.is_alive()
    assert seen[0][0] == "ready"


def test_a_closed_request_says_why(eve, double, sql):
    admin = "insert into agent.ai_switches (scope, subject, reason) values ('client', %s, 'Under review.')"
    with stream(eve) as response:
        events = events_of(response)
        next(events)
        sql.execute(admin, [eve.client_id])
        *_, (name, data, _) = events
    assert (name, data["code"]) == ("problem", "request_failed")
    assert "switched off" in data["detail"]


@pytest.fixture
def waiting(eve, on_stack, sql):
    """The job of a request of Eve's that a worker is to do."""

    async def ask(supabase, _):
        row = {"p_client_id": eve.client_id, "p_draft_type": "memo", "p_purpose": "custom"}
        return await supabase.rpc("request_draft", row, token=eve.person.token)

    job_id = on_stack(ask)["job_id"]
    yield job_id
    sql.execute("update agent.jobs set state = 'cancelled', finished_at = now() where id = %s", [job_id])


def test_a_stop_ends_a_tick_and_gives_its_job_back(waiting, model_api, double, stack, sql):
    ended = []

    def tick():
        with model_api.client(stack.worker_key()) as cron:
            ended.append(cron.post("/workers/tick").json())

    ticking = threading.Thread(target=tick)
    ticking.start()
    wait_for(lambda: double.requests)
    model_api.server.handle_exit(15, None)
    ticking.join(timeout=SECONDS)
    assert ended == [{"ended": {"returned": 1}}]
    assert sql.execute("select state from agent.jobs where id = %s", [waiting]).fetchone() == ("queued",)
