"""`account-agent work`: exit codes, the summary, and real signals to a real process."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import typer
from typer.testing import CliRunner

from agent_service.cli.work import work

START = "import typer; from agent_service.cli.work import work; typer.run(work)"


@pytest.fixture
def command(worker_env):
    app = typer.Typer()
    app.command()(work)
    return lambda *args: CliRunner().invoke(app, args)


def test_a_drained_queue_is_0_with_one_line_for_people(fake, command):
    fake.add_job()
    result = command("--once")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Queue drained: 1 done, ")
    assert len(result.stdout.splitlines()) == 1


def test_an_empty_queue_is_0(command):
    result = command("--once")
    assert result.exit_code == 0
    assert "no job was due" in result.stdout


def test_a_job_failed_for_good_is_1_and_json_says_why(fake, command, answer):
    fake.add_job()
    fake.add_job()
    fake.faults["get_client_context"] = [answer(404, "client_not_found")]
    result = command("--once", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["ended"] == {"done": 1, "failed": 1}
    assert report["codes"] == {"client_not_found": 1}


def test_a_refused_key_is_2(fake, command, answer):
    fake.faults["claim_jobs"] = [answer(401, "worker_key_refused", message="This worker key is revoked.")]
    result = command("--once")
    assert result.exit_code == 2
    assert "revoked" in result.stderr


def test_settings_that_are_missing_are_2_and_all_named(command, monkeypatch):
    monkeypatch.delenv("SUPABASE_URL")
    monkeypatch.delenv("AGENT_WORKER_KEY")
    result = command("--once")
    assert result.exit_code == 2
    assert "SUPABASE_URL" in result.stderr
    assert "AGENT_WORKER_KEY" in result.stderr


def test_an_unknown_kind_is_2(command):
    assert command("--once", "--kinds", "poem").exit_code == 2


def test_logs_hold_ids_and_no_words_from_the_crm(fake, command):
    fake.add_job(hints="the secret plan")
    result = command("--once", "--verbose")
    events = [json.loads(line) for line in result.stderr.splitlines()]
    assert {"worker.started", "job.claimed", "job.ended", "worker.stopped"} <= {event["event"] for event in events}
    for word in ("Dana", "Northwind", "Press line", "secret plan", fake.worker_key, "Bearer"):
        assert word not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_what_is_held_and_exits_0(fake, worker_env, number):
    fake.add_job()
    fake.faults["get_client_context"] = [0.5]
    process = subprocess.Popen([sys.executable, "-c", START], env=os.environ, stdout=subprocess.PIPE, text=True)
    try:
        fake.wait_for(lambda: "get_client_context" in fake.names())
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert output.startswith("Stopped: 1 done")
    assert len(fake.drafts) == 1


def test_a_second_signal_gives_the_job_back_at_once(fake, worker_env):
    job_id = fake.add_job()
    fake.faults["get_client_context"] = [60]
    process = subprocess.Popen([sys.executable, "-c", START], env=os.environ, stdout=subprocess.PIPE, text=True)
    try:
        fake.wait_for(lambda: "get_client_context" in fake.names())
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # two signals at once are one to the kernel
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert time.monotonic() - started < 10
    assert (fake.jobs[job_id]["state"], fake.jobs[job_id]["attempts"]) == ("queued", 0)
