"""The stack as a whole: what it gives, what it keeps, what it says when it cannot start; and its commands."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import jwt
import psutil
import psycopg
import pytest

from agent_service.devstack.errors import DevstackError
from agent_service.devstack.stack import Devstack

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def folder():
    """A folder that Postgres' account may enter, whoever we are."""
    made = Path(tempfile.mkdtemp(prefix="stack-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_the_settings_reach_what_they_name(stack):
    env = stack.env()
    assert httpx.get(f"{env['SUPABASE_URL']}/auth/v1/.well-known/jwks.json").status_code == 200
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        assert connection.execute("select current_user::text, current_setting('is_superuser')").fetchone() == (
            "postgres",
            "off",
        )
    with psycopg.connect(env["AGENT_LISTEN_URL"]) as connection:
        assert connection.execute("select current_user::text").fetchone() == ("agent_listener",)
    worker = {"apikey": env["SUPABASE_PUBLISHABLE_KEY"], "Authorization": f"Bearer {env['AGENT_WORKER_KEY']}"}
    answer = httpx.post(f"{env['SUPABASE_URL']}/rest/v1/rpc/claim_jobs", headers=worker, json={"p_kinds": ["none"]})
    assert (answer.status_code, answer.json()) == (200, [])


def test_the_agents_secret_is_in_the_vault_and_signs(stack):
    token = stack.worker_key()
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["kid"]) == ("HS256", stack.keys.agent_kid)
    claims = jwt.decode(token, stack.keys.agent_secret, algorithms=["HS256"], audience="authenticated")
    assert claims["role"] == "agent_worker"


def test_no_login_of_the_settings_but_the_databases_reads_the_secret(stack):
    with psycopg.connect(stack.listen_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select from vault.decrypted_secrets")


def test_a_kept_folder_keeps_keys_and_data(folder):
    with Devstack(folder) as first:
        user_id = first.create_user("ada@example.com", "correct-horse", full_name="Ada Example")
        kept = (first.worker_key(), first.keys, first.server.password("postgres"))
    with Devstack(folder) as second:
        assert (second.worker_key(), second.keys, second.server.password("postgres")) == kept
        with psycopg.connect(second.database_url) as connection:
            assert connection.execute("select id from auth.users").fetchall() == [(user_id,)]
            connection.execute("select agent.revoke_worker_key(jti) from agent.worker_keys")
        assert Devstack.worker_key(second) == kept[0]  # this object goes on with what it handed out
    with Devstack(folder) as third:
        assert third.worker_key() != kept[0]
    for file in ("keys.json", "worker-key", "secret", "postgres.log"):
        assert (folder / file).stat().st_mode & 0o077 == 0, file


def test_a_taken_port_stops_it_before_anything_is_made(folder):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(DevstackError, match=f"Port {port} is taken by process {os.getpid()}"):
            Devstack(folder, port=port).start()
    assert list(folder.iterdir()) == []


def test_a_gateway_that_cannot_start_leaves_no_postgres(folder, monkeypatch):
    stack = Devstack(folder)
    monkeypatch.setattr(stack, "_serve", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stack.start()
    with pytest.raises(DevstackError, match="not running"):
        _ = stack.server.port


def agent(*arguments):
    command = [sys.executable, "-m", "agent_service.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def run(*arguments):
    with agent(*arguments) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def wait_for(file, process):
    deadline = time.monotonic() + 60
    while not file.exists() or not file.read_text():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def free_ports():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return [one.getsockname()[1], two.getsockname()[1]]


def test_up_env_and_down(folder):
    port, db_port = free_ports()
    kept = ("--data-dir", folder / "kept")
    with agent("devstack", "up", *kept, "--port", port, "--db-port", db_port) as up:
        wait_for(folder / "kept" / "running.json", up)
        code, out, err = run("devstack", "env", *kept, "--json")
        assert (code, err) == (0, "")
        env = json.loads(out)
        assert env["SUPABASE_URL"] == f"http://127.0.0.1:{port}"
        assert f"export SUPABASE_URL=http://127.0.0.1:{port}\n" in run("devstack", "env", *kept)[1]

        code, _, err = run("devstack", "up", "--data-dir", folder / "other", "--port", port)
        assert code == 1
        assert err.startswith(f"Port {port} is taken by process {up.pid} (")
        assert not (folder / "other").exists()

        assert run("devstack", "down", *kept) == (0, "Stopped.\n", "")
        out, err = up.communicate(timeout=30)
    assert (up.returncode, err) == (0, "")
    sign_in = json.loads((folder / "kept" / "sign-ins.json").read_text())[0]
    for shown in (*env.values(), sign_in["email"], sign_in["password"]):
        assert shown in out
    assert run("devstack", "down", *kept) == (0, f"No stack runs in {folder / 'kept'}.\n", "")
    code, out, err = run("devstack", "env", *kept)
    assert (code, out) == (1, "")
    assert "account-agent devstack up" in err


def test_a_detached_stack_stays_until_it_is_taken_down(folder):
    port, db_port = free_ports()
    kept = ("--data-dir", folder / "kept")
    up = ("devstack", "up", "--detach", *kept, "--port", port, "--db-port", db_port)
    code, said, err = run(*up)
    try:
        assert (code, err) == (0, "")
        env = json.loads(run("devstack", "env", *kept, "--json")[1])
        for shown in (*env.values(), "account-agent devstack down", "Sign-ins"):
            assert shown in said
        assert httpx.get(f"{env['SUPABASE_URL']}/auth/v1/.well-known/jwks.json", timeout=5).status_code == 200
        assert run(*up) == (0, said, ""), "it runs already: the same words again"
        code, _, err = run("devstack", "up", "--detach", "--data-dir", folder / "other", "--port", port)
        assert code == 1
        assert f"Port {port} is taken by process" in err
    finally:
        assert run("devstack", "down", *kept) == (0, "Stopped.\n", "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(env["SUPABASE_URL"], timeout=5)


def test_down_spares_a_process_that_merely_has_the_recorded_id(folder):
    (folder / "running.json").write_text(json.dumps({"pid": os.getpid(), "started": 1.0, "env": {}}))
    assert run("devstack", "down", "--data-dir", folder) == (0, f"No stack runs in {folder}.\n", "")


def test_a_killed_owner_whose_parent_does_not_look_runs_nothing(folder):
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(owner.pid)
    record = {"pid": owner.pid, "started": process.create_time(), "env": {}}
    (folder / "running.json").write_text(json.dumps(record))
    assert run("devstack", "env", "--data-dir", folder)[0] == 0
    owner.kill()
    deadline = time.monotonic() + 10
    while process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
    try:
        assert run("devstack", "env", "--data-dir", folder)[0] == 1
    finally:
        owner.communicate()


def test_migrate_by_hand(database):
    code, out, _ = run("migrate", "--database-url", database.dsn())
    assert (code, out) == (0, "The database is up to date.\n")


def test_a_missing_setting_is_a_sentence(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    code, out, err = run("migrate")
    assert (code, out) == (1, "")
    assert "DATABASE_URL: is not set" in err
    assert "Traceback" not in err


def test_help_imports_no_command():
    """Help is read often, and some commands bring a second of imports."""
    heavy = "psycopg", "starlette", "supabase", "postgrest", "pydantic", "rich.console"
    code = f"import agent_service.cli as c, sys; c.build_app(); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout == "[]\n"


def test_help_lists_every_command():
    code, out, _ = run("--help")
    assert code == 0
    for command in ("devstack", "migrate", "work"):
        assert f" {command} " in out
