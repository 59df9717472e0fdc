"""The API as a process of its own: told to stop, and killed in the middle of streams."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest

from tests.double import KEY, Double, Pace
from tests.integration.api.conftest import asking, events_of

SSE = {"Accept": "text/event-stream"}
STREAMS = int(os.environ.get("AGENT_KILL_STREAMS", "8"))  # the drill's full size is 50


@contextlib.contextmanager
def served(stack, double, port):
    env = os.environ | stack.env() | {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": double.url}
    code = (
        "from agent_service.llm import anthropic; anthropic.ALLOW_REAL_REQUESTS = True; "
        "import sys; from agent_service.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "serve", "--port", str(port), "--grace-seconds", "15"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        base = f"http://127.0.0.1:{port}"
        ends_at = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{base}/healthz").status_code == 200:
                    break
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < ends_at
            time.sleep(0.05)
        yield process, base
    finally:
        process.kill()
        process.communicate()


class Reader(threading.Thread):
    """Somebody who asks for a draft and reads until the end, whatever it is."""

    def __init__(self, base, somebody):
        super().__init__(daemon=True)
        self.base, self.somebody = base, somebody
        self.names, self.request_id = [], None
        self.writing = threading.Event()

    def run(self):
        headers = SSE | {"Authorization": self.somebody.http.headers["authorization"]}
        with contextlib.suppress(httpx.HTTPError), httpx.Client(timeout=30) as http:
            body = asking(self.somebody)
            with http.stream("POST", f"{self.base}/api/ai/drafts/generate", json=body, headers=headers) as response:
                for name, data, _ in events_of(response):
                    self.names.append(name)
                    self.request_id = data.get("requestId", self.request_id)
                    if name == "text":
                        self.writing.set()


@pytest.fixture
def slow():
    with Double(pace=Pace.lasting(3)) as double:
        yield double


@pytest.fixture
def port():
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def begun(base, people):
    readers = [Reader(base, somebody) for somebody in people]
    for reader in readers:
        reader.start()
    for reader in readers:
        assert reader.writing.wait(30), reader.names
    return readers


def test_sigterm_lets_streams_finish(stack, slow, port, signed):
    with served(stack, slow, port) as (process, base):
        readers = begun(base, [signed() for _ in range(4)])
        process.send_signal(signal.SIGTERM)
        for reader in readers:
            reader.join(timeout=20)
        assert [reader.names[-1] for reader in readers] == ["draft"] * 4
        assert process.wait(timeout=10) == -signal.SIGTERM or process.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base}/healthz")


@pytest.mark.drill
def test_killed_in_the_middle_of_streams_every_request_ends(stack, slow, port, signed, sql):
    people = [signed() for _ in range(STREAMS)]
    with served(stack, slow, port) as (process, base):
        readers = begun(base, people)
        process.kill()
        for reader in readers:
            reader.join(timeout=20)
    assert all(reader.names[0] == "accepted" and reader.names[-1] == "text" for reader in readers)
    # What a minute does, or two: the leases run out.
    sql.execute("update agent.jobs set due_at = now() - interval '1 second' where state = 'running'")
    env = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")} | stack.env()
    work = [sys.executable, "-m", "agent_service.cli", "work", "--once"]
    ended = subprocess.run(work, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr
    for reader in readers:
        state = reader.somebody.http.get(f"/api/ai/requests/{reader.request_id}").json()
        assert state["state"] == "done", state
        assert state["draft"]["content"]
    drafts = sql.execute(
        "select count(*), count(distinct request_id) from public.ai_drafts where client_id = any (%s)",
        [[somebody.client_id for somebody in people]],
    ).fetchone()
    assert drafts == (STREAMS, STREAMS)
    assert not re.search("Traceback", ended.stderr)
