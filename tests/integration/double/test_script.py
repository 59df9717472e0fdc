"""Scripting: in this process and over HTTP, and the double as a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anthropic
import httpx
import pytest

from tests.double.fault import Fault
from tests.double.faults import Overloaded, RateLimited, Says, ServerError
from tests.double.script import Script

ROOT = Path(__file__).parents[3]
STARTS = 30  # seconds that Python may need to start


def taken(script, prompts, at="messages"):
    return [script.take(at, prompt) for prompt in prompts]


def test_the_queue_is_taken_one_by_one():
    script = Script()
    script(Overloaded(), None, ServerError())
    assert script.left() == 3
    assert taken(script, ["", "", "", ""]) == [Overloaded(), None, ServerError(), None]


def test_a_rule_lasts_and_the_queue_goes_first():
    script = Script()
    rule = script.rule(Overloaded())
    script(ServerError(), None)
    assert taken(script, ["", "", "", ""]) == [ServerError(), None, Overloaded(), Overloaded()]
    assert rule.struck == 2


def test_a_rule_may_strike_every_nth_time_so_many_times_or_where_a_text_is():
    script = Script()
    script.rule(Overloaded(), every=3, times=1)
    script.rule(ServerError(), containing="Northwind")
    prompts = ["", "Northwind", "Northwind", "Northwind", "Contoso", "Contoso"]
    assert taken(script, prompts) == [None, ServerError(), Overloaded(), ServerError(), None, None]


def test_places_have_queues_of_their_own():
    script = Script()
    script(Overloaded(), at="results")
    assert taken(script, [""]) == [None]
    assert taken(script, [""], "results") == [Overloaded()]
    with pytest.raises(ValueError, match="No place is called 'elsewhere'"):
        script(Overloaded(), at="elsewhere")


def test_it_is_scripted_over_http(double, ask):
    wanted = {
        "faults": [RateLimited(retry_after=7).as_json(), None],
        "rules": [{"fault": Says("By rule").as_json(), "containing": "Northwind"}],
    }
    assert httpx.post(f"{double.url}/_double/script", json=wanted).json() == {"left": 2}
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask()
    assert raised.value.response.headers["retry-after"] == "7"
    assert [ask().content[0].text == "By rule" for _ in range(2)] == [False, True]
    received = httpx.get(f"{double.url}/_double/requests").json()["requests"]
    assert [(request["fault"], request["outcome"]) for request in received] == [
        ("RateLimited", "rate_limit_error"),
        (None, "answered"),
        ("Says", "answered"),
    ]
    assert "Northwind" in received[0]["prompt"]


def test_answerer_pace_and_batches_are_set_over_http(double, ask):
    wanted = {"answerer": {"fixed": "As told"}, "pace": {"first": 0.01}, "batch_polls": None, "end_batches": True}
    assert httpx.post(f"{double.url}/_double/script", json=wanted).status_code == 200
    assert ask().content[0].text == "As told"
    assert (double.pace.first, double.batch_polls) == (0.01, None)
    httpx.post(f"{double.url}/_double/script", json={"reset": True})
    assert (double.requests, double.pace.first, double.batch_polls) == ([], 0, 0)
    assert ask().content[0].text.startswith("Subject: Following up")


@pytest.mark.parametrize(
    "wanted",
    [
        {"fault": []},
        {"faults": [{"fault": "Earthquake"}]},
        {"rules": [{"every": 2}]},
        {"rules": [{"fault": {"fault": "Overloaded"}, "unless": "x"}]},
        {"answerer": "nobody"},
        {"pace": {"speed": 1}},
        [],
    ],
    ids=str,
)
def test_a_wrong_instruction_is_refused(double, wanted):
    answer = httpx.post(f"{double.url}/_double/script", json=wanted)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.fixture
def process():
    command = [sys.executable, "-m", "tests.double", "--answerer", "obeys", "--seconds", "0.1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


def test_it_is_a_process_of_its_own(process, ask):
    url = process.stdout.readline().strip()
    assert process.stdout.readline() == f"ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=test-key\n"
    httpx.post(f"{url}/_double/script", json={"faults": [Overloaded().as_json()]})
    with pytest.raises(anthropic.OverloadedError):
        ask(options={"base_url": url})
    assert "48250.50" in ask(options={"base_url": url}).content[0].text
    assert len(httpx.get(f"{url}/_double/requests").json()["requests"]) == 2
    process.send_signal(signal.SIGTERM)
    assert process.wait(STARTS) == 0


def test_it_imports_nothing_of_the_service():
    command = [sys.executable, "-c", "import sys, tests.double.__main__; print(*sys.modules)"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    imported = subprocess.check_output(command, cwd=ROOT, env=environment, text=True, timeout=STARTS).split()
    assert "tests.double.server" in imported
    assert not {"agent_service", "anthropic", "workers"} & set(imported)


def test_a_fault_of_a_tests_own_can_be_scripted():
    class Meteor(Fault):
        pass

    script = Script()
    script.load({"faults": [{"fault": "Meteor"}]})
    assert script.take("messages", "") == Meteor()
