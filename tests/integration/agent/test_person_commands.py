"""`account-agent suggest` and `insights` against the stack: for people, for programs, and without a token."""

import functools
import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def command(stack):
    """Run a command with a person's token, or without one."""

    def run(name, *arguments, token=None):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")} | {
            "SUPABASE_URL": stack.url,
            "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
            "COLUMNS": "200",
        }
        if token is not None:
            environment["AGENT_USER_TOKEN"] = token.get_secret_value()
        return subprocess.run(
            [sys.executable, "-m", "agent_service.cli", name, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def suggest(command):
    return functools.partial(command, "suggest")


def test_it_shows_what_to_do_and_why(suggest, person, sql):
    name = "The [bold]Smith[/bold] \x1b[31mGroup"
    sql.execute("update public.clients set name = %s where id = %s", [name, person.client_id])
    said = suggest("--client", str(person.client_id), token=person.token)
    assert said.returncode == 0, said.stderr
    assert "The [bold]Smith[/bold] [31mGroup" in said.stdout
    assert "high" in said.stdout or "medium" in said.stdout
    assert "Nothing" not in said.stdout


def test_it_is_json_for_programs(suggest, person):
    said = suggest("--client", str(person.client_id), "--json", token=person.token)
    assert [item["rule_key"] for item in json.loads(said.stdout)["items"]] == ["unanswered_message"]


def test_nothing_is_said_to_be_nothing(suggest, new_person):
    said = suggest("--priority", "low", token=new_person().token)
    assert (said.returncode, said.stdout) == (0, "Nothing is proposed.\n")


def test_another_persons_client_is_refused(suggest, person, new_person):
    said = suggest("--client", str(person.client_id), token=new_person().token)
    assert said.returncode == 1
    assert "no such client" in said.stderr


def test_without_a_token_it_says_which_setting(suggest):
    said = suggest()
    assert said.returncode == 1
    assert "AGENT_USER_TOKEN: is not set" in said.stderr


def test_how_things_stand(command, person, sql):
    sql.execute(
        "insert into public.activities (client_id, type, direction, occurred_at) "
        "select %s, 'call', 'outbound', now() - make_interval(days => 10 * n) from generate_series(1, 8) as n",
        [person.client_id],
    )
    said = command("insights", str(person.client_id), token=person.token)
    assert said.returncode == 0, said.stderr
    assert "engagement" in said.stdout
    assert " of 100" in said.stdout
    assert "█" in said.stdout
    assert "win rate unknown (closed deals: 0 of at least 5)" in said.stdout
    assert "risk " in said.stdout
    told = json.loads(command("insights", str(person.client_id), "--refresh", "--json", token=person.token).stdout)
    assert told["client_id"] == str(person.client_id)


def test_anothers_client_has_no_insights(command, person, new_person):
    said = command("insights", str(person.client_id), token=new_person().token)
    assert said.returncode == 1
    assert "no such client" in said.stderr
