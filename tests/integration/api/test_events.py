"""The caller's own changes: nobody else's, none missing, from where one stopped."""

import asyncio
import contextlib
import queue
import socket
import threading
import time

import httpx
import pytest

from agent_service.api.auth import Caller
from agent_service.api.changes import STREAMS_PER_USER, Changes
from tests.integration.api.conftest import drafted, events_of


class Listening:
    """A stream that is read in a thread."""

    def __init__(self, somebody, **headers):
        self.events = queue.Queue()
        self._somebody, self._headers = somebody, headers
        self._thread = threading.Thread(target=self._read, daemon=True)

    def _read(self):
        with contextlib.suppress(httpx.HTTPError, httpx.StreamError, OSError):  # closed while it is read
            for event in events_of(self._response):
                self.events.put(event)

    def __enter__(self):
        self._open = self._somebody.http.stream("GET", "/api/ai/events", headers=self._headers)
        self._response = self._open.__enter__()
        self._thread.start()
        assert self.events.get(timeout=5)[0] == "ready"
        return self

    def __exit__(self, *_):
        sock = self._response.extensions["network_stream"].get_extra_info("socket")
        sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)
        self._open.__exit__(None, None, None)

    def next(self, timeout=5):
        return self.events.get(timeout=timeout)

    def until(self, kind, state):
        while True:
            name, data, event_id = self.next()
            if (name, data["state"]) == (kind, state):
                return data, event_id


def test_a_change_is_told_to_its_owner_and_to_nobody_else(ada, bob):
    with Listening(ada) as mine, Listening(bob) as theirs:
        draft = drafted(ada, draftType="memo")
        data, event_id = mine.until("draft", "pending")
        assert data == {
            "id": draft["id"],
            "clientId": ada.client_id,
            "state": "pending",
            "requestId": draft["requestId"],
            "version": 1,
            "sentAt": None,
            "updatedAt": data["updatedAt"],
        }
        assert event_id.endswith((f"/{draft['id']}", f"/{draft['requestId']}"))
        ada.http.post(f"/api/ai/drafts/{draft['id']}/reject", json={})
        mine.until("draft", "rejected")
        with pytest.raises(queue.Empty):
            theirs.next(timeout=1.5)


def test_one_goes_on_behind_the_last_event(ada, sql):
    with Listening(ada) as first:
        one = drafted(ada, draftType="memo")
        _, event_id = first.until("draft", "pending")
    two = drafted(ada, draftType="note")
    seen = set()
    with Listening(ada, **{"Last-Event-ID": event_id}) as again:
        while two["id"] not in seen:
            name, data, _ = again.next()
            seen |= {data["id"]} if name == "draft" else set()
    assert seen <= {one["id"], two["id"]}


def test_one_whose_transaction_took_longer_is_told_of(ada, sql):
    draft = drafted(ada, draftType="memo")
    with Listening(ada) as listening, contextlib.ExitStack() as ends:
        ends.enter_context(sql.transaction())  # began before, ends after
        touch = "update public.ai_drafts set updated_at = now() where id = %s"
        sql.execute(touch, [draft["id"]])
        other = drafted(ada, draftType="note")
        listening.until("draft", "pending")
        time.sleep(1.2)
        ends.close()
        while (event := listening.next())[1]["id"] != draft["id"]:
            assert event[1]["id"] in (other["id"], other["requestId"])


@pytest.mark.parametrize(
    "event_id", ["x", "2026-11-23T09:00:00+00:00/x", "9999-99-99T09:00:00+00:00/" + "a" * 36, "' or 1=1 --"]
)
def test_an_id_that_is_none_of_ours_is_refused(ada, event_id):
    answer = ada.http.get("/api/ai/events", headers={"Last-Event-ID": event_id})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


def test_a_person_has_so_many_streams_and_gets_their_places_back(ada, api):
    with contextlib.ExitStack() as stack:
        for _ in range(STREAMS_PER_USER):
            response = stack.enter_context(ada.http.stream("GET", "/api/ai/events"))
            assert response.status_code == 200
        refused = ada.http.get("/api/ai/events")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert int(refused.headers["retry-after"]) > 0
    ends_at = time.monotonic() + 5
    while api.services.listeners[ada.person.id]:
        assert time.monotonic() < ends_at
        time.sleep(0.02)
    with ada.http.stream("GET", "/api/ai/events") as response:
        assert response.status_code == 200


def test_a_stream_ends_with_its_token(ada, api):
    caller = Caller(ada.person.id, ada.person.token, time.time() + 1)

    async def read():
        changes = Changes(api.services, caller)
        await changes.open()
        try:
            return [event async for event in changes.events()]
        finally:
            changes.close()

    ready, *_, last = asyncio.run_coroutine_threadsafe(read(), api.services.loop).result(10)
    assert ready.startswith(b"event: ready")
    assert last.startswith(b"event: problem")
    assert b"token_expired" in last
