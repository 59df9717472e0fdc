"""supabase/functions/agent-tick, run by Node with a stand-in for Deno: who gets a turn, and what comes back."""

import http.server
import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "supabase" / "functions" / "agent-tick" / "index.ts"
SECRET = "only-for-tests"
# Its types are annotations of parameters and results; Node 20 has no way to pass over them.
RUN = """
const settings = JSON.parse(process.argv[2]);
let handle;
globalThis.Deno = { env: { get: (name) => settings[name] }, serve: (given) => { handle = given; } };
await import(process.argv[3]);
const answer = await handle(new Request("http://localhost/agent-tick", JSON.parse(process.argv[4])));
console.log(JSON.stringify({ status: answer.status, body: await answer.text() }));
"""


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.asked.append((self.path, self.headers["Authorization"]))
        body = b'{"ended": {"done": 3}}'
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def served():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        server.asked, server.status = [], 200
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def call(tmp_path, served):
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed (apt-get install nodejs)")
    function, run = tmp_path / "function.mjs", tmp_path / "run.mjs"
    function.write_text(re.sub(r": (string|boolean)\b", "", SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
    run.write_text(RUN, encoding="utf-8")
    url = f"http://127.0.0.1:{served.server_address[1]}"

    def call(method="POST", *, secret=SECRET, **settings):
        environment = {"AGENT_API_URL": url, "AGENT_WORKER_KEY": "the.worker.key", "AGENT_TICK_SECRET": SECRET}
        request = {"method": method, "headers": {} if secret is None else {"x-tick-secret": secret}}
        arguments = [json.dumps(environment | settings), str(function), json.dumps(request)]
        done = subprocess.run([node, str(run), *arguments], capture_output=True, text=True, timeout=30, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    return call


def test_the_schedule_gets_a_turn_with_the_worker_key(call, served):
    assert call() == {"status": 200, "body": '{"ended": {"done": 3}}'}
    assert served.asked == [("/workers/tick?seconds=50", "Bearer the.worker.key")]


@pytest.mark.parametrize("secret", [None, "", "another", SECRET + "x", SECRET[:-1]])
def test_nobody_else_does(call, served, secret):
    assert call(secret=secret) == {"status": 401, "body": ""}
    assert served.asked == []


def test_a_function_without_its_secret_lets_nobody_in(call, served):
    assert "AGENT_TICK_SECRET is not set" in call(secret="", AGENT_TICK_SECRET="")
    assert served.asked == []


def test_what_the_api_refuses_is_passed_on(call, served):
    served.status = 401
    assert call()["status"] == 401


def test_an_api_that_is_away_is_502(call):
    assert call(AGENT_API_URL="http://127.0.0.1:1")["status"] == 502
    assert call("GET") == {"status": 405, "body": ""}
